//! Every chore of the project, in one place: people and CI call the same commands.
//!
//! Each sub-command is a module. All of them say what they are about to do before they do it, stream what the
//! programs they start print, and fail with a reason.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command-line tool")]

mod aarch64;
mod bench;
mod build;
mod ci;
mod corpus;
mod deb;
mod demo;
mod deploy;
mod image;
mod lab;
mod layers;
#[path = "../../agent/build/object.rs"]
mod object;
mod setup;
mod shell;
mod test;
#[path = "../../agent/build/toolchain.rs"]
#[allow(dead_code, reason = "shared with agent/build.rs, which uses the rest")]
mod toolchain;
mod verified;
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
    /// Measure what the kernels' verifiers go through for each program, and accept it.
    Verified,
    /// Run what CI runs.
    Ci(ci::Args),
    /// The agent as a container image that Docker, containerd and Podman load.
    Image(image::Args),
    /// Check what is deployed: chart, kustomization, Compose file, alerting rules, dashboard.
    Deploy,
    /// The agent as a Debian package.
    Deb(deb::Args),
    /// A private Docker daemon with images made on the spot.
    #[command(subcommand)]
    Lab(lab::Lab),
    /// Show the agent at work: ordinary containers, then one attack of each kind.
    Demo(demo::Args),
    /// Measure what the agent costs workloads, and itself.
    Bench(bench::Args),
    /// Carry out the attack corpus and say what the sensor saw of it.
    Corpus(corpus::Args),
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
        Chore::Verified => verified::run(),
        Chore::Ci(args) => ci::run(&args),
        Chore::Image(args) => image::run(&args),
        Chore::Deploy => deploy::run(),
        Chore::Deb(args) => deb::run(&args),
        Chore::Lab(lab) => lab::run(&lab),
        Chore::Demo(args) => demo::run(&args),
        Chore::Bench(args) => bench::run(&args),
        Chore::Corpus(args) => corpus::run(&args),
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
