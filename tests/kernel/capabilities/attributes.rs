//! Attributes of files, and the root and working directory of a process.

use super::{Check, Stage, word};
use agent::event::{
    Attribute, AttributeOp, CallName, Directory, EventHeader, Payload, RawEvent, RecordFlags, Trust,
};
use agent::kernel::{Backend, Capability};
use agent_tests::capability::Capability as Need;
use anyhow::{Result, ensure};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

pub(super) const CHECKS: &[Check] = &[
    Check {
        capability: Capability::Setattr,
        what: "set-user-ID by chmod and fchmod, and an ordinary mode",
        rows: &["chmod_setid", "fchmod_setid"],
        run: modes,
    },
    Check {
        capability: Capability::Setattr,
        what: "an attribute that gives rights",
        rows: &["setxattr"],
        run: extended,
    },
    Check {
        capability: Capability::Setattr,
        what: "an attribute that gives rights, by a ring",
        rows: &["setxattr_io_uring"],
        run: extended_by_ring,
    },
    Check {
        capability: Capability::Setattr,
        what: "times of long ago",
        rows: &["utimes"],
        run: times,
    },
    Check {
        capability: Capability::Setattr,
        what: "times of many files in a directory",
        rows: &["futimens"],
        run: times_of_many,
    },
    Check {
        capability: Capability::Setattr,
        what: "a file that has another's inode number",
        rows: &[],
        run: recycled,
    },
    Check {
        capability: Capability::Setattr,
        what: "truncate by name",
        rows: &["truncate"],
        run: truncated,
    },
    Check {
        capability: Capability::Setattr,
        what: "truncate by a descriptor",
        rows: &["ftruncate"],
        run: truncated_open,
    },
    Check {
        capability: Capability::Ioctl,
        what: "inode flags",
        rows: &["setflags"],
        run: flags,
    },
    Check {
        capability: Capability::Ioctl,
        what: "inode flags by their other names",
        rows: &[],
        run: extended_flags,
    },
    Check {
        capability: Capability::Ioctl,
        what: "typing into a terminal",
        rows: &["ioctl"],
        run: typed,
    },
    Check {
        capability: Capability::Chroot,
        what: "chroot",
        rows: &["chroot"],
        run: chroot,
    },
    Check {
        capability: Capability::Chroot,
        what: "out of a chroot by a descriptor",
        rows: &["chdir_outside"],
        run: break_out,
    },
];

fn file(stage: &Stage<'_>, name: &str) -> Result<PathBuf> {
    let path = stage.world.path(name);
    fs::write(&path, "content")?;
    Ok(path)
}

fn changed(payload: &Payload, op: AttributeOp, path: &Path) -> Option<Attribute> {
    match payload {
        Payload::Setattr(change)
            if change.op == op && path.ends_with(change.path.to_text().trim_start_matches('/')) =>
        {
            Some(change.clone())
        }
        _ => None,
    }
}

fn expect(stage: &mut Stage<'_>, op: AttributeOp, path: &Path) -> Result<(EventHeader, Attribute)> {
    stage.expect_any("SETATTR", |payload| changed(payload, op, path))
}

/// What the capability's backend promises.
fn promised(stage: &Stage<'_>) -> Trust {
    let report = stage.world.report(Capability::Setattr);
    match report.and_then(|report| report.backend) {
        Some(Backend::Lsm | Backend::Fentry) => Trust::RESOLVED,
        _ => Trust::ARGUMENTS,
    }
}

