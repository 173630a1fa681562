//! `cargo xtask build` and `run`. Compiling the kernel half is the work of `agent/build.rs`.

use crate::setup::{self, Purpose};
use crate::shell;
use anyhow::{Context, Result};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

#[derive(Debug, clap::Args)]
pub(crate) struct BuildArgs {
    /// Optimised.
    #[arg(long)]
    release: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct RunArgs {
    /// Optimised.
    #[arg(long)]
    release: bool,
    /// Passed to `agent run`.
    #[arg(last = true)]
    args: Vec<String>,
}

/// How the agent is compiled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Profile {
    Dev,
    Release,
}

impl Profile {
    pub(crate) fn of(release: bool) -> Self {
        if release { Self::Release } else { Self::Dev }
    }
}

pub(crate) fn build(args: &BuildArgs) -> Result<ExitCode> {
    let agent = build_agent(Profile::of(args.release))?;
    println!("{}", agent.display());
    Ok(ExitCode::SUCCESS)
}

/// Replaces this process by the agent, so that signals reach it.
pub(crate) fn run(args: &RunArgs) -> Result<ExitCode> {
    let agent = build_agent(Profile::of(args.release))?;
    shell::say(&format!("{} run {}", agent.display(), args.args.join(" ")));
    let error = Command::new(&agent).arg("run").args(&args.args).exec();
    Err(error).with_context(|| format!("cannot start {}", agent.display()))
}

/// Sets up, builds, and says where the agent is.
///
/// # Errors
/// When something is missing or does not compile.
pub(crate) fn build_agent(profile: Profile) -> Result<PathBuf> {
    setup::ensure(&[Purpose::Build])?;
    let mut command = shell::cargo();
    command.args(["build", "--package", "agent"]);
    let folder = match profile {
        Profile::Dev => "debug",
        Profile::Release => "release",
    };
    if profile == Profile::Release {
        command.arg("--release");
    }
    shell::run(&mut command)?;
    Ok(agent_tests::paths::target_dir().join(folder).join("agent"))
}
