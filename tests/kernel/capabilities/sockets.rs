//! Sockets that are not plain TCP and UDP, and those that other processes made.

mod datagram;
mod listeners;
mod received;
mod rings;
mod unix;
mod vsock;

use super::{Check, Stage};
use agent::event::{EventHeader, EventKind, Payload, RecordFlags, Socket};
use agent::kernel::{Backend, Capability};
use agent_tests::capability::Capability as Need;
use anyhow::{Result, bail, ensure};

pub(super) const CHECKS: &[&[Check]] = &[
    MADE,
    unix::CHECKS,
    datagram::CHECKS,
    received::CHECKS,
    rings::CHECKS,
    listeners::CHECKS,
    vsock::CHECKS,
];

const MADE: &[Check] = &[
    Check {
        capability: Capability::Socket,
        what: "a packet socket",
        rows: &["socket"],
        run: packet,
    },
    Check {
        capability: Capability::Socket,
        what: "a raw socket, whatever its flags",
        rows: &["socket"],
        run: raw,
    },
    Check {
        capability: Capability::Socket,
        what: "a family that the kernel does not have",
        rows: &["socket"],
        run: refused,
    },
    Check {
        capability: Capability::Socket,
        what: "netlink that configures",
        rows: &["socket"],
        run: netlink,
    },
    Check {
        capability: Capability::Socket,
        what: "a packet socket by socketcall",
        rows: &["socket"],
        run: by_socketcall,
    },
    Check {
        capability: Capability::Socket,
        what: "a raw socket by a ring",
        rows: &["socket_io_uring"],
        run: by_ring,
    },
    Check {
        capability: Capability::Socket,
        what: "TCP, UDP, unix and routes are everyday life",
        rows: &[],
        run: everyday,
    },
];

impl Stage<'_> {
    /// How many records of this kind the container has made since the check began.
    fn times(&mut self, kind: EventKind) -> Result<usize> {
        let slot = self.container.slot;
        self.world
            .count(|event| event.slot() == Some(slot) && event.header.kind == kind)
    }

    /// The container's record that `pick` picks, whichever hook made it.
    fn shown<T>(&mut self, what: &str, pick: impl FnMut(&Payload) -> Option<T>) -> Result<(EventHeader, T)> {
        let (header, picked) = self.expect_any(what, pick)?;
        self.check_head(&header)?;
        Ok((header, picked))
    }

    pub(super) fn is_native(&self, capability: Capability) -> bool {
        self.world
            .report(capability)
            .is_some_and(|report| report.backend == Some(Backend::Tracepoint))
    }

    /// False: the kernel has no rings, or no such request.
    pub(super) fn act_by_ring(&mut self, deed: &str) -> Result<bool> {
        match self.container.init.attempt(deed)? {
            Ok(_) => Ok(true),
            Err(number @ (libc::ENOSYS | libc::EPERM | libc::EINVAL)) => {
                let reason = std::io::Error::from_raw_os_error(number);
                self.skip(Need::IoUring, &format!("{deed}: {reason}"));
                Ok(false)
            }
            Err(number) => bail!("{deed}: {}", std::io::Error::from_raw_os_error(number)),
        }
    }

    /// Does it in a process of its own, as kernels without 32-bit calls end it; false: this one does.
    pub(super) fn act32(&mut self, deed: &str) -> Result<bool> {
        match self.container.init.act(&format!("run {deed}")) {
            Ok(_) => Ok(true),
            Err(error) => {
                self.skip(Need::Compat, &error.to_string());
                Ok(false)
            }
        }
    }
}

fn made(stage: &mut Stage<'_>, wanted: Socket) -> Result<EventHeader> {
    let (header, socket) = stage.expect(Capability::Socket, |payload| match payload {
        Payload::Socket(socket) => Some(socket.clone()),
        _ => None,
    })?;
    ensure!(socket == wanted, "{socket:?}");
    Ok(header)
}

fn packet(stage: &mut Stage<'_>) -> Result<()> {
    stage.act("socket 17 3 768")?;
    let header = made(
        stage,
        Socket {
            family: 17,
            socket_type: 3,
            protocol: 768,
        },
    )?;
    ensure!(header.ret == 0, "{}", header.ret);
    Ok(())
}

fn raw(stage: &mut Stage<'_>) -> Result<()> {
    const NONBLOCKING_CLOSED_ON_EXEC: i32 = libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
    stage.act(&format!("socket 2 {} 2", 3 | NONBLOCKING_CLOSED_ON_EXEC))?;
    let wanted = Socket {
        family: 2,
        socket_type: 3,
        protocol: 2,
    };
    made(stage, wanted)?;
    stage.act("socket 2 3 2")?;
    ensure!(stage.times(EventKind::SOCKET)? == 1, "a repeat left the kernel");
    Ok(())
}

fn refused(stage: &mut Stage<'_>) -> Result<()> {
    // Econet, which is no more.
    let errno = stage.container.init.attempt("socket 19 1 0")?;
    ensure!(errno == Err(libc::EAFNOSUPPORT), "{errno:?}");
    let wanted = Socket {
        family: 19,
        socket_type: 1,
        protocol: 0,
    };
    let header = made(stage, wanted)?;
    // Hooks on objects run before the kernel knows.
    let said = if stage.is_native(Capability::Socket) {
        -libc::EAFNOSUPPORT
    } else {
        0
    };
    ensure!(header.ret == said, "{}", header.ret);
    Ok(())
}

fn netlink(stage: &mut Stage<'_>) -> Result<()> {
    const NETFILTER: u32 = 12;
    // A kernel without it refuses: an attempt tells as much.
    stage
        .container
        .init
        .attempt(&format!("socket 16 3 {NETFILTER}"))?
        .ok();
    let wanted = Socket {
        family: 16,
        socket_type: 3,
        protocol: NETFILTER,
    };
    made(stage, wanted).map(drop)
}

fn by_socketcall(stage: &mut Stage<'_>) -> Result<()> {
    if !stage.act32("socket32 17 2 8")? {
        return Ok(());
    }
    let (header, ()) = stage.expect_any("SOCKET", |payload| match payload {
        Payload::Socket(socket) if socket.socket_type == 2 => Some(()),
        _ => None,
    })?;
    let compat = header.flags.has(RecordFlags::COMPAT);
    ensure!(
        compat == stage.is_native(Capability::Socket),
        "flags {:#x}",
        header.flags.0
    );
    Ok(())
}

fn by_ring(stage: &mut Stage<'_>) -> Result<()> {
    if !stage.act_by_ring("uring-socket 2 3 17")? {
        return Ok(());
    }
    let wanted = Socket {
        family: 2,
        socket_type: 3,
        protocol: 17,
    };
    let (header, socket) = stage.expect_any("SOCKET", |payload| match payload {
        Payload::Socket(socket) => Some(socket.clone()),
        _ => None,
    })?;
    ensure!(socket == wanted, "{socket:?}");
    ensure!(
        header.flags.has(RecordFlags::IO_URING),
        "flags {:#x}",
        header.flags.0
    );
    Ok(())
}

fn everyday(stage: &mut Stage<'_>) -> Result<()> {
    for deed in [
        "socket 2 1 6",
        "socket 2 1 262",
        "socket 10 1 0",
        "socket 2 2 17",
        "socket 1 5 0",
        "socket 16 3 0",
    ] {
        // MPTCP need not be there.
        stage.container.init.attempt(deed)?.ok();
    }
    let times = stage.times(EventKind::SOCKET)?;
    ensure!(times == 0, "{times} of them left the kernel");
    Ok(())
}
