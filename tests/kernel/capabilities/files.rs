//! Executing and opening.

use super::{Check, Stage, word};
use agent::event::{CallName, Exec, FileFlags, FileObject, FileOpen, Payload, RecordFlags, Trust};
use agent::kernel::Capability;
use anyhow::{Context, Result, ensure};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

pub(super) const CHECKS: &[Check] = &[
    Check {
        capability: Capability::Exec,
        what: "execve",
        rows: &["exec"],
        run: exec,
    },
    Check {
        capability: Capability::FileOpen,
        what: "open to read",
        rows: &["open"],
        run: open_to_read,
    },
    Check {
        capability: Capability::FileOpen,
        what: "open to write, made by it",
        rows: &["open"],
        run: open_to_write,
    },
    Check {
        capability: Capability::FileOpen,
        what: "a file of the upper layer, read and then written",
        rows: &[],
        run: read_then_written,
    },
    Check {
        capability: Capability::FileOpen,
        what: "open that truncates",
        rows: &["open"],
        run: truncating,
    },
    Check {
        capability: Capability::FileOpen,
        what: "openat2",
        rows: &["open"],
        run: openat2,
    },
    Check {
        capability: Capability::FileOpen,
        what: "open by a handle",
        rows: &["open_by_handle"],
        run: by_handle,
    },
    Check {
        capability: Capability::FileOpen,
        what: "write to procfs is urgent",
        rows: &["open"],
        run: open_kernel_file,
    },
    Check {
        capability: Capability::FileOpen,
        what: "refused open to write",
        rows: &["open_refused"],
        run: refused,
    },
    Check {
        capability: Capability::FileOpen,
        what: "refused open to write below a descriptor",
        rows: &["open_refused"],
        run: refused_below,
    },
    Check {
        capability: Capability::FileOpen,
        what: "refused creat",
        rows: &["open_refused"],
        run: refused_creat,
    },
    Check {
        capability: Capability::FileOpen,
        what: "open to write of a control that is not there",
        rows: &["open_refused"],
        run: absent_control,
    },
    Check {
        capability: Capability::FileOpen,
        what: "write shows the path in the file's filesystem",
        rows: &["open"],
        run: shown_elsewhere,
    },
];

/// `FMODE_READ` and `FMODE_WRITE`.
const READ: u32 = 1;
const WRITE: u32 = 2;
/// `O_TRUNC`.
const TRUNCATE: u32 = 0o1000;

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
    let (header, exec) = stage.expect_any("exec", picked)?;
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
    ensure!(open.open_flags & TRUNCATE != 0, "flags {:#x}", open.open_flags);
    same_file(&open.file, &path)
}

/// One hides the other no more than elsewhere.
fn read_then_written(stage: &mut Stage<'_>) -> Result<()> {
    let folder = stage.world.path("layers");
    for part in ["lower", "upper", "work", "merged"] {
        fs::create_dir_all(folder.join(part))?;
    }
    fs::write(folder.join("upper/changed"), "by the container")?;
    stage.act(&format!("mount-overlay {}", word(&folder)))?;
    let path = folder.join("merged/changed");
    for (deed, mode) in [("open-read", READ), ("write-existing", WRITE)] {
        stage.act(&format!("{deed} {}", word(&path)))?;
        let (_, open) = stage.expect(Capability::FileOpen, |payload| match payload {
            Payload::FileOpen(open) if open.f_mode & (READ | WRITE) == mode => Some(open.clone()),
            _ => None,
        })?;
        ensure!(open.path.to_text() == path.to_string_lossy(), "{open:?}");
        ensure!(open.file.flags & FileFlags::UPPER != 0, "{open:?}");
    }
    Ok(())
}

/// Truncating what was only written before is another behaviour.
fn truncating(stage: &mut Stage<'_>) -> Result<()> {
    let path = stage.world.file("to-truncate")?;
    stage.act(&format!("write-existing {}", word(&path)))?;
    let (_, written) = opened(stage, &path)?;
    ensure!(
        written.open_flags & TRUNCATE == 0,
        "flags {:#x}",
        written.open_flags
    );
    stage.world.forget()?;
    stage.act(&format!("open-write {}", word(&path)))?;
    let (_, truncated) = opened(stage, &path)?;
    ensure!(
        truncated.open_flags & TRUNCATE != 0,
        "flags {:#x}",
        truncated.open_flags
    );
    Ok(())
}