fn modes(stage: &mut Stage<'_>) -> Result<()> {
    let (first, second, plain) = (
        file(stage, "setuid")?,
        file(stage, "setgid")?,
        file(stage, "plain")?,
    );
    stage.act(&format!("chmod {} 755", word(&plain)))?;
    stage.act(&format!("chmod {} 4755", word(&first)))?;
    stage.act(&format!("fchmod {} 2755", word(&second)))?;
    let (header, change) = expect(stage, AttributeOp::CHMOD, &first)?;
    ensure!(change.value == 0o4755, "{change:?}");
    ensure!(
        header.flags.trust() == promised(stage),
        "{}",
        header.flags.trust().name()
    );
    let (_, change) = expect(stage, AttributeOp::CHMOD, &second)?;
    ensure!(change.value == 0o2755, "{change:?}");
    let changes = |stage: &mut Stage<'_>| {
        stage
            .world
            .count(|event: &RawEvent| matches!(event.payload, Payload::Setattr(_)))
    };
    let times = changes(stage)?;
    ensure!(times == 2, "{times} changes: an ordinary mode is one of them");
    stage.act(&format!("chmod {} 2755", word(&first)))?;
    ensure!(changes(stage)? == 3, "another bit is another behaviour");
    Ok(())
}

fn extended(stage: &mut Stage<'_>) -> Result<()> {
    let path = file(stage, "attribute")?;
    if stage.act(&format!("setxattr {} user.vigia", word(&path)))? != 0 {
        // This filesystem has none; the others are tried all the same.
    }
    if stage.act(&format!("setxattr {} trusted.vigia", word(&path)))? != 0 {
        stage.skipped = true;
        return Ok(());
    }
    let (_, change) = expect(stage, AttributeOp::SETXATTR, &path)?;
    ensure!(change.name.to_text() == "trusted.vigia", "{change:?}");
    Ok(())
}

/// By a descriptor, and by name.
fn extended_by_ring(stage: &mut Stage<'_>) -> Result<()> {
    for (deed, file_name) in [
        ("uring-setxattr", "ring-open"),
        ("uring-setxattr-named", "ring-named"),
    ] {
        let path = file(stage, file_name)?;
        let deed = format!("{deed} {} trusted.{file_name}", word(&path));
        if let Err(number) = stage.container.init.attempt(&deed)? {
            stage.skip(Need::IoUring, &format!("{deed}: error {number}"));
            return Ok(());
        }
        let (header, change) = expect(stage, AttributeOp::SETXATTR, &path)?;
        ensure!(
            change.name.to_text() == format!("trusted.{file_name}"),
            "{change:?}"
        );
        ensure!(
            header.flags.has(RecordFlags::IO_URING),
            "flags {:#x}",
            header.flags.0
        );
        ensure!(header.tgid == stage.container.init.pid, "{header:?}");
    }
    Ok(())
}

fn times(stage: &mut Stage<'_>) -> Result<()> {
    let path = file(stage, "old")?;
    stage.act(&format!("set-times {}", word(&path)))?;
    expect(stage, AttributeOp::UTIMES, &path)?;
    Ok(())
}

/// As an archive is unpacked: by descriptors.
fn times_of_many(stage: &mut Stage<'_>) -> Result<()> {
    let folder = stage.world.path("unpacked");
    fs::create_dir(&folder)?;
    for name in ["one", "two", "three"] {
        let path = folder.join(name);
        fs::write(&path, "content")?;
        stage.act(&format!("set-times-open {}", word(&path)))?;
    }
    let of_times = |event: &RawEvent| matches!(&event.payload, Payload::Setattr(change) if change.op == AttributeOp::UTIMES);
    stage.expect_any("SETATTR", |payload| {
        matches!(payload, Payload::Setattr(change) if change.op == AttributeOp::UTIMES).then_some(())
    })?;
    let times = stage.world.count(of_times)?;
    ensure!(times == 1, "{times} records of one directory");
    Ok(())
}

/// A filesystem gives the number of a file that is gone to the next one: that is another file.
fn recycled(stage: &mut Stage<'_>) -> Result<()> {
    let path = stage.world.path("recycled");
    let mut inodes = Vec::new();
    for _ in 0..8 {
        fs::write(&path, "content")?;
        inodes.push(fs::metadata(&path)?.ino());
        stage.act(&format!("fchmod {} 4755", word(&path)))?;
        fs::remove_file(&path)?;
    }
    let name = path
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let of_file = |event: &RawEvent| matches!(&event.payload, Payload::Setattr(change) if change.path.to_text().contains(&name));
    let times = stage.world.count(of_file)?;
    ensure!(times == inodes.len(), "{times} records of {inodes:?}");
    Ok(())
}

