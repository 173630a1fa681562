//! Executing, opening, removing and renaming.

use super::{Check, Stage, word};
use agent::event::{Exec, FileObject, FileOpen, Name, Payload, RecordFlags, Trust};
use agent::kernel::Capability;
use anyhow::{Context, Result, ensure};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

pub(super) const CHECKS: &[Check] = &[
    Check {
        capability: Capability::Exec,
        what: "execve",
        run: exec,
    },
    Check {
        capability: Capability::FileOpen,
        what: "open to read",
        run: open_to_read,
    },
    Check {
        capability: Capability::FileOpen,
        what: "open to write, made by it",
        run: open_to_write,
    },
    Check {
        capability: Capability::FileOpen,
        what: "openat2",
        run: openat2,
    },
    Check {
        capability: Capability::FileOpen,
        what: "write to procfs is urgent",
        run: open_kernel_file,
    },
    Check {
        capability: Capability::FileOpen,
        what: "refused open to write",
        run: refused,
    },
    Check {
        capability: Capability::FileOpen,
        what: "refused open to write below a descriptor",
        run: refused_below,
    },
    Check {
        capability: Capability::FileOpen,
        what: "refused creat",
        run: refused_creat,
    },
    Check {
        capability: Capability::FileOpen,
        what: "write shows the path in the file's filesystem",
        run: shown_elsewhere,
    },
    Check {
        capability: Capability::Unlink,
        what: "unlink of a watched name",
        run: unlink,
    },
    Check {
        capability: Capability::Rename,
        what: "rename of a watched name",
        run: rename,
    },
    Check {
        capability: Capability::Rename,
        what: "rename to a watched name",
        run: rename_to,
    },
];

/// `FMODE_READ` and `FMODE_WRITE`.
const READ: u32 = 1;
const WRITE: u32 = 2;

fn exec(stage: &mut Stage<'_>) -> Result<()> {
    let (init, image) = (stage.container.init.pid, stage.image);
    // The same file again would be a repeat of the container's own start.
    let program = stage.world.path("program");
    fs::copy("/proc/self/exe", &program)?;
    stage.act(&format!("exec {} once open-read /proc/self/stat", word(&program)))?;
    let picked = |payload: &Payload| match payload {
        Payload::Exec(exec) => Some(exec.clone()),
        _ => None,
    };
    let (header, exec) = stage.world.expect_of(&stage.container, "exec", picked)?;
    let Exec {
        parent,
        file,
        stdio,
        path,
        filename,
        args,
        cwd,
        ..
    } = exec;
    ensure!(parent == image, "parent {parent:?}, not {image:?}");
    ensure!(
        header.exec_id != image.0 && header.exec_id != 0,
        "exec id {:#x}",
        header.exec_id
    );
    ensure!(
        header.tgid != init && header.ns_tgid > 1,
        "process {} ({})",
        header.tgid,
        header.ns_tgid
    );
    ensure!(path.to_text() == program.to_string_lossy(), "path {path}");
    ensure!(filename.to_text() == program.to_string_lossy(), "name {filename}");
    let said = args.bytes.strip_suffix(b"\0").unwrap_or(&args.bytes);
    let asked = format!("{}\0once\0open-read\0/proc/self/stat", program.display());
    ensure!(said == asked.as_bytes(), "arguments {args}");
    ensure!(
        cwd.to_text() == std::env::current_dir()?.to_string_lossy(),
        "folder {cwd}"
    );
    ensure!(stdio == 0, "standard descriptors {stdio}");
    same_file(&file, &program)
}

fn opened(stage: &mut Stage<'_>, path: &Path) -> Result<(agent::event::EventHeader, FileOpen)> {
    stage.expect(Capability::FileOpen, |payload| match payload {
        Payload::FileOpen(open) if open.path.to_text() == path.to_string_lossy() => Some(open.clone()),
        _ => None,
    })
}

fn open_to_read(stage: &mut Stage<'_>) -> Result<()> {
    let path = stage.world.file("to-read")?;
    stage.act(&format!("open-read {}", word(&path)))?;
    let (header, open) = opened(stage, &path)?;
    ensure!(open.f_mode & (READ | WRITE) == READ, "mode {:#x}", open.f_mode);
    let report = stage.world.report(Capability::FileOpen).context("no report")?;
    ensure!(
        header.flags.trust() == report.trust,
        "trust {}",
        header.flags.trust().name()
    );
    same_file(&open.file, &path)
}

fn open_to_write(stage: &mut Stage<'_>) -> Result<()> {
    let path = stage.world.path("to-write");
    stage.act(&format!("open-write {}", word(&path)))?;
    let (_, open) = opened(stage, &path)?;
    ensure!(open.f_mode & (READ | WRITE) == WRITE, "mode {:#x}", open.f_mode);
    ensure!(open.open_flags & 3 == 1, "flags {:#x}", open.open_flags);
    same_file(&open.file, &path)
}

fn openat2(stage: &mut Stage<'_>) -> Result<()> {
    let path = stage.world.file("to-read-by-openat2")?;
    stage.act(&format!("openat2 {}", word(&path)))?;
    let (_, open) = opened(stage, &path)?;
    ensure!(open.f_mode & (READ | WRITE) == READ, "mode {:#x}", open.f_mode);
    same_file(&open.file, &path)
}

