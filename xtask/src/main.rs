//! Every chore of the project, in one place: people and CI call the same commands.
//!
//! Each sub-command is a module. All of them say what they are about to do before they do it, stream what the
//! programs they start print, and fail with a reason.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command-line tool")]

mod build;
mod ci;
mod demo;
mod lab;
mod layers;
mod setup;
mod shell;
mod test;
#[path = "../../agent/build/toolchain.rs"]
#[allow(dead_code, reason = "shared with agent/build.rs, which uses the rest")]
mod toolchain;
mod vm;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// Vigia's chores.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Debug, Subcommand)]
enum Chore {
    /// Install what building and testing need and this machine lacks.
    Setup(setup::Args),
    /// Build the kernel half and the agent that embeds it.
    Build(build::BuildArgs),
    /// Set up, build, and run the agent.
    Run(build::RunArgs),
    /// Run test tiers; the last line counts the tests.
    Test(test::Args),
    /// Check the direction of imports in the agent.
    Layers,
    /// Write the files that are generated from the code; the unit tests check that they are current.
    Codegen,
    /// Run what CI runs.
    Ci(ci::Args),
    /// A private Docker daemon with images made on the spot.
    #[command(subcommand)]
    Lab(lab::Lab),
    /// Show the agent at work: ordinary containers, then one attack of each kind.
    Demo(demo::Args),
    /// Run a command on another kernel.
    Vm(vm::Args),
}

fn main() -> ExitCode {
    let result = match Cli::parse().chore {
        Chore::Setup(args) => setup::run(&args),
        Chore::Build(args) => build::build(&args),
        Chore::Run(args) => build::run(&args),
        Chore::Test(args) => test::run(&args),
        Chore::Layers => layers::run(),
        Chore::Codegen => ci::codegen(),
        Chore::Ci(args) => ci::run(&args),
        Chore::Lab(lab) => lab::run(&lab),
        Chore::Demo(args) => demo::run(&args),
        Chore::Vm(args) => vm::run(&args),
    };
    match result {
        Ok(code) => code,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}
