//! `cargo xtask build` and `run`. Compiling the kernel half is the work of `agent/build.rs`.

use crate::setup::{self, Purpose};
use crate::{aarch64, shell};
use anyhow::{Context, Result};
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

#[derive(Debug, clap::Args)]
pub(crate) struct BuildArgs {
    /// Optimised.
    #[arg(long)]
    release: bool,
    /// The kernel half alone, for this machine: x86_64, aarch64.
    #[arg(long, value_name = "ARCH", conflicts_with = "release", value_parser = ["x86_64", "aarch64"])]
    bpf_arch: Option<String>,
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

/// Of the tests' tiers, most of which need root: their programs are compiled with these, and only then.
pub(crate) const TIER_FEATURES: &str = "agent-tests/kernel,agent-tests/runtime,agent-tests/e2e,agent-tests/delivery,agent-tests/soak,agent-tests/bench";

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
    let built = match &args.bpf_arch {
        Some(arch) => {
            setup::ensure(&[Purpose::Build])?;
            aarch64::build_object(arch)?
        }
        None => build_agent(Profile::of(args.release))?,
    };
    println!("{}", built.display());
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
    build_with(profile, &[])
}

/// With the features that the tests' programs have: what they and the agent depend on is compiled once. That a test is among
/// what is built brings those of the tests' own dependencies; this one is needed anyway.
///
/// # Errors
/// As [`build_agent`].
pub(crate) fn build_for_tests() -> Result<PathBuf> {
    setup::ensure(&[Purpose::Build])?;
    build_with(Profile::Dev, &["--features", TIER_FEATURES, "--test", "replay"])
}

/// With the kernel programs' debug messages; never the object that `VIGIA_EBPF_OBJECT` names, which has none.
///
/// # Errors
/// As [`build_agent`].
pub(crate) fn build_with_messages() -> Result<PathBuf> {
    let mut cargo = shell::cargo();
    cargo.env_remove("VIGIA_EBPF_OBJECT");
    let agent = build_by(cargo, Profile::Dev, &["--features", "agent/debug-log"])?;
    // The usual agent is put back in its place by the next build.
    let copy = agent.with_file_name("agent-debug-log");
    fs::copy(&agent, &copy).with_context(|| format!("cannot write {}", copy.display()))?;
    Ok(copy)
}

/// Optimised, in one file that loads no library; beside the usual builds, which have their own flags.
///
/// # Errors
/// As [`build_agent`].
pub(crate) fn build_static() -> Result<PathBuf> {
    setup::ensure(&[Purpose::Build])?;
    let target = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let mut command = shell::cargo();
    command.args(["rustc", "--release", "--package", "agent", "--bin", "agent"]);
    command.args(["--target", &target, "--", "-C"]);
    // A static program relocates itself: 880 KiB of addresses become 10.
    command.arg("link-arg=-Wl,-z,pack-relative-relocs");
    shell::run(command.env("RUSTFLAGS", "-C target-feature=+crt-static"))?;
    Ok(agent_tests::paths::target_dir()
        .join(target)
        .join("release/agent"))
}

fn build_with(profile: Profile, arguments: &[&str]) -> Result<PathBuf> {
    build_by(shell::cargo(), profile, arguments)
}

fn build_by(mut command: Command, profile: Profile, arguments: &[&str]) -> Result<PathBuf> {
    // What is released has its own dependencies' features and no others; the rest is compiled once for the whole workspace.
    let (selection, folder): (&[&str], _) = match profile {
        Profile::Dev => (&["--bin", "agent"], "debug"),
        Profile::Release => (&["--release", "--package", "agent"], "release"),
    };
    command.arg("build").args(selection).args(arguments);
    shell::run(&mut command)?;
    Ok(agent_tests::paths::target_dir().join(folder).join("agent"))
}
