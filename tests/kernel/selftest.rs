//! `vigia-selftest`: does every behaviour once and says what the sensor saw, one line per behaviour.
//!
//! Needs root, the mounts that every system has (/proc, a cgroup hierarchy), and no other file: it runs in an
//! initramfs. `VIGIA_BACKEND=lsm|fentry|tracepoint` loads that backend only; `auto`, or nothing, the best.
#![expect(clippy::print_stdout, reason = "its output is its purpose")]

mod capabilities;
mod lab;

use anyhow::Result;
use capabilities::{Check, Seen, Stage, checks};
use lab::World;
use std::process::ExitCode;

fn main() -> Result<ExitCode> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let Some(code) = lab::actor::play(&arguments) {
        return Ok(code);
    }
    let mut world = World::load()?;
    let mut stage = Stage::set(&mut world)?;
    let (mut passed, mut failed) = (0, 0);
    for check in checks() {
        let result = stage.run(check);
        println!("{}", line(&stage, check, &result));
        match result {
            Ok(_) => passed += 1,
            Err(_) => failed += 1,
        }
    }
    println!("{passed} passed, {failed} failed");
    Ok(if failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn line(stage: &Stage<'_>, check: &Check, result: &Result<Seen>) -> String {
    let report = stage.world.report(check.capability);
    let backend = report
        .and_then(|report| report.backend)
        .map_or("-", |backend| backend.name());
    let said = match result {
        Ok(Seen::Yes) => "ok".to_owned(),
        Ok(Seen::NoSuchHook) => "ok (no such hook)".to_owned(),
        Ok(Seen::Skipped) => "skipped".to_owned(),
        Err(error) => format!("FAILED: {error:#}"),
    };
    format!(
        "{:<13} {backend:<11} {:<45} {said}",
        check.capability.name(),
        check.what
    )
}
