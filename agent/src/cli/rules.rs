//! `agent rules`.

use super::output::say_json;
use super::{Exit, Failure, say};
use crate::detect::{layer, markdown, rules, table};
use clap::{Args, ValueEnum};

/// Which rules, and how.
#[derive(Debug, Args)]
pub struct RulesArgs {
    /// Only rules whose id begins so: `escape`, `lateral.`
    #[arg(value_name = "PREFIX", default_value = "")]
    prefix: String,
    #[arg(long, value_enum, default_value_t)]
    output: RulesOutput,
}

/// Shape of the list.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum RulesOutput {
    /// One line per rule.
    #[default]
    Text,
    Json,
    /// What `docs/rules.md` is.
    Markdown,
    /// Coverage of ATT&CK, as a layer of its Navigator.
    Navigator,
}

pub(super) fn run(args: &RulesArgs) -> Result<Exit, Failure> {
    let selected = || rules().filter(|rule| rule.id.starts_with(&args.prefix));
    if selected().next().is_none() {
        return Err(Failure::message(
            Exit::Usage,
            format!("no rule begins with `{}`", args.prefix.escape_debug()),
        ));
    }
    match args.output {
        RulesOutput::Text => say(&table(selected())),
        RulesOutput::Json => say_json(&selected().collect::<Vec<_>>()),
        RulesOutput::Markdown => say(&markdown(selected())),
        RulesOutput::Navigator => say_json(&layer(selected())),
    }
}
