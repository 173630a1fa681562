//! Unix sockets that are bound, and those that cannot be connected to.

use super::super::{Check, Stage, word};
use agent::event::{EventHeader, EventKind, Payload, RecordFlags, Trust, UnixConnect};
use agent::kernel::Capability;
use anyhow::{Result, ensure};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::{UnixDatagram, UnixListener};

pub(super) const CHECKS: &[Check] = &[
    Check {
        capability: Capability::Bind,
        what: "a unix socket gets a path",
        rows: &["unix_bind"],
        run: path,
    },
    Check {
        capability: Capability::Bind,
        what: "a unix socket gets an abstract name",
        rows: &["unix_bind"],
        run: abstract_name,
    },
    Check {
        capability: Capability::Bind,
        what: "the same abstract name in another network",
        rows: &[],
        run: abstract_name_elsewhere,
    },
    Check {
        capability: Capability::Bind,
        what: "a unix socket gets a path by socketcall",
        rows: &["unix_bind"],
        run: bind32,
    },
    Check {
        capability: Capability::Bind,
        what: "names that the kernel chooses tell nothing",
        rows: &[],
        run: autobind,
    },
    Check {
        capability: Capability::UnixConnect,
        what: "a runtime's socket that is not there",
        rows: &["unix_connect_refused"],
        run: no_runtime,
    },
    Check {
        capability: Capability::UnixConnect,
        what: "a shim's abstract socket that is not there",
        rows: &["unix_connect_refused"],
        run: no_shim,
    },
    Check {
        capability: Capability::UnixConnect,
        what: "a socket that nobody serves",
        rows: &["unix_connect_refused"],
        run: deserted,
    },
    Check {
        capability: Capability::UnixConnect,
        what: "a socket of another type",
        rows: &["unix_connect_refused"],
        run: of_another_type,
    },
    Check {
        capability: Capability::UnixConnect,
        what: "a socket that is not there, by socketcall",
        rows: &["unix_connect_refused"],
        run: refused32,
    },
    Check {
        capability: Capability::UnixConnect,
        what: "the name service's socket is nothing urgent",
        rows: &["unix_connect_refused"],
        run: name_service,
    },
];

fn bound(stage: &mut Stage<'_>) -> Result<(EventHeader, UnixConnect)> {
    stage.shown("UNIX_BIND", |payload| match payload {
        Payload::UnixBind(bind) => Some(bind.clone()),
        _ => None,
    })
}

fn path(stage: &mut Stage<'_>) -> Result<()> {
    let path = stage.world.path("bound.sock");
    stage.act(&format!("unix-bind stream {}", word(&path)))?;
    let (header, bind) = bound(stage)?;
    ensure!(
        header.flags.trust() == Trust::RACY,
        "{}",
        header.flags.trust().name()
    );
    ensure!(bind.path.to_text().ends_with("/bound.sock"), "{bind:?}");
    ensure!(bind.file.ino == std::fs::metadata(&path)?.ino(), "{bind:?}");
    // A new inode, and the same behaviour.
    std::fs::remove_file(&path)?;
    stage.act(&format!("unix-bind stream {}", word(&path)))?;
    ensure!(
        stage.times(EventKind::UNIX_BIND)? == 1,
        "a repeat left the kernel"
    );
    let other = stage.world.path("bound.dgram");
    stage.act(&format!("unix-bind dgram {}", word(&other)))?;
    ensure!(
        stage.times(EventKind::UNIX_BIND)? == 2,
        "another name did not leave"
    );
    ensure!(
        stage.times(EventKind::BIND)? == 0,
        "it is no bind of the internet"
    );
    Ok(())
}

fn abstract_name(stage: &mut Stage<'_>) -> Result<()> {
    let name = format!("@vigia-bound-{}", std::process::id());
    stage.act(&format!("unix-bind seqpacket {name}"))?;
    let (_, bind) = bound(stage)?;
    ensure!(bind.path.to_text() == name, "{bind:?}");
    ensure!(bind.file.ino == 0, "{bind:?}");
    Ok(())
}

/// By the same program: only the namespace is another.
fn abstract_name_elsewhere(stage: &mut Stage<'_>) -> Result<()> {
    let deed = format!("unix-bind stream @vigia-elsewhere-{}", std::process::id());
    for times in [1, 1] {
        stage.act(&format!("run {deed}"))?;
        ensure!(stage.times(EventKind::UNIX_BIND)? == times, "not once");
    }
    stage.act(&format!("run in-own-network {deed}"))?;
    ensure!(
        stage.times(EventKind::UNIX_BIND)? == 2,
        "another network's name is a repeat"
    );
    Ok(())
}

