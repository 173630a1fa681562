//! Rules as they are written.

use crate::config::yaml::suggest;
use crate::detect::{Class, Severity};
use crate::event::EventKind;
use crate::profile::{ImagePattern, PathPattern};
use serde::{Deserialize, Deserializer, de};
use serde_json::{Map, Value};

/// A value and where it is written.
pub(super) type Located<T> = serde_saphyr::Spanned<T>;

/// A file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RuleFile {
    #[serde(rename = "apiVersion")]
    _api_version: ApiVersion,
    #[serde(rename = "kind")]
    _kind: Kind,
    pub(super) metadata: Metadata,
    pub(super) rules: Vec<RuleDocument>,
}

/// The version of the format.
#[derive(Debug, Deserialize)]
enum ApiVersion {
    #[serde(rename = "vigia.dev/v1alpha1")]
    V1Alpha1,
}

/// The kind of the document.
#[derive(Debug, Deserialize)]
enum Kind {
    RuleSet,
}

/// What the file is called.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Metadata {
    pub(super) name: String,
}

/// A rule.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RuleDocument {
    pub(super) id: Located<String>,
    /// The prefilter: kinds of events that it is asked about.
    pub(super) on: Located<Vec<KindName>>,
    /// CEL.
    pub(super) condition: Located<String>,
    pub(super) class: Located<Class>,
    pub(super) severity: Severity,
    pub(super) title: Located<String>,
    /// Of the alert, with placeholders. Left out: made of the title.
    pub(super) summary: Option<Located<String>>,
    /// What it means and why it matters, for `agent explain`.
    pub(super) description: Option<String>,
    /// What to do, for `agent explain`.
    pub(super) response: Option<String>,
    /// ATT&CK technique ids.
    #[serde(default)]
    pub(super) attack: Vec<Located<String>>,
    #[serde(default)]
    pub(super) exceptions: Vec<Located<ExceptionDocument>>,
    #[serde(default)]
    pub(super) tests: Vec<Located<TestDocument>>,
}

/// When the rule does not hold: all keys that are given must match.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ExceptionDocument {
    /// Patterns of repository and tag.
    #[serde(default)]
    pub(super) images: Vec<ImagePattern>,
    /// Kubernetes namespaces.
    #[serde(default)]
    pub(super) namespaces: Vec<String>,
    /// Patterns of the event's path; of the executable, where the event has none.
    #[serde(default)]
    pub(super) paths: Vec<PathPattern>,
    /// CEL, as the rule's own.
    pub(super) condition: Option<Located<String>>,
}

/// An event and what the rule is to say of it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TestDocument {
    pub(super) name: Option<String>,
    pub(super) given: Given,
    pub(super) expect: Expectation,
}

/// An event: what is left out is empty.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Given {
    pub(super) kind: KindName,
    #[serde(default)]
    pub(super) event: Map<String, Value>,
    #[serde(default)]
    pub(super) process: Map<String, Value>,
    #[serde(default)]
    pub(super) container: Map<String, Value>,
}

/// What a rule says of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Expectation {
    Alert,
    Nothing,
}

/// A kind of events by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct KindName(pub(super) EventKind);

impl<'de> Deserialize<'de> for KindName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        let named = EventKind::ALL.iter().find(|(_, known)| *known == name);
        named.map(|(kind, _)| Self(*kind)).ok_or_else(|| {
            let names = || EventKind::ALL.iter().map(|(_, known)| *known);
            let help = match suggest(&name, names()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("there are {}", names().collect::<Vec<_>>().join(", ")),
            };
            de::Error::custom(format!("`{name}` is no kind of events; {help}"))
        })
    }
}
