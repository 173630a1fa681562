//! `cargo xtask corpus --mixed`: an ordinary day of a host, and whether anybody is disturbed.

use super::{Args, Output};
use crate::build::{Profile, build_agent};
use crate::setup::{self, Purpose};
use crate::shell;
use agent_tests::agent::Options;
use agent_tests::lab::{CgroupView, Docker};
use agent_tests::mixed::{self, LEARN};
use anyhow::{Result, bail};
use std::process::ExitCode;
use std::time::Duration;

/// How long the run is when nobody says.
const MINUTES: u64 = 30;

pub(super) fn run(args: &Args) -> Result<ExitCode> {
    if !agent_tests::capability::is_root() {
        bail!("the mixed run needs root: it loads kernel programs and starts containers");
    }
    setup::ensure(&[Purpose::Build, Purpose::Containers])?;
    let binary = build_agent(Profile::of(args.release))?;
    shell::say("starting a private Docker daemon");
    let docker = Docker::start("mixed", CgroupView::Host)?;
    shell::say("loading the images (made first if they are not cached)");
    mixed::prepare(&docker)?;
    let mut options = Options {
        binary: Some(binary),
        docker_host: Some(docker.host()),
        ..Options::default()
    };
    // Until the end: the agent looks into the folder again.
    let profiles = tempfile::tempdir()?;
    if args.learned {
        shell::say(&format!("learning profiles for {} min", LEARN.as_secs() / 60));
        mixed::learn(&docker, &options, profiles.path(), &shell::say)?;
        options.profiles = Some(profiles.path().to_owned());
    }
    let minutes = args.minutes.unwrap_or(MINUTES);
    shell::say(&format!("the mixed run of {minutes} min"));
    let report = mixed::measure(&docker, &options, Duration::from_secs(minutes * 60), &shell::say)?;
    match args.output {
        Output::Text => println!("\n{}", report.text()),
        Output::Json => println!("{}", serde_json::to_string_pretty(&report)?),
    }
    Ok(if report.is_right() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// What `--minutes` takes: from a run in which each operation has its turn, to a day.
pub(super) fn minutes() -> clap::builder::RangedU64ValueParser {
    let shortest = mixed::SHORTEST.as_secs() / 60;
    clap::value_parser!(u64).range(shortest..=24 * 60)
}
