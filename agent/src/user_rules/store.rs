//! Reads rules from files: the one part of the module that does I/O.

use super::error::{Problem, UserRuleError};
use super::{RuleSource, UserRuleSet};
use crate::config::{is_fragment, yaml};
use crate::profile::store::Presence;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Files that one folder may hold.
const MAX_FILES: usize = 256;

/// Reads every `*.yaml` and `*.yml` of a folder (not of its subfolders, none that begins with a dot), in the order of names.
///
/// # Errors
/// The first problem; nothing is used of a folder that has one.
pub fn load_folder(folder: &Path, presence: Presence) -> Result<UserRuleSet, UserRuleError> {
    load_files(&rule_files(folder, presence)?)
}

/// Reads the given files.
///
/// # Errors
/// The first problem.
pub fn load_files(files: &[PathBuf]) -> Result<UserRuleSet, UserRuleError> {
    let source = |file: &PathBuf| -> Result<RuleSource, UserRuleError> {
        Ok(RuleSource {
            text: yaml::read(file)?,
            file: file.clone(),
        })
    };
    let sources: Result<Vec<RuleSource>, UserRuleError> = files.iter().map(source).collect();
    UserRuleSet::compile(sources?)
}

/// The files that [`load_folder`] reads.
///
/// # Errors
/// When the folder cannot be listed.
pub fn rule_files(folder: &Path, presence: Presence) -> Result<Vec<PathBuf>, UserRuleError> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound && presence == Presence::Optional => {
            return Ok(Vec::new());
        }
        entries => entries.map_err(|error| unreadable(folder, &error))?,
    };
    let mut files = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|error| unreadable(folder, &error))?;
        if is_fragment(&entry.file_name()) {
            files.push(entry.path());
        }
        if files.len() > MAX_FILES {
            let reason = format!("holds more than {MAX_FILES} files of rules");
            return Err(Problem::new(reason, "put several rules into one file").of(folder));
        }
    }
    files.sort();
    Ok(files)
}

fn unreadable(folder: &Path, error: &io::Error) -> UserRuleError {
    let help = match error.kind() {
        io::ErrorKind::NotFound => "create the folder, or leave `rules.dir` out",
        io::ErrorKind::NotADirectory => "name a folder of *.yaml files",
        _ => "give the agent's user read permission",
    };
    Problem::new(format!("cannot be listed: {error}"), help).of(folder)
}
