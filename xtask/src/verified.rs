//! `cargo xtask verified`: measures what the verifier goes through for each program, here and on the kernels of the `vm`
//! tier, and writes `docs/verified-instructions.md` anew.

use crate::setup::{self, Purpose};
use crate::{shell, vm};
use agent_tests::verified::{self, Measurement, Table};
use anyhow::{Context, Result, ensure};
use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

/// The test that measures, and what makes it tell instead of compare.
pub(crate) const TEST: &str = "verified::instruction_counts_are_as_recorded";
const MEASURE: (&str, &str) = ("UPDATE_GENERATED", "1");

pub(crate) fn run() -> Result<ExitCode> {
    setup::ensure(&[Purpose::Build, Purpose::Vm])?;
    let tests = vm::tier::kernel_tests()?;
    let mut measured = here(&tests)?;
    vm::tier::measure(&tests, &mut measured)?;
    let path = verified::path();
    let stored = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let table = Table::parse(&stored)?.renewed(&measured);
    fs::write(&path, table.render()).with_context(|| path.display().to_string())?;
    println!("{}", path.display());
    Ok(ExitCode::SUCCESS)
}

/// As guests are told.
pub(crate) fn environment() -> (String, String) {
    (MEASURE.0.to_owned(), MEASURE.1.to_owned())
}

/// On this kernel, with the best backend that it takes.
fn here(tests: &Path) -> Result<Vec<Measurement>> {
    let mut command = Command::new(tests);
    command.arg(TEST).env(MEASURE.0, MEASURE.1);
    shell::say(&shell::describe(&command));
    let output = command.stdin(Stdio::null()).stderr(Stdio::inherit()).output()?;
    let said = String::from_utf8_lossy(&output.stdout);
    ensure!(output.status.success(), "the measurement failed:\n{said}");
    Ok(said.lines().filter_map(Measurement::from_line).collect())
}
