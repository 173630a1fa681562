//! What is done with sockets between virtual machines and their host.

use super::super::{Check, Stage};
use agent::event::{EventHeader, EventKind, Payload, RecordFlags};
use agent::kernel::Capability;
use anyhow::{Result, ensure};

pub(super) const CHECKS: &[Check] = &[
    Check {
        capability: Capability::Bind,
        what: "a vsock socket that waits",
        rows: &["vsock_bind"],
        run: waits,
    },
    Check {
        capability: Capability::Connect,
        what: "a vsock socket that tries to connect",
        rows: &["vsock_connect"],
        run: connects,
    },
    Check {
        capability: Capability::Connect,
        what: "a vsock socket that tries to connect by a ring",
        rows: &["vsock_connect_io_uring"],
        run: connects_by_ring,
    },
];

const AF_VSOCK: u16 = 40;

/// The record with this flag, which no other has.
fn used(stage: &mut Stage<'_>, how: u32) -> Result<EventHeader> {
    let slot = stage.container.slot;
    let (header, ()) = stage.expect_event("SOCKET", |event| match &event.payload {
        Payload::Socket(socket) if socket.family == AF_VSOCK => {
            (event.slot() == Some(slot) && event.header.flags.has(how)).then_some(())
        }
        _ => None,
    })?;
    let both = RecordFlags::BINDS | RecordFlags::CONNECTS;
    ensure!(header.flags.0 & both == how, "flags {:#x}", header.flags.0);
    Ok(header)
}

/// False: the kernel has no such sockets.
fn attempt(stage: &mut Stage<'_>, deed: &str, expected: Option<i32>) -> Result<bool> {
    let result = stage.container.init.attempt(deed)?;
    if result == Err(libc::EAFNOSUPPORT) {
        stage.skipped = true;
        return Ok(false);
    }
    ensure!(result.err() == expected, "{deed}: {result:?}");
    Ok(true)
}

fn waits(stage: &mut Stage<'_>) -> Result<()> {
    if !attempt(stage, "vsock-bind 5901", None)? {
        return Ok(());
    }
    used(stage, RecordFlags::BINDS)?;
    attempt(stage, "vsock-bind 5902", None)?;
    let times = stage.times(EventKind::SOCKET)?;
    ensure!(times == 2, "{times} left the kernel: made, and bound");
    Ok(())
}

fn connects(stage: &mut Stage<'_>) -> Result<()> {
    if !attempt(stage, "vsock-connect 5901", Some(libc::EINVAL))? {
        return Ok(());
    }
    let header = used(stage, RecordFlags::CONNECTS)?;
    // Hooks on objects run before the kernel knows.
    let said = if stage.is_native(Capability::Connect) {
        -libc::EINVAL
    } else {
        0
    };
    ensure!(header.ret == said, "{}", header.ret);
    Ok(())
}

fn connects_by_ring(stage: &mut Stage<'_>) -> Result<()> {
    if !attempt(stage, "uring-vsock-connect 5901", Some(libc::EINVAL))? {
        return Ok(());
    }
    let header = used(stage, RecordFlags::CONNECTS)?;
    ensure!(
        header.flags.has(RecordFlags::IO_URING),
        "flags {:#x}",
        header.flags.0
    );
    Ok(())
}
