use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a rule guards against.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    Escape,
    Listener,
    Lateral,
    /// Executing or writing code that is not in the image.
    Drift,
    Credential,
    Tampering,
    Posture,
    /// The agent's own blind spots.
    Sensor,
}

impl Class {
    /// The word in alerts, metrics and configuration.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Escape => "escape",
            Self::Listener => "listener",
            Self::Lateral => "lateral",
            Self::Drift => "drift",
            Self::Credential => "credential",
            Self::Tampering => "tampering",
            Self::Posture => "posture",
            Self::Sensor => "sensor",
        }
    }
}

/// How bad it is, in rising order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    Info,
    Low,
    Medium,
    High,
    Critical,
}

impl Severity {
    /// The word in alerts, metrics and configuration.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

/// A rule with its documentation: what `agent explain` shows and `docs/rules.md` is made from.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Rule {
    /// `class.snake_case`, stable.
    pub id: &'static str,
    pub class: Class,
    pub severity: Severity,
    /// ATT&CK technique ids.
    pub attack: &'static [&'static str],
    pub title: &'static str,
    pub meaning: &'static str,
    pub why: &'static str,
    /// Benign behaviour that looks alike, and how the rule tells it apart.
    pub look_alikes: &'static str,
    pub response: &'static str,
}
