//! The kernel tier: real programs, real system calls, in containers that the tests make without a runtime. One sensor
//! serves all tests, so they run one after the other; events are told apart by their slots.
//!
//! The `vm` tier runs this binary on other kernels, with `VIGIA_TEST_BACKEND` naming the backend that must be in use
//! there (`lsm` or `fentry`). It understands libtest's `--list`, `--test-threads`, `--nocapture` and names.
#![expect(clippy::print_stdout, reason = "the report of a test binary")]

mod by_id;
mod capabilities;
mod compat;
mod coverage;
mod enforcement;
mod harness;
mod hosts;
mod identity;
mod lab;
mod lineage;
mod memory;
mod outlived;
mod repeats;
mod slots;
mod tampering;
mod vanished;
mod verified;
mod views;
mod volume;

use agent_tests::capability::{Capability, can_run};
use anyhow::{Error, Result};
use capabilities::Stage;
use lab::World;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::time::Instant;

/// A test: it finds the sensor as the ones before left it, with nothing left to be read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Test {
    name: &'static str,
    run: fn(&mut World) -> Result<()>,
}

fn tests() -> impl Iterator<Item = &'static Test> {
    identity::TESTS
        .iter()
        .chain(outlived::TESTS)
        .chain(slots::TESTS)
        .chain(views::TESTS)
        .chain(volume::TESTS)
        .chain(repeats::TESTS)
        .chain(memory::TESTS)
        .chain(lineage::TESTS)
        .chain(compat::TESTS)
        .chain(coverage::TESTS)
        .chain(enforcement::TESTS)
        .chain(tampering::TESTS)
        .chain(vanished::TESTS)
        .chain(harness::TESTS)
        .chain(hosts::TESTS)
        .chain(verified::TESTS)
}

fn main() -> Result<ExitCode> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let Some(code) = lab::actor::play(&arguments) {
        return Ok(code);
    }
    if arguments.iter().any(|argument| argument == "--list") {
        println!(
            "{}",
            names().map(|name| format!("{name}: test\n")).collect::<String>()
        );
        return Ok(ExitCode::SUCCESS);
    }
    let only = |name: &str| {
        let mut filters = arguments
            .iter()
            .filter(|argument| !argument.starts_with('-'))
            .peekable();
        filters.peek().is_none() || filters.any(|filter| name.contains(filter.as_str()))
    };
    let mut tally = Tally::default();
    if can_run(&[Capability::Root, Capability::Bpf]) {
        run(&only, &mut tally)?;
    } else {
        tally.passed = 1;
    }
    Ok(tally.report())
}

fn names() -> impl Iterator<Item = String> {
    let checks = capabilities::checks().map(|check| check_name(check.capability.name(), check.what));
    checks.chain(tests().map(|test| test.name.to_owned()))
}

fn check_name(capability: &str, what: &str) -> String {
    let words = what
        .split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty());
    format!(
        "capability::{capability}::{}",
        words.collect::<Vec<_>>().join("_").to_lowercase()
    )
}

fn run(only: &impl Fn(&str) -> bool, tally: &mut Tally) -> Result<()> {
    let mut world = World::load()?;
    // The checks end with a container in a namespace of the host: it goes with the stage.
    let mut stage = Stage::set(&mut world)?;
    for check in capabilities::checks() {
        let name = check_name(check.capability.name(), check.what);
        tally.run(&name, only, || stage.run(check).map(drop));
    }
    drop(stage);
    for test in tests() {
        tally.run(test.name, only, || {
            world.forget()?;
            (test.run)(&mut world)
        });
    }
    Ok(())
}

/// Results so far.
#[derive(Debug, Default)]
struct Tally {
    passed: usize,
    filtered: usize,
    failures: Vec<(String, Error)>,
}

impl Tally {
    fn run(&mut self, name: &str, only: &impl Fn(&str) -> bool, test: impl FnOnce() -> Result<()>) {
        if !only(name) {
            self.filtered += 1;
            return;
        }
        let begun = Instant::now();
        let result = catch_unwind(AssertUnwindSafe(test)).unwrap_or_else(|_| Err(Error::msg("it panicked")));
        let took = begun.elapsed().as_secs_f32();
        match result {
            Ok(()) => {
                println!("test {name} ... ok ({took:.2} s)");
                self.passed += 1;
            }
            Err(error) => {
                println!("test {name} ... FAILED ({took:.2} s): {error:#}");
                self.failures.push((name.to_owned(), error));
            }
        }
    }

    /// The line that `cargo xtask test` counts.
    fn report(self) -> ExitCode {
        let Self {
            passed,
            filtered,
            failures,
        } = self;
        for (name, error) in &failures {
            println!("\n---- {name} ----\n{error:#}");
        }
        let (word, code) = if failures.is_empty() {
            ("ok", ExitCode::SUCCESS)
        } else {
            ("FAILED", ExitCode::FAILURE)
        };
        let failed = failures.len();
        println!(
            "\ntest result: {word}. {passed} passed; {failed} failed; 0 ignored; 0 measured; {filtered} filtered out"
        );
        code
    }
}
