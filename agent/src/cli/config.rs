//! `agent config`.

use super::output::say_json;
use super::{Exit, Failure, RunFlags, load_config, say};
use crate::config::{DEFAULT_YAML, Flags, RawConfig};
use clap::{Args, Subcommand};
use std::path::PathBuf;

/// What about the configuration.
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Print the commented default file
    Default,
    /// Check the file, conf.d beside it and the environment together; exit code 78 when something is wrong
    Check,
    /// Print what is in force: defaults, files, environment and flags together
    Print(PrintArgs),
    /// Print the JSON Schema of the file
    Schema,
}

/// How to print it.
#[derive(Debug, Args)]
pub struct PrintArgs {
    /// Behind each value, where it was written: a file with the line, a variable, a flag, or nowhere (default)
    #[arg(long)]
    origins: bool,
    /// As `agent run` would be started
    #[command(flatten)]
    flags: RunFlags,
}

pub(super) fn run(file: Option<&PathBuf>, command: &ConfigCommand) -> Result<Exit, Failure> {
    match command {
        ConfigCommand::Default => say(DEFAULT_YAML),
        ConfigCommand::Schema => say_json(&schemars::schema_for!(RawConfig)),
        ConfigCommand::Check => {
            let files = load_config(file, Flags::default())?.files;
            let checked = match &files[..] {
                [] => "defaults: ok\n".to_owned(),
                files => files
                    .iter()
                    .map(|file| format!("{}: ok\n", file.display()))
                    .collect(),
            };
            say(&checked)
        }
        ConfigCommand::Print(args) => {
            let loaded = load_config(file, args.flags.to_flags())?;
            let yaml = if args.origins {
                loaded.to_yaml_with_origins()
            } else {
                loaded.to_yaml()
            };
            say(&yaml.map_err(|error| Failure::message(Exit::Findings, error))?)
        }
    }
}