fn truncated(stage: &mut Stage<'_>) -> Result<()> {
    let path = file(stage, "short")?;
    stage.act(&format!("truncate {}", word(&path)))?;
    let (_, change) = expect(stage, AttributeOp::TRUNCATE, &path)?;
    ensure!(change.value == 0, "{change:?}");
    Ok(())
}

fn truncated_open(stage: &mut Stage<'_>) -> Result<()> {
    let path = file(stage, "cut")?;
    stage.act(&format!("truncate-open {}", word(&path)))?;
    let (header, change) = expect(stage, AttributeOp::TRUNCATE, &path)?;
    ensure!(change.value == 1, "{change:?}");
    ensure!(
        header.flags.trust() == Trust::RACY,
        "{}",
        header.flags.trust().name()
    );
    Ok(())
}

fn flags(stage: &mut Stage<'_>) -> Result<()> {
    let path = file(stage, "flags")?;
    stage.act(&format!("setflags {}", word(&path)))?;
    let (header, _) = expect(stage, AttributeOp::SETFLAGS, &path)?;
    ensure!(
        header.flags.trust() == Trust::RACY,
        "{}",
        header.flags.trust().name()
    );
    Ok(())
}

fn extended_flags(stage: &mut Stage<'_>) -> Result<()> {
    const FS_IMMUTABLE_FL: u64 = 0x10;
    let path = file(stage, "kept")?;
    stage.act(&format!("keep-for-good {}", word(&path)))?;
    let (_, change) = expect(stage, AttributeOp::SETFLAGS, &path)?;
    ensure!(change.value == FS_IMMUTABLE_FL, "{change:?}");
    Ok(())
}

fn typed(stage: &mut Stage<'_>) -> Result<()> {
    stage.act("type-ahead")?;
    let (_, call) = stage.expect(Capability::Ioctl, |payload| match payload {
        Payload::Syscall(call) => Some(call.clone()),
        _ => None,
    })?;
    ensure!(call.call == CallName::IOCTL && call.args[1] == 0x5412, "{call:?}");
    Ok(())
}

fn directory(payload: &Payload, kind: fn(&Payload) -> Option<&Directory>) -> Option<Directory> {
    kind(payload).cloned()
}

fn roots(payload: &Payload) -> Option<&Directory> {
    match payload {
        Payload::Chroot(directory) => Some(directory),
        _ => None,
    }
}

fn working(payload: &Payload) -> Option<&Directory> {
    match payload {
        Payload::Chdir(directory) => Some(directory),
        _ => None,
    }
}

fn chroot(stage: &mut Stage<'_>) -> Result<()> {
    let jail = stage.world.path("jail");
    fs::create_dir(&jail)?;
    stage.act(&format!("run chroot {}", word(&jail)))?;
    let (header, root) = stage.expect_any("CHROOT", |payload| directory(payload, roots))?;
    ensure!(Path::new(&root.path.to_text()).ends_with("jail"), "{root:?}");
    ensure!(root.outside, "the working directory is left behind: {root:?}");
    ensure!(
        header.flags.trust() == Trust::RESOLVED,
        "{}",
        header.flags.trust().name()
    );
    let times = stage
        .world
        .count(|event: &RawEvent| working(&event.payload).is_some())?;
    ensure!(
        times == 0,
        "{times} changes of the working directory: there was none"
    );
    Ok(())
}

fn break_out(stage: &mut Stage<'_>) -> Result<()> {
    let jail = stage.world.path("broken");
    fs::create_dir(&jail)?;
    // An ordinary change of the working directory is no event.
    stage.act(&format!("run go {}", word(&jail)))?;
    stage.act(&format!("run break-out {}", word(&jail)))?;
    let (_, found) = stage.expect_any("CHDIR", |payload| directory(payload, working))?;
    ensure!(found.outside && found.path.to_text() == "/", "{found:?}");
    let times = stage
        .world
        .count(|event: &RawEvent| working(&event.payload).is_some())?;
    ensure!(times == 1, "{times} times");
    Ok(())
}
