//! `cargo xtask image`: the agent as a container image, made without a daemon, a registry or a base image.

use crate::{build, shell};
use agent_tests::image::{libraries_of, write_agent_archive};
use agent_tests::paths;
use anyhow::{Result, bail};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// `repository:tag` that the image has once it is loaded.
    #[arg(long, default_value = concat!("vigia:", env!("CARGO_PKG_VERSION")))]
    name: String,
}

/// Larger archives are refused: something has slipped in.
const MAX_BYTES: u64 = 25_000_000;

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let agent = build::build_static()?;
    if !libraries_of(&agent)?.is_empty() {
        bail!(
            "{} loads libraries, which an empty image has not",
            agent.display()
        );
    }
    println!("{}", write(&agent, &args.name)?.display());
    Ok(ExitCode::SUCCESS)
}

fn write(agent: &Path, name: &str) -> Result<PathBuf> {
    let folder = paths::target_dir().join("image");
    fs::create_dir_all(&folder)?;
    let scratch = tempfile::tempdir_in(&folder)?;
    let finished = scratch.path().join("vigia.tar");
    write_agent_archive(&finished, agent, name)?;
    let size = fs::metadata(&finished)?.len();
    shell::say(&format!("the image archive has {size} bytes"));
    if size > MAX_BYTES {
        bail!("the image archive has more than {MAX_BYTES} bytes");
    }
    let archive = folder.join("vigia.tar");
    fs::rename(&finished, &archive)?;
    Ok(archive)
}
