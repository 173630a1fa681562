//! Scripts, and images that the kernel does not execute.

use super::{Check, Stage, word};
use agent::event::{FileFlags, Payload, RecordFlags, Trust};
use agent::kernel::Capability;
use anyhow::{Result, ensure};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

pub(super) const CHECKS: &[Check] = &[
    Check {
        capability: Capability::Exec,
        what: "two scripts of one interpreter",
        rows: &["exec_script"],
        run: scripts,
    },
    Check {
        capability: Capability::Exec,
        what: "scripts by their descriptors",
        rows: &[],
        run: scripts_by_descriptor,
    },
    Check {
        capability: Capability::Exec,
        what: "a program that is only in memory",
        rows: &["exec_memfd"],
        run: memory_file,
    },
    Check {
        capability: Capability::ExecAttempt,
        what: "a file that may not be executed",
        rows: &["exec_refused"],
        run: refused,
    },
    Check {
        capability: Capability::ExecAttempt,
        what: "one by its name in the working directory",
        rows: &["exec_refused"],
        run: refused_relative,
    },
];

fn script(stage: &Stage<'_>, name: &str, mode: u32) -> Result<PathBuf> {
    let path = stage.world.path(name);
    fs::write(&path, "#!/bin/sh\nexit 0\n")?;
    fs::set_permissions(&path, fs::Permissions::from_mode(mode))?;
    Ok(path)
}

fn executed(payload: &Payload, path: &Path) -> bool {
    matches!(payload, Payload::Exec(exec) if exec.filename.to_text() == path.to_string_lossy())
}

/// Each leaves the kernel, once.
fn scripts(stage: &mut Stage<'_>) -> Result<()> {
    let (first, second) = (script(stage, "first", 0o755)?, script(stage, "second", 0o755)?);
    for path in [&first, &second, &first] {
        stage.act(&format!("exec {}", word(path)))?;
    }
    for path in [&first, &second] {
        stage.expect_any("the script", |payload| executed(payload, path).then_some(()))?;
        let times = stage.world.count(|event| executed(&event.payload, path))?;
        ensure!(times == 1, "{}: {times} times", path.display());
    }
    Ok(())
}

/// By execveat(2): such a script has a descriptor's number for a name, so each leaves the kernel.
fn scripts_by_descriptor(stage: &mut Stage<'_>) -> Result<()> {
    let by_number = |payload: &Payload| matches!(payload, Payload::Exec(exec) if exec.filename.to_text().starts_with("/dev/fd/"));
    for (name, times) in [("third", 1), ("fourth", 2)] {
        let path = script(stage, name, 0o755)?;
        stage.act(&format!("run exec-descriptor {}", word(&path)))?;
        let told = stage.world.count(|event| by_number(&event.payload))?;
        ensure!(told == times, "{name}: {told} times");
    }
    stage.expect_any("the script", |payload| match payload {
        Payload::Exec(exec) if by_number(payload) => {
            let name = exec.filename.to_text();
            exec.args.to_text().contains(&name).then_some(())
        }
        _ => None,
    })?;
    Ok(())
}

fn memory_file(stage: &mut Stage<'_>) -> Result<()> {
    stage.act("exec-memory-file")?;
    let (header, file) = stage.expect_any("the program", |payload| match payload {
        Payload::Exec(exec) if exec.path.to_text().contains("memfd:vigia-program") => Some(exec.file),
        _ => None,
    })?;
    ensure!(file.flags & FileFlags::MEMFD != 0, "{file:?}");
    ensure!(header.flags.has(RecordFlags::DEVIATION), "not urgent");
    Ok(())
}

fn refused(stage: &mut Stage<'_>) -> Result<()> {
    let path = script(stage, "refused", 0o644)?;
    let asked = word(&path);
    attempt(stage, &asked, &path)
}

fn refused_relative(stage: &mut Stage<'_>) -> Result<()> {
    let path = script(stage, "refused-too", 0o644)?;
    stage.act(&format!("go {}", word(path.parent().unwrap_or(&path))))?;
    let attempted = attempt(stage, "./refused-too", &path);
    // Where the container's process began: as this one.
    stage.act(&format!("go {}", word(&std::env::current_dir()?)))?;
    attempted
}

fn attempt(stage: &mut Stage<'_>, asked: &str, path: &Path) -> Result<()> {
    stage.act(&format!("exec-refused {asked}"))?;
    let (header, attempt) = stage.expect(Capability::ExecAttempt, |payload| match payload {
        Payload::ExecAttempt(attempt) => Some(attempt.clone()),
        _ => None,
    })?;
    ensure!(attempt.path.to_text() == path.to_string_lossy(), "{attempt:?}");
    ensure!(header.ret == -libc::EACCES, "result {}", header.ret);
    ensure!(
        header.flags.trust() == Trust::ARGUMENTS,
        "{}",
        header.flags.trust().name()
    );
    ensure!(
        header.flags.has(RecordFlags::DEVIATION),
        "flags {:#x}",
        header.flags.0
    );
    Ok(())
}
