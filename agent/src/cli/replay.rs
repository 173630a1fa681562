//! `agent replay`.

use super::{Exit, Failure, Output, say};
use crate::alert::{Alert, AlertBuilder, AlertIds};
use crate::engine::{self, Engine};
use crate::profile::RoleSet;
use crate::profile::store::{Presence, load_folder};
use crate::recording::{Reader, RecordedProfiles, replay};
use crate::watch::{Detail, View, render};
use clap::Args;
use std::path::PathBuf;
use std::sync::Arc;

/// Alerts of a replay have the same ids each time: outputs of two versions can be compared as text.
const SEED: u64 = 0;

/// What to replay.
#[derive(Debug, Args)]
pub struct ReplayArgs {
    /// What `agent run --record` wrote
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Folder of behaviour profiles instead of the recorded ones
    #[arg(long, value_name = "DIR")]
    profiles: Option<PathBuf>,
    /// Readable lines, or the alerts as NDJSON
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

pub(super) fn run(args: &ReplayArgs) -> Result<Exit, Failure> {
    let mut reader = Reader::open(&args.file)?;
    let alerts = AlertBuilder::new(AlertIds::new(SEED));
    let roles = RoleSet::shipped()?;
    let mut engine = Engine::new(reader.start().host.clone(), roles, alerts);
    let mut profiles = RecordedProfiles::InForce;
    if let Some(folder) = &args.profiles {
        engine.set_profiles(Arc::new(load_folder(folder, Presence::Required)?));
        profiles = RecordedProfiles::Ignored;
    }
    let mut printed = Ok(Exit::Ok);
    let replayed = replay(&mut reader, &mut engine, profiles, |output| {
        if let (engine::Output::Alert(alert), Ok(_)) = (output, &printed) {
            printed = print(&alert, args.output);
        }
    });
    printed?;
    replayed?;
    Ok(Exit::Ok)
}

fn print(alert: &Alert, output: Output) -> Result<Exit, Failure> {
    let line = serde_json::to_string(alert).map_err(|error| Failure::new(Exit::Findings, error))?;
    let view = match output {
        Output::Json => View::Json,
        Output::Text => View::Plain,
    };
    render(&line, view, Detail::Everything).map_or(Ok(Exit::Ok), |text| say(&(text + "\n")))
}
