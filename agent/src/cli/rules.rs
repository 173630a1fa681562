//! `agent rules`: those that are shipped, and those that users write.

mod falco;
mod own;

use super::output::say_json;
use super::{Exit, Failure, say};
use crate::detect::{Documented, Rule, layer, markdown, rules, table};
use clap::{Args, Subcommand, ValueEnum};
pub(super) use own::configured;
use std::path::PathBuf;

/// Which rules, and how; or what to do with rules of one's own.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct RulesArgs {
    /// Only rules whose id begins so: `escape`, `lateral.`, `user.`
    #[arg(value_name = "PREFIX", default_value = "")]
    prefix: String,
    #[arg(long, value_enum, default_value_t)]
    output: RulesOutput,
    #[command(subcommand)]
    command: Option<RulesCommand>,
}

/// Rules of one's own.
#[derive(Debug, Subcommand)]
pub(super) enum RulesCommand {
    /// Run the tests that are written in files of rules; exit code 1 when one fails, 78 when a file is wrong
    Test(own::OwnArgs),
    /// Check files of rules; exit code 78 when one is wrong
    Lint(own::OwnArgs),
    /// Translate rules of Falco: rules of users on stdout, on stderr what became of each; exit code 1 when none was translated, 78 when a file
    /// is malformed
    ImportFalco(falco::ImportArgs),
}

/// Shape of the list.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum RulesOutput {
    /// One line per rule.
    #[default]
    Text,
    Json,
    /// What `docs/rules.md` is: the rules that are shipped.
    Markdown,
    /// Coverage of ATT&CK, as a layer of its Navigator.
    Navigator,
}

pub(super) fn run(file: Option<&PathBuf>, args: &RulesArgs) -> Result<Exit, Failure> {
    match &args.command {
        Some(RulesCommand::Test(args)) => own::test(args),
        Some(RulesCommand::Lint(args)) => own::lint(args),
        Some(RulesCommand::ImportFalco(args)) => falco::import(args),
        None => list(file, args),
    }
}

/// A configuration, or a file of rules, that is wrong does not keep the shipped rules from being shown, but the exit code says so.
fn list(file: Option<&PathBuf>, args: &RulesArgs) -> Result<Exit, Failure> {
    let (own, wrong) = match args.output {
        RulesOutput::Markdown => (Vec::new(), None),
        _ => match configured(file) {
            Ok(own) => (own.rules().collect(), None),
            Err(failure) => (Vec::new(), Some(failure)),
        },
    };
    let all = rules().chain(own);
    let selected: Vec<&'static Rule> = all.filter(|rule| rule.id.starts_with(&args.prefix)).collect();
    if selected.is_empty() && wrong.is_none() {
        return Err(Failure::message(
            Exit::Usage,
            format!("no rule begins with `{}`", args.prefix.escape_debug()),
        ));
    }
    let exit = match args.output {
        RulesOutput::Text => say(&table(selected.into_iter())),
        RulesOutput::Json => {
            let documented: Vec<Documented> = selected.into_iter().map(Documented::from).collect();
            say_json(&documented)
        }
        RulesOutput::Markdown => say(&markdown(selected.into_iter())),
        RulesOutput::Navigator => say_json(&layer(selected.into_iter())),
    }?;
    wrong.map_or(Ok(exit), Err)
}
