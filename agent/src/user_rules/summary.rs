//! Sentences with placeholders: `{{process.exe}} was started in {{container.name}}`.

use super::error::Problem;
use super::shape;
use super::variables::Variables;
use crate::event::EventKind;
use serde_json::Value;

/// Longest template, bytes.
const MAX_TEMPLATE: usize = 500;
/// Longest sentence, characters: arguments may be long.
const MAX_SENTENCE: usize = 1000;

/// A template, taken apart.
#[derive(Debug)]
pub(super) struct Summary(Vec<Part>);

#[derive(Debug)]
enum Part {
    Text(String),
    Field { root: String, names: Vec<String> },
}

impl Summary {
    /// Takes it apart; every placeholder must be a field of all `kinds`.
    pub(super) fn parse(template: &str, kinds: &[EventKind]) -> Result<Self, Problem> {
        if template.is_empty() || template.len() > MAX_TEMPLATE {
            let reason = format!("a summary has 1 to {MAX_TEMPLATE} bytes, not {}", template.len());
            return Err(Problem::new(reason, "write one sentence"));
        }
        let mut parts = Vec::new();
        let mut rest = template;
        while let Some((before, behind)) = rest.split_once("{{") {
            let Some((inside, after)) = behind.split_once("}}") else {
                return Err(Problem::new("a placeholder `{{` has no end", "end it with `}}`"));
            };
            parts.push(Part::Text(before.to_owned()));
            parts.push(placeholder(inside.trim(), kinds)?);
            rest = after;
        }
        parts.push(Part::Text(rest.to_owned()));
        Ok(Self(parts))
    }

    /// The sentence of an event.
    pub(super) fn render(&self, variables: &Variables) -> String {
        let parts = self.0.iter().map(|part| match part {
            Part::Text(text) => text.clone(),
            Part::Field { root, names } => shown(variables.at(root, names)),
        });
        parts.collect::<String>().chars().take(MAX_SENTENCE).collect()
    }
}

fn placeholder(path: &str, kinds: &[EventKind]) -> Result<Part, Problem> {
    let mut names = path.split('.').map(str::to_owned);
    let root = names.next().unwrap_or_default();
    let names: Vec<String> = names.collect();
    shape::path(&root, &names, kinds).map_err(|problem| {
        let reason = format!("the placeholder `{{{{{path}}}}}`: {}", problem.reason);
        Problem::new(reason, problem.help)
    })?;
    Ok(Part::Field { root, names })
}

fn shown(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => "unknown".to_owned(),
        Some(Value::String(text)) if text.is_empty() => "unknown".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(items)) => {
            let items: Vec<String> = items.iter().map(|item| shown(Some(item))).collect();
            items.join(" ")
        }
        Some(other) => other.to_string(),
    }
}
