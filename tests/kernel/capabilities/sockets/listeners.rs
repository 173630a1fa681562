//! Listeners that an image finds open, and those that are told more than once, or in another family.

use super::super::network::{free_port, loopback};
use super::super::{Check, Stage};
use agent::event::{EventHeader, Net, Payload, RawEvent, RecordFlags, SlotKey};
use agent::kernel::Capability;
use agent_tests::capability::Capability as Need;
use anyhow::{Result, ensure};

pub(super) const CHECKS: &[Check] = &[
    Check {
        capability: Capability::Listen,
        what: "a listener that the next image finds open",
        rows: &["listen", "listen_inherited"],
        run: inherited,
    },
    Check {
        capability: Capability::Listen,
        what: "a listener that closes on exec is nobody else's",
        rows: &["listen"],
        run: closed_on_exec,
    },
    Check {
        capability: Capability::Listen,
        what: "MPTCP listens once",
        rows: &["listen"],
        run: mptcp,
    },
    Check {
        capability: Capability::Listen,
        what: "both families by one socket",
        rows: &["listen"],
        run: dual_stack,
    },
    Check {
        capability: Capability::Listen,
        what: "IPv4 by a socket of IPv6",
        rows: &["listen"],
        run: mapped,
    },
    Check {
        capability: Capability::Listen,
        what: "listen by socketcall",
        rows: &["listen", "bind"],
        run: listen32,
    },
    Check {
        capability: Capability::Listen,
        what: "listen by a ring without bind",
        rows: &["listen_io_uring"],
        run: by_ring,
    },
];

/// Of this port: earlier listeners of the container's process are still open.
fn listens(stage: &mut Stage<'_>, port: u16, inherited: bool) -> Result<(EventHeader, Net)> {
    let slot = stage.container.slot;
    stage.expect_event("LISTEN", |event| {
        let net = listener(event, slot, port)?;
        let found_open = event.header.flags.has(RecordFlags::INHERITED);
        (found_open == inherited).then(|| net.clone())
    })
}

fn listener(event: &RawEvent, slot: SlotKey, port: u16) -> Option<&Net> {
    match &event.payload {
        Payload::Listen(net) if event.slot() == Some(slot) && net.local.port == port => Some(net),
        _ => None,
    }
}

fn times(stage: &mut Stage<'_>, port: u16) -> Result<usize> {
    let slot = stage.container.slot;
    stage.world.count(|event| listener(event, slot, port).is_some())
}

fn inherited(stage: &mut Stage<'_>) -> Result<()> {
    let port = free_port()?;
    stage.act(&format!("listen-inherited {port}"))?;
    let (own, _) = listens(stage, port, false)?;
    let (header, net) = listens(stage, port, true)?;
    ensure!(net.local == loopback(port), "{net:?}");
    ensure!((net.protocol, net.backlog) == (6, 1), "{net:?}");
    ensure!(
        header.tgid != own.tgid && header.exec_id != own.exec_id,
        "of the image that made it"
    );
    stage.act(&format!("listen-inherited {port}"))?;
    ensure!(times(stage, port)? == 2, "a repeat left the kernel");
    Ok(())
}

fn closed_on_exec(stage: &mut Stage<'_>) -> Result<()> {
    let port = free_port()?;
    stage.act(&format!("listen-closed-on-exec {port}"))?;
    listens(stage, port, false)?;
    let times = times(stage, port)?;
    ensure!(times == 1, "{times} listeners");
    Ok(())
}

fn mptcp(stage: &mut Stage<'_>) -> Result<()> {
    let port = free_port()?;
    let result = stage.container.init.attempt(&format!("listen-mptcp {port}"))?;
    if matches!(result, Err(libc::EPROTONOSUPPORT | libc::ENOPROTOOPT)) {
        stage.skipped = true;
        return Ok(());
    }
    ensure!(result.is_ok(), "{result:?}");
    let (header, net) = listens(stage, port, false)?;
    ensure!(net.local == loopback(port), "{net:?}");
    ensure!(net.protocol == 6, "{net:?}");
    let counted = stage.world.sensor.slots.occurrences(&header.behaviour);
    ensure!(counted == Some(1), "counted {counted:?}");
    Ok(())
}

fn dual_stack(stage: &mut Stage<'_>) -> Result<()> {
    let port = free_port()?;
    stage.act(&format!("listen6 :: {port}"))?;
    let (_, net) = listens(stage, port, false)?;
    ensure!(net.local.addr == [0; 16], "{net:?}");
    ensure!(net.local.family == 10, "{net:?}");
    Ok(())
}

fn mapped(stage: &mut Stage<'_>) -> Result<()> {
    let port = free_port()?;
    stage.act(&format!("listen6 ::ffff:127.0.0.1 {port}"))?;
    let (_, net) = listens(stage, port, false)?;
    ensure!(net.local.addr == loopback(port).addr, "{net:?}");
    Ok(())
}

fn listen32(stage: &mut Stage<'_>) -> Result<()> {
    let port = free_port()?;
    if !stage.act32(&format!("listen32 {port}"))? {
        return Ok(());
    }
    let (_, net) = listens(stage, port, false)?;
    ensure!(net.local == loopback(port), "{net:?}");
    let (_, bind) = stage.expect_any("BIND", |payload| match payload {
        Payload::Bind(net) => Some(net.clone()),
        _ => None,
    })?;
    ensure!(bind.local == loopback(port), "{bind:?}");
    Ok(())
}

/// Where only the state of sockets tells, its port is not known then.
fn by_ring(stage: &mut Stage<'_>) -> Result<()> {
    let port = match stage.container.init.attempt("uring-listen-anywhere")? {
        Ok(port) => u16::try_from(port)?,
        Err(number) => {
            let reason = std::io::Error::from_raw_os_error(number);
            stage.skip(Need::IoUring, &format!("listen: {reason}"));
            return Ok(());
        }
    };
    let report = stage.world.report(Capability::Listen);
    if report.is_some_and(|report| report.programs.contains(&"tcp_listen")) {
        stage.skipped = true;
        return Ok(());
    }
    let (header, _) = listens(stage, port, false)?;
    ensure!(
        header.flags.has(RecordFlags::IO_URING),
        "flags {:#x}",
        header.flags.0
    );
    Ok(())
}
