//! `agent explain`.

use super::output::say_json;
use super::{Exit, Failure, Output, say};
use crate::detect::{rule, rules, text};
use clap::Args;

/// What to explain.
#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// Id of a rule, `escape.core_pattern`; or a part of one
    #[arg(value_name = "RULE")]
    rule: String,
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

pub(super) fn run(args: &ExplainArgs) -> Result<Exit, Failure> {
    let similar: Vec<_> = rules().filter(|rule| rule.id.contains(&args.rule)).collect();
    let found = rule(&args.rule).or(match similar.as_slice() {
        [only] => Some(*only),
        _ => None,
    });
    let Some(found) = found else {
        let known = match similar.as_slice() {
            [] => "`agent rules` lists them all".to_owned(),
            some => format!(
                "did you mean {}?",
                some.iter().map(|rule| rule.id).collect::<Vec<_>>().join(", ")
            ),
        };
        return Err(Failure::message(
            Exit::Usage,
            format!("no rule `{}`; {known}", args.rule.escape_debug()),
        ));
    };
    match args.output {
        Output::Text => say(&text(found)),
        Output::Json => say_json(found),
    }
}
