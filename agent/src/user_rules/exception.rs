//! Where a rule does not hold.

use super::error::Problem;
use super::model::ExceptionDocument;
use super::variables::Variables;
use crate::profile::ImageName;
use serde_json::{Map, Value};

/// An exception that can be asked.
#[derive(Debug)]
pub(super) struct Exception(ExceptionDocument);

impl Exception {
    pub(super) fn new(document: &ExceptionDocument) -> Result<Self, Problem> {
        let ExceptionDocument {
            images,
            namespaces,
            paths,
        } = document;
        if images.is_empty() && namespaces.is_empty() && paths.is_empty() {
            return Err(Problem::new(
                "an exception without images, namespaces or paths would hold everywhere",
                "name what it is for, or remove it",
            ));
        }
        Ok(Self(document.clone()))
    }

    /// True when every list that is given has a match.
    pub(super) fn covers(&self, variables: &Variables) -> bool {
        let ExceptionDocument {
            images,
            namespaces,
            paths,
        } = &self.0;
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
        } = &self.0;
        [
            list("image", images.iter().map(ToString::to_string).collect()),
            list("namespace", namespaces.clone()),
            list("path", paths.iter().map(ToString::to_string).collect()),
        ]
        .into_iter()
        .flatten()
        .collect::<Vec<_>>()
        .join(" and ")
    }
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
