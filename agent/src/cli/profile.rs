//! `agent profile lint|list|show`.

use super::output::say_json;
use super::{Exit, Failure, Output, load_without_docker, say};
use crate::config::Flags;
use crate::profile::store::{Presence, load_file, load_files, load_folder, profile_files};
use crate::profile::{CompiledProfile, Profile, ProfileError, ProfileSet, warnings};
use clap::Args;
use serde_json::json;
use std::path::{Path, PathBuf};

/// What to check.
#[derive(Debug, Args)]
pub struct LintArgs {
    /// Profiles, or folders of them
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

/// Which profiles to list.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// Folder of profiles [default: the configured one]
    #[arg(long, value_name = "DIR")]
    profiles: Option<PathBuf>,
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

/// Which profile to print.
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// Name of a profile, or a file
    #[arg(value_name = "NAME|FILE")]
    profile: String,
    /// Folder of profiles [default: the configured one]
    #[arg(long, value_name = "DIR")]
    profiles: Option<PathBuf>,
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

impl From<ProfileError> for Failure {
    fn from(error: ProfileError) -> Self {
        // These errors name their causes themselves.
        Self::message(Exit::Config, error)
    }
}

pub(super) fn lint(args: &LintArgs) -> Result<Exit, Failure> {
    let mut files = Vec::new();
    for path in &args.paths {
        if path.is_dir() {
            files.extend(profile_files(path, Presence::Required)?);
        } else {
            files.push(path.clone());
        }
    }
    let results: Vec<_> = files.iter().map(|file| (file, load_file(file))).collect();
    let good: Vec<PathBuf> = results
        .iter()
        .filter(|(_, result)| result.is_ok())
        .map(|(file, _)| (*file).clone())
        .collect();
    let duplicate = load_files(&good).err();
    let wrong = duplicate.is_some() || good.len() < files.len();
    match args.output {
        Output::Text => say(&lint_text(&results, duplicate.as_ref()))?,
        Output::Json => say_json(&lint_json(&results, duplicate.as_ref()))?,
    };
    Ok(if wrong { Exit::Config } else { Exit::Ok })
}

type Linted<'a> = (&'a PathBuf, Result<Profile, ProfileError>);

fn lint_text(results: &[Linted<'_>], duplicate: Option<&ProfileError>) -> String {
    let lines = results.iter().map(|(file, result)| match result {
        Ok(profile) => format!("{}: ok: {}\n", file.display(), summary(profile)) + &warned(file, profile),
        Err(error) => format!("{error}\n"),
    });
    lines.chain(duplicate.map(|error| format!("{error}\n"))).collect()
}

fn warned(file: &Path, profile: &Profile) -> String {
    let lines = warnings(profile).into_iter();
    lines
        .map(|warning| format!("{}: warning: {warning}\n", file.display()))
        .collect()
}

fn lint_json(results: &[Linted<'_>], duplicate: Option<&ProfileError>) -> Vec<serde_json::Value> {
    let lines = results.iter().map(|(file, result)| match result {
        Ok(profile) => {
            json!({"file": file, "ok": true, "name": profile.metadata.name, "warnings": warnings(profile)})
        }
        Err(error) => json!({"file": file, "ok": false, "error": error.to_string()}),
    });
    lines
        .chain(duplicate.map(|error| json!({"ok": false, "error": error.to_string()})))
        .collect()
}

fn summary(profile: &Profile) -> String {
    format!(
        "{}, {}: {} exec, {} listen, {} connect",
        profile.metadata.name,
        profile.state.word(),
        profile.exec.len(),
        profile.listen.len(),
        profile.connect.len()
    )
}

pub(super) fn list(file: Option<&PathBuf>, args: &ListArgs) -> Result<Exit, Failure> {
    let set = load(file, args.profiles.as_deref())?;
    match args.output {
        Output::Text => say(&set
            .iter()
            .map(|profile| summary(profile.source()) + "\n")
            .collect::<String>()),
        Output::Json => say_json(&set.iter().map(|profile| profile.source()).collect::<Vec<_>>()),
    }
}

pub(super) fn show(file: Option<&PathBuf>, args: &ShowArgs) -> Result<Exit, Failure> {
    let path = Path::new(&args.profile);
    if path.is_file() {
        return print(&load_file(path)?, args.output);
    }
    let set = load(file, args.profiles.as_deref())?;
    let named = |profile: &&std::sync::Arc<CompiledProfile>| profile.name() == args.profile;
    match set.iter().find(named) {
        Some(profile) => print(profile.source(), args.output),
        None => {
            let what = args.profile.escape_debug();
            Err(Failure::message(
                Exit::Findings,
                format!("no profile `{what}`; `agent profile list` names them"),
            ))
        }
    }
}

fn print(profile: &Profile, output: Output) -> Result<Exit, Failure> {
    match output {
        Output::Text => {
            say(&serde_saphyr::to_string(profile).map_err(|error| Failure::message(Exit::Findings, error))?)
        }
        Output::Json => say_json(profile),
    }
}

fn load(file: Option<&PathBuf>, folder: Option<&Path>) -> Result<ProfileSet, Failure> {
    match folder {
        Some(folder) => Ok(load_folder(folder, Presence::Required)?),
        None => Ok(load_folder(
            &load_without_docker(file, Flags::default())?.config.profiles_dir,
            Presence::Optional,
        )?),
    }
}
