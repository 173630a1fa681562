//! `cargo xtask corpus --mixed`: an ordinary day of a host, and whether anybody is disturbed.

use super::{Args, Output, prepare};
use crate::shell;
use agent_tests::mixed::{self, LEARN};
use anyhow::Result;
use std::process::ExitCode;
use std::time::Duration;

/// How long the run is when nobody says.
const MINUTES: u64 = 30;

pub(super) fn run(args: &Args) -> Result<ExitCode> {
    let (docker, mut options) = prepare("mixed", args)?;
    mixed::prepare(&docker)?;
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