fn openat2(stage: &mut Stage<'_>) -> Result<()> {
    let path = stage.world.file("to-read-by-openat2")?;
    stage.act(&format!("openat2 {}", word(&path)))?;
    let (_, open) = opened(stage, &path)?;
    ensure!(open.f_mode & (READ | WRITE) == READ, "mode {:#x}", open.f_mode);
    same_file(&open.file, &path)
}

fn by_handle(stage: &mut Stage<'_>) -> Result<()> {
    let path = stage.world.file("to-read-by-handle")?;
    let opens = stage
        .container
        .init
        .attempt(&format!("open-by-handle {}", word(&path)))?;
    if opens == Err(libc::EOPNOTSUPP) {
        // This filesystem has none.
        stage.skipped = true;
        return Ok(());
    }
    ensure!(opens.is_ok(), "{opens:?}");
    let (_, open) = opened(stage, &path)?;
    same_file(&open.file, &path)?;
    let (header, ()) = stage.expect_any("open_by_handle_at", |payload| match payload {
        Payload::Syscall(call) if call.call == CallName::OPEN_BY_HANDLE_AT => Some(()),
        _ => None,
    })?;
    ensure!(
        header.flags.has(RecordFlags::DEVIATION),
        "flags {:#x}",
        header.flags.0
    );
    Ok(())
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
fn attempt(stage: &mut Stage<'_>, deed: &str, expected: i32) -> Result<FileOpen> {
    let error = stage.container.init.attempt(deed)?.err();
    ensure!(error == Some(expected), "{deed} gave {error:?}");
    let picked = |payload: &Payload| match payload {
        Payload::FileOpen(open) if open.file == FileObject::default() => Some(open.clone()),
        _ => None,
    };
    let (header, open) = stage.expect_any("the attempt", picked)?;
    ensure!(header.ret == -expected, "result {}", header.ret);
    ensure!(
        header.flags.trust() == Trust::ARGUMENTS,
        "trust {}",
        header.flags.trust().name()
    );
    ensure!(open.writes(), "mode {:#x}", open.f_mode);
    Ok(open)
}

fn refused(stage: &mut Stage<'_>) -> Result<()> {
    let open = attempt(stage, "open-write /proc/self/../self/exe", TEXT_BUSY)?;
    ensure!(open.path.to_text() == "/proc/self/exe", "path {}", open.path);
    Ok(())
}

fn refused_below(stage: &mut Stage<'_>) -> Result<()> {
    let open = attempt(stage, "write-in /proc/self exe", TEXT_BUSY)?;
    let path = open.path.to_text();
    ensure!(
        path.starts_with("/proc/") && path.ends_with("/exe"),
        "path {path}"
    );
    ensure!(path != "/proc/self/exe", "the folder is what it really is");
    Ok(())
}

fn refused_creat(stage: &mut Stage<'_>) -> Result<()> {
    let open = attempt(stage, "creat /proc/thread-self/exe", TEXT_BUSY)?;
    ensure!(
        open.path.to_text() == "/proc/thread-self/exe",
        "path {}",
        open.path
    );
    Ok(())
}

/// Whoever looks for it tells what for; a plain file that is not there tells nothing.
fn absent_control(stage: &mut Stage<'_>) -> Result<()> {
    const ABSENT: i32 = 2;
    let plain = stage.world.path("not-there");
    stage.attempt(&format!("write-existing {}", word(&plain)))?;
    stage.attempt("open-read /proc/sys/kernel/not-there")?;
    stage.silent(
        |payload| matches!(payload, Payload::FileOpen(open) if open.path.to_text().contains("not-there")),
    )?;
    let open = attempt(stage, "write-existing /proc/sys/kernel/not-there", ABSENT)?;
    ensure!(
        open.path.to_text() == "/proc/sys/kernel/not-there",
        "path {}",
        open.path
    );
    stage.world.forget()?;
    let open = attempt(stage, "write-in /proc/sys/kernel not-there-either", ABSENT)?;
    ensure!(
        open.path.to_text() == "/proc/sys/kernel/not-there-either",
        "path {}",
        open.path
    );
    stage.world.forget()?;
    // Alike for longer than a name may be.
    let padded = format!("/proc/sys/{}kernel/not-there", "./".repeat(150));
    for end in ["", "-at-all"] {
        let open = attempt(stage, &format!("write-existing {padded}{end}"), ABSENT)?;
        ensure!(
            open.path.to_text().ends_with(&format!("not-there{end}")),
            "{}",
            open.path
        );
        stage.world.forget()?;
    }
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
