//! Scripts, and images that the kernel does not execute.

use super::{Check, Stage, word};
use agent::event::{Payload, RecordFlags, Trust};
use agent::kernel::Capability;
use anyhow::{Result, ensure};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

pub(super) const CHECKS: &[Check] = &[
    Check {
        capability: Capability::Exec,
        what: "two scripts of one interpreter",
        run: scripts,
    },
    Check {
        capability: Capability::ExecAttempt,
        what: "a file that may not be executed",
        run: refused,
    },
    Check {
        capability: Capability::ExecAttempt,
        what: "one by its name in the working directory",
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
        stage.world.expect_of(&stage.container, "the script", |payload| {
            executed(payload, path).then_some(())
        })?;
        let times = stage.world.count(|event| executed(&event.payload, path))?;
        ensure!(times == 1, "{}: {times} times", path.display());
    }
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
