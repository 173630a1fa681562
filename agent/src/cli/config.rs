//! `agent config`.

use super::output::say_json;
use super::{Exit, Failure, load_config, say};
use crate::config::{DEFAULT_YAML, Flags, RawConfig};
use clap::Subcommand;
use std::path::PathBuf;

/// What about the configuration.
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Print the commented default file
    Default,
    /// Check file and environment; exit code 78 when something is wrong
    Check,
    /// Print what is in force: defaults, file and environment together
    Print,
    /// Print the JSON Schema of the file
    Schema,
}

pub(super) fn run(file: Option<&PathBuf>, command: &ConfigCommand) -> Result<Exit, Failure> {
    match command {
        ConfigCommand::Default => say(DEFAULT_YAML),
        ConfigCommand::Schema => say_json(&schemars::schema_for!(RawConfig)),
        ConfigCommand::Check => {
            let loaded = load_config(file, Flags::default())?;
            let source = loaded
                .file
                .map_or_else(|| "defaults".to_owned(), |file| file.display().to_string());
            say(&format!("{source}: ok\n"))
        }
        ConfigCommand::Print => {
            let loaded = load_config(file, Flags::default())?;
            let yaml = serde_saphyr::to_string(&loaded.raw)
                .map_err(|error| Failure::message(Exit::Findings, error))?;
            say(&yaml)
        }
    }
}
