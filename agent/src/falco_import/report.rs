//! What became of each rule.

use serde::Serialize;
use std::fmt;
use std::path::PathBuf;

/// What became of a rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Its name in Falco.
    pub rule: String,
    pub file: PathBuf,
    pub line: u64,
    pub verdict: Verdict,
    /// Ids of the rules that it became: one for each kind of events that it says something else of.
    pub ids: Vec<String>,
    /// What differs.
    pub notes: Vec<Note>,
    /// Why it was not translated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// How far a rule was translated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It asks the same.
    Translated,
    /// With what its notes say.
    Partly,
    Not,
}

/// A difference.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Note {
    pub shift: Shift,
    pub text: String,
}

/// What a difference does to what the rule tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Shift {
    /// It tells less.
    Narrower,
    /// It tells more.
    Broader,
    /// It tells something near to it.
    Other,
}

impl Verdict {
    /// The word in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Translated => "translated",
            Self::Partly => "partly",
            Self::Not => "not",
        }
    }
}

impl Shift {
    /// The word in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Narrower => "narrower",
            Self::Broader => "broader",
            Self::Other => "other",
        }
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.shift.name(), self.text)
    }
}

impl fmt::Display for Report {
    /// `rules.yaml:12: partly: Name → user.name`, and a line for each difference.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = self.file.display();
        let name = self.rule.escape_debug();
        write!(f, "{place}:{}: {}: {name}", self.line, self.verdict.name())?;
        if !self.ids.is_empty() {
            write!(f, " → {}", self.ids.join(", "))?;
        }
        for note in &self.notes {
            write!(f, "\n  {note}")?;
        }
        match &self.reason {
            Some(reason) => write!(f, "\n  {reason}"),
            None => Ok(()),
        }
    }
}