fn bind32(stage: &mut Stage<'_>) -> Result<()> {
    let path = stage.world.path("bound32.sock");
    if !stage.act32(&format!("unix-bind32 {}", word(&path)))? {
        return Ok(());
    }
    let (header, bind) = stage.expect_any("UNIX_BIND", |payload| match payload {
        Payload::UnixBind(bind) => Some(bind.clone()),
        _ => None,
    })?;
    ensure!(bind.path.to_text().ends_with("/bound32.sock"), "{bind:?}");
    ensure!(
        header.flags.has(RecordFlags::COMPAT),
        "flags {:#x}",
        header.flags.0
    );
    Ok(())
}

fn autobind(stage: &mut Stage<'_>) -> Result<()> {
    stage.act("unix-bind stream -")?;
    let times = stage.times(EventKind::UNIX_BIND)?;
    ensure!(times == 0, "{times} left the kernel");
    Ok(())
}

/// Tries, and takes the record of the attempt.
fn refused(stage: &mut Stage<'_>, deed: &str, errno: i32) -> Result<(EventHeader, UnixConnect)> {
    let result = stage.container.init.attempt(deed)?;
    ensure!(result == Err(errno), "{result:?}");
    let (header, connect) = stage.shown("UNIX_CONNECT", |payload| match payload {
        Payload::UnixConnect(connect) => Some(connect.clone()),
        _ => None,
    })?;
    ensure!(header.ret == -errno, "{}", header.ret);
    ensure!(
        header.flags.trust() == Trust::ARGUMENTS,
        "{}",
        header.flags.trust().name()
    );
    ensure!(connect.file.ino == 0 && connect.peer_tgid == 0, "{connect:?}");
    Ok((header, connect))
}

fn no_runtime(stage: &mut Stage<'_>) -> Result<()> {
    stage.world.sensor.slots.watch_names(["docker.sock"])?;
    let path = word(&stage.world.path("docker.sock"));
    let deed = format!("unix-try stream {path}");
    let (header, connect) = refused(stage, &deed, libc::ENOENT)?;
    ensure!(connect.path.to_text() == path, "{connect:?}");
    ensure!(header.flags.has(RecordFlags::DEVIATION), "not urgent");
    stage.container.init.attempt(&deed)?.ok();
    ensure!(
        stage.times(EventKind::UNIX_CONNECT)? == 1,
        "a repeat left the kernel"
    );
    Ok(())
}

fn no_shim(stage: &mut Stage<'_>) -> Result<()> {
    let (header, connect) = refused(
        stage,
        "unix-try stream @/containerd-shim/moby/1/shim.sock",
        libc::ECONNREFUSED,
    )?;
    ensure!(
        connect.path.to_text() == "@/containerd-shim/moby/1/shim.sock",
        "{connect:?}"
    );
    ensure!(header.flags.has(RecordFlags::DEVIATION), "not urgent");
    Ok(())
}

fn deserted(stage: &mut Stage<'_>) -> Result<()> {
    let path = stage.world.path("deserted.sock");
    drop(UnixListener::bind(&path)?);
    let deed = format!("unix-try stream {}", word(&path));
    let (header, connect) = refused(stage, &deed, libc::ECONNREFUSED)?;
    ensure!(connect.path.to_text() == word(&path), "{connect:?}");
    ensure!(header.flags.has(RecordFlags::DEVIATION), "not urgent");
    Ok(())
}

fn of_another_type(stage: &mut Stage<'_>) -> Result<()> {
    let path = stage.world.path("datagrams.sock");
    let _server = UnixDatagram::bind(&path)?;
    let deed = format!("unix-try stream {}", word(&path));
    let (header, _) = refused(stage, &deed, libc::EPROTOTYPE)?;
    ensure!(!header.flags.has(RecordFlags::DEVIATION), "urgent");
    Ok(())
}

fn refused32(stage: &mut Stage<'_>) -> Result<()> {
    stage.world.sensor.slots.watch_names(["crio.sock"])?;
    let path = word(&stage.world.path("crio.sock"));
    // The deed fails as it must, or the kernel has no such calls.
    let failed = stage.container.init.attempt(&format!("run unix-try32 {path}"));
    let seen = stage.expect_any("UNIX_CONNECT", |payload| match payload {
        Payload::UnixConnect(connect) => Some(connect.clone()),
        _ => None,
    });
    match (seen, stage.act32("socket32 2 1 0")?) {
        (Ok((header, connect)), _) => {
            ensure!(connect.path.to_text() == path, "{connect:?}");
            ensure!(header.flags.has(RecordFlags::COMPAT | RecordFlags::DEVIATION));
            Ok(())
        }
        (Err(_), false) => Ok(()),
        (Err(error), true) => Err(error.context(format!("{failed:?}"))),
    }
}

fn name_service(stage: &mut Stage<'_>) -> Result<()> {
    let path = word(&stage.world.path("nscd-socket"));
    let (header, _) = refused(stage, &format!("unix-try stream {path}"), libc::ENOENT)?;
    ensure!(!header.flags.has(RecordFlags::DEVIATION), "urgent");
    Ok(())
}
