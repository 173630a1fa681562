//! What rings do with unix sockets, and with those of datagrams.

use super::super::network::{free_port, loopback};
use super::super::{Check, Stage, word};
use agent::event::{EventHeader, EventKind, Payload, RecordFlags, Trust, UnixConnect};
use agent::kernel::Capability;
use anyhow::{Result, ensure};
use std::net::UdpSocket;
use std::os::unix::fs::{MetadataExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;

pub(super) const CHECKS: &[Check] = &[
    Check {
        capability: Capability::Bind,
        what: "a unix socket gets a path by a ring",
        rows: &["unix_bind_io_uring"],
        run: bind,
    },
    Check {
        capability: Capability::UnixConnect,
        what: "a socket with a path, by a ring",
        rows: &["unix_connect_io_uring"],
        run: connect,
    },
    Check {
        capability: Capability::UnixConnect,
        what: "a socket by a link to it, by a ring with a thread of its own",
        rows: &["unix_connect_io_uring"],
        run: by_link,
    },
    Check {
        capability: Capability::UnixConnect,
        what: "a socket by a ring without a completion",
        rows: &["unix_connect_io_uring"],
        run: silently,
    },
    Check {
        capability: Capability::UnixConnect,
        what: "a runtime's socket that is not there, by a ring",
        rows: &[],
        run: no_runtime,
    },
    Check {
        capability: Capability::Connect,
        what: "a datagram socket by a ring",
        rows: &["connect_udp_io_uring"],
        run: datagram,
    },
];

/// Says that a ring did it, and whose.
fn by_ring(stage: &Stage<'_>, header: &EventHeader) -> Result<()> {
    let flags = header.flags;
    ensure!(flags.has(RecordFlags::IO_URING), "flags {:#x}", flags.0);
    ensure!(header.tgid == stage.container.init.pid, "{header:?}");
    Ok(())
}

fn bind(stage: &mut Stage<'_>) -> Result<()> {
    let path = word(&stage.world.path("ring.sock"));
    if !stage.act_by_ring(&format!("uring-unix-bind {path}"))? {
        return Ok(());
    }
    let (header, bind) = stage.expect_any("UNIX_BIND", |payload| match payload {
        Payload::UnixBind(bind) => Some(bind.clone()),
        _ => None,
    })?;
    ensure!(bind.path.to_text() == path, "{bind:?}");
    by_ring(stage, &header)
}

/// A connection of this trust; by tracepoints there are two, one of the submission and one of the completion.
fn connected(stage: &mut Stage<'_>, resolved: bool) -> Result<(EventHeader, UnixConnect)> {
    let found = stage.expect_any("UNIX_CONNECT", |payload| match payload {
        Payload::UnixConnect(connect) if (connect.file.ino != 0) == resolved => Some(connect.clone()),
        _ => None,
    })?;
    let trust = if resolved {
        Trust::RESOLVED
    } else {
        Trust::ARGUMENTS
    };
    ensure!(found.0.flags.trust() == trust, "{:?}", found.0);
    by_ring(stage, &found.0)?;
    Ok(found)
}

/// What was asked for, where that is told.
fn asked(stage: &mut Stage<'_>, path: &Path) -> Result<Option<EventHeader>> {
    if !stage.is_native(Capability::UnixConnect) {
        return Ok(None);
    }
    let (header, connect) = connected(stage, false)?;
    ensure!(connect.path.to_text() == word(path), "{connect:?}");
    Ok(Some(header))
}

fn connect(stage: &mut Stage<'_>) -> Result<()> {
    let path = stage.world.path("ring-server.sock");
    let _listener = UnixListener::bind(&path)?;
    let deed = format!("uring-unix-connect worker {}", word(&path));
    if !stage.act_by_ring(&deed)? {
        return Ok(());
    }
    if let Some(header) = asked(stage, &path)? {
        ensure!(!header.flags.has(RecordFlags::DEVIATION), "urgent");
    }
    let (_, connect) = connected(stage, true)?;
    ensure!(connect.file.ino == std::fs::metadata(&path)?.ino(), "{connect:?}");
    // The ring's worker may still be at the first one.
    stage.act(&deed)?;
    let times = stage.times(EventKind::UNIX_CONNECT)?;
    stage.act(&deed)?;
    ensure!(
        stage.times(EventKind::UNIX_CONNECT)? == times,
        "a repeat left the kernel"
    );
    Ok(())
}

/// Whatever it was asked for by, the server's socket is what counts.
fn by_link(stage: &mut Stage<'_>) -> Result<()> {
    let (path, link) = (
        stage.world.path("ring-linked.sock"),
        stage.world.path("ring-link"),
    );
    let _listener = UnixListener::bind(&path)?;
    symlink(&path, &link)?;
    if !stage.act_by_ring(&format!("uring-unix-connect polled {}", word(&link)))? {
        return Ok(());
    }
    asked(stage, &link)?;
    let (_, connect) = connected(stage, true)?;
    ensure!(connect.file.ino == std::fs::metadata(&path)?.ino(), "{connect:?}");
    ensure!(
        connect.path.to_text().ends_with("/ring-linked.sock"),
        "{connect:?}"
    );
    Ok(())
}

/// Nothing tells who served it then, which is telling.
fn silently(stage: &mut Stage<'_>) -> Result<()> {
    let path = stage.world.path("ring-silent.sock");
    let _listener = UnixListener::bind(&path)?;
    if !stage.act_by_ring(&format!("uring-unix-connect silent {}", word(&path)))? {
        return Ok(());
    }
    if let Some(header) = asked(stage, &path)? {
        ensure!(header.flags.has(RecordFlags::DEVIATION), "not urgent");
        return stage
            .silent(|payload| matches!(payload, Payload::UnixConnect(connect) if connect.file.ino != 0));
    }
    let found = stage.expect_any("UNIX_CONNECT", |payload| match payload {
        Payload::UnixConnect(connect) => Some(connect.clone()),
        _ => None,
    })?;
    ensure!(found.1.file.ino == std::fs::metadata(&path)?.ino(), "{found:?}");
    Ok(())
}

/// Where the submission is seen; hooks on objects see what there is.
fn no_runtime(stage: &mut Stage<'_>) -> Result<()> {
    stage.world.sensor.slots.watch_names(["podman.sock"])?;
    let path = stage.world.path("podman.sock");
    let result = stage
        .container
        .init
        .attempt(&format!("uring-unix-connect worker {}", word(&path)))?;
    ensure!(result != Ok(0), "somebody serves it");
    if result == Err(libc::ENOENT)
        && let Some(header) = asked(stage, &path)?
    {
        ensure!(header.flags.has(RecordFlags::DEVIATION), "not urgent");
    }
    Ok(())
}

fn datagram(stage: &mut Stage<'_>) -> Result<()> {
    let port = free_port()?;
    let _peer = UdpSocket::bind(("127.0.0.1", port))?;
    if !stage.act_by_ring(&format!("uring-connect-datagram {port}"))? {
        return Ok(());
    }
    let (header, net) = stage.expect_any("CONNECT", |payload| match payload {
        Payload::Connect(net) if net.remote == loopback(port) => Some(net.clone()),
        _ => None,
    })?;
    ensure!(net.protocol == 17, "{net:?}");
    by_ring(stage, &header)
}