fn open_kernel_file(stage: &mut Stage<'_>) -> Result<()> {
    const PROC: u32 = 0x9fa0;
    stage.act("open-write /proc/self/oom_score_adj")?;
    let (header, open) = stage.expect(Capability::FileOpen, |payload| match payload {
        Payload::FileOpen(open) if open.path.to_text().ends_with("/oom_score_adj") => Some(open.clone()),
        _ => None,
    })?;
    ensure!(
        header.flags.has(RecordFlags::DEVIATION),
        "flags {:#x}",
        header.flags.0
    );
    ensure!(open.file.magic == PROC, "filesystem {:#x}", open.file.magic);
    Ok(())
}

/// A program that runs cannot be written: `ETXTBSY`.
const TEXT_BUSY: i32 = 26;

/// The event of an attempt: nothing but arguments.
fn attempt(stage: &mut Stage<'_>, deed: &str) -> Result<FileOpen> {
    let error = stage.container.init.attempt(deed)?.err();
    ensure!(error == Some(TEXT_BUSY), "{deed} gave {error:?}");
    let picked = |payload: &Payload| match payload {
        Payload::FileOpen(open) if open.file == FileObject::default() => Some(open.clone()),
        _ => None,
    };
    let (header, open) = stage.world.expect_of(&stage.container, "the attempt", picked)?;
    ensure!(header.ret == -TEXT_BUSY, "result {}", header.ret);
    ensure!(
        header.flags.trust() == Trust::ARGUMENTS,
        "trust {}",
        header.flags.trust().name()
    );
    ensure!(open.writes(), "mode {:#x}", open.f_mode);
    Ok(open)
}

fn refused(stage: &mut Stage<'_>) -> Result<()> {
    let open = attempt(stage, "open-write /proc/self/../self/exe")?;
    ensure!(open.path.to_text() == "/proc/self/exe", "path {}", open.path);
    Ok(())
}

fn refused_below(stage: &mut Stage<'_>) -> Result<()> {
    let open = attempt(stage, "write-in /proc/self exe")?;
    let path = open.path.to_text();
    ensure!(
        path.starts_with("/proc/") && path.ends_with("/exe"),
        "path {path}"
    );
    ensure!(path != "/proc/self/exe", "the folder is what it really is");
    Ok(())
}

fn refused_creat(stage: &mut Stage<'_>) -> Result<()> {
    let open = attempt(stage, "creat /proc/thread-self/exe")?;
    ensure!(
        open.path.to_text() == "/proc/thread-self/exe",
        "path {}",
        open.path
    );
    Ok(())
}

/// A disk of the host may be mounted whole, and a chroot's path says nothing.
fn shown_elsewhere(stage: &mut Stage<'_>) -> Result<()> {
    let path = stage.world.path("host-file");
    stage.act(&format!("open-write {}", word(&path)))?;
    let (_, open) = opened(stage, &path)?;
    let own = open.fs_path.to_text();
    ensure!(
        !own.is_empty() && path.to_string_lossy().ends_with(&own),
        "path {own} in its filesystem"
    );
    Ok(())
}

fn unlink(stage: &mut Stage<'_>) -> Result<()> {
    stage.world.sensor.slots.watch_names(["vigia-watched"])?;
    let (plain, path) = (
        stage.world.file("not-watched")?,
        stage.world.file("vigia-watched")?,
    );
    stage.act(&format!("unlink {}", word(&plain)))?;
    stage.act(&format!("unlink {}", word(&path)))?;
    let (_, name) = stage.expect(Capability::Unlink, |payload| match payload {
        Payload::Unlink(name) => Some(name.clone()),
        _ => None,
    })?;
    ensure!(
        name.path.to_text() == path.to_string_lossy(),
        "path {}",
        name.path
    );
    Ok(())
}

fn rename(stage: &mut Stage<'_>) -> Result<()> {
    stage.world.sensor.slots.watch_names(["vigia-watched"])?;
    renamed(stage, "vigia-watched", "vigia-elsewhere")
}

fn rename_to(stage: &mut Stage<'_>) -> Result<()> {
    stage.world.sensor.slots.watch_names(["vigia-watched"])?;
    renamed(stage, "vigia-plain", "vigia-watched")
}

fn renamed(stage: &mut Stage<'_>, from: &str, to: &str) -> Result<()> {
    let (from, to) = (stage.world.file(from)?, stage.world.path(to));
    stage.act(&format!("rename {} {}", word(&from), word(&to)))?;
    let (_, Name { path, new_path, .. }) = stage.expect(Capability::Rename, |payload| match payload {
        Payload::Rename(name) => Some(name.clone()),
        _ => None,
    })?;
    ensure!(path.to_text() == from.to_string_lossy(), "from {path}");
    ensure!(new_path.to_text() == to.to_string_lossy(), "to {new_path}");
    Ok(())
}

/// The identity that stat(2) tells.
pub(super) fn same_file(file: &FileObject, path: &Path) -> Result<()> {
    let known = fs::metadata(path)?;
    let device = rustix::fs::major(known.dev()) << 20 | rustix::fs::minor(known.dev());
    let magic = rustix::fs::statfs(path)?.f_type;
    ensure!(
        file.ino == known.ino(),
        "inode {} instead of {}",
        file.ino,
        known.ino()
    );
    ensure!(
        file.dev == device,
        "device {:#x} instead of {device:#x}",
        file.dev
    );
    ensure!(
        u32::from(file.mode) == known.mode(),
        "mode {:#o} instead of {:#o}",
        file.mode,
        known.mode()
    );
    ensure!(u64::from(file.nlink) == known.nlink(), "{} links", file.nlink);
    ensure!(file.uid == known.uid(), "owner {}", file.uid);
    ensure!(
        i128::from(file.magic) == i128::from(magic),
        "filesystem {:#x}",
        file.magic
    );
    Ok(())
}
