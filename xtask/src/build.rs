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

/// With the kernel programs' debug messages; never the object that `VIGIA_EBPF_OBJECT` names, which has none.
///
/// # Errors
/// As [`build_agent`].
pub(crate) fn build_with_messages() -> Result<PathBuf> {
    let agent = build_with(Profile::Dev, &["--features", "debug-log"])?;
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
    let mut command = shell::cargo();
    command.args(["build", "--package", "agent"]).args(arguments);
    if !arguments.is_empty() {
        command.env_remove("VIGIA_EBPF_OBJECT");
    }
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
