//! Where a rule does not hold.

use super::error::{Problem, UserRuleError};
use super::expression::{Expression, Scope};
use super::model::{ExceptionDocument, Located};
use super::variables::Variables;
use crate::event::EventKind;
use crate::profile::ImageName;
use serde_json::{Map, Value};
use std::path::Path;

/// Characters of a condition that `agent explain` shows.
const MAX_SHOWN: usize = 120;

/// An exception that can be asked.
#[derive(Debug)]
pub(super) struct Exception {
    document: ExceptionDocument,
    condition: Option<Expression>,
}

impl Exception {
    /// Of a rule on events of `kinds`.
    pub(super) fn new(
        written: &Located<ExceptionDocument>,
        kinds: &[EventKind],
        file: &Path,
    ) -> Result<Self, UserRuleError> {
        let document = &written.value;
        let ExceptionDocument {
            images,
            namespaces,
            paths,
            condition,
        } = document;
        if images.is_empty() && namespaces.is_empty() && paths.is_empty() && condition.is_none() {
            let problem = Problem::new(
                "an exception without images, namespaces, paths or a condition would hold everywhere",
                "name what it is for, or remove it",
            );
            return Err(problem.at(file, written));
        }
        let compiled = condition.as_ref().map(|condition| {
            Expression::compile(&condition.value, kinds).map_err(|problem| problem.at(file, condition))
        });
        Ok(Self {
            document: document.clone(),
            condition: compiled.transpose()?,
        })
    }

    /// What it asks for beside its lists.
    pub(super) fn condition(&self) -> Option<&Expression> {
        self.condition.as_ref()
    }

    /// Whether everything that is given matches; else why that cannot be told.
    pub(super) fn covers(&self, scope: &Scope<'_>, variables: &Variables) -> Result<bool, String> {
        match &self.condition {
            _ if !self.lists_match(variables) => Ok(false),
            Some(condition) => scope.holds(condition),
            None => Ok(true),
        }
    }

    fn lists_match(&self, variables: &Variables) -> bool {
        let ExceptionDocument {
            images,
            namespaces,
            paths,
            ..
        } = &self.document;
        let image = variables.image().and_then(ImageName::parse);
        let namespace = text(&variables.container, "namespace");
        let path = nameable_path(variables);
        (images.is_empty() || image.is_some_and(|image| images.iter().any(|pattern| pattern.matches(&image))))
            && (namespaces.is_empty() || namespaces.iter().any(|name| Some(name.as_str()) == namespace))
            && (paths.is_empty()
                || path.is_some_and(|path| paths.iter().any(|pattern| pattern.matches(path.as_bytes()))))
    }

    /// For people.
    pub(super) fn describe(&self) -> String {
        let list = |what: &str, items: Vec<String>| {
            (!items.is_empty()).then(|| format!("{what} {}", items.join(" or ")))
        };
        let ExceptionDocument {
            images,
            namespaces,
            paths,
            condition,
        } = &self.document;
        [
            list("image", images.iter().map(ToString::to_string).collect()),
            list("namespace", namespaces.clone()),
            list("path", paths.iter().map(ToString::to_string).collect()),
            condition.as_ref().map(|condition| shortened(&condition.value)),
        ]
        .into_iter()
        .flatten()
        .collect::<Vec<_>>()
        .join(" and ")
    }
}

fn shortened(condition: &str) -> String {
    let words: Vec<&str> = condition.split_whitespace().collect();
    let whole = words.join(" ");
    let mut shown: String = whole.chars().take(MAX_SHOWN).collect();
    if shown.len() < whole.len() {
        shown.push('…');
    }
    shown
}

/// The event's path, else the executable's. Who made another root names its files as he likes, and of a path that was cut nobody knows
/// where it leads: no exception is for these.
fn nameable_path(variables: &Variables) -> Option<&str> {
    let yes = |key: &str| variables.event.get(key) == Some(&Value::Bool(true));
    if yes("chrooted") || yes("truncated") {
        return None;
    }
    match text(&variables.event, "path") {
        Some(path) if !path.is_empty() => Some(path),
        _ if variables.process.get("truncated") == Some(&Value::Bool(true)) => None,
        _ => text(&variables.process, "exe"),
    }
}

fn text<'a>(map: &'a Map<String, Value>, key: &str) -> Option<&'a str> {
    map.get(key).and_then(Value::as_str)
}
