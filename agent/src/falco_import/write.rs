//! Rules of users, as YAML.

use super::report::Note;
use crate::detect::{Class, Severity};
use std::fmt::Write;

const HEAD: &str = "apiVersion: vigia.dev/v1alpha1\nkind: RuleSet\nmetadata: { name: falco }\nrules:";

/// A rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Block {
    pub(super) id: String,
    /// Names of kinds of events.
    pub(super) on: Vec<&'static str>,
    /// All must hold. Nothing: always.
    pub(super) condition: Vec<String>,
    /// None may hold.
    pub(super) exceptions: Vec<String>,
    pub(super) class: Class,
    pub(super) severity: Severity,
    pub(super) title: String,
    pub(super) summary: Option<String>,
    pub(super) description: String,
    pub(super) attack: Vec<String>,
    pub(super) notes: Vec<Note>,
}

/// A file of rules.
pub(super) fn file(blocks: &[Block]) -> String {
    let mut text = HEAD.to_owned();
    if blocks.is_empty() {
        text.push_str(" []");
    }
    text.push('\n');
    for block in blocks {
        block.write(&mut text);
    }
    text
}

impl Block {
    fn write(&self, text: &mut String) {
        for note in &self.notes {
            line(text, &format!("  # {}", one_line(&note.to_string())));
        }
        line(text, &format!("  - id: {}", self.id));
        line(text, &format!("    on: [{}]", self.on.join(", ")));
        line(text, "    condition: |-");
        let condition = match &self.condition[..] {
            [] => "true".to_owned(),
            parts => parts.join("\n      && "),
        };
        line(text, &format!("      {condition}"));
        line(text, &format!("    class: {}", self.class.name()));
        line(text, &format!("    severity: {}", self.severity.name()));
        line(text, &format!("    title: {}", scalar(&self.title)));
        if let Some(summary) = &self.summary {
            line(text, &format!("    summary: {}", scalar(summary)));
        }
        line(text, &format!("    description: {}", scalar(&self.description)));
        if !self.attack.is_empty() {
            line(text, &format!("    attack: [{}]", self.attack.join(", ")));
        }
        if !self.exceptions.is_empty() {
            line(text, "    exceptions:");
        }
        for exception in &self.exceptions {
            line(text, &format!("      - condition: |-\n          {exception}"));
        }
    }
}

fn line(text: &mut String, line: &str) {
    // Writing to a String cannot fail.
    let _written = writeln!(text, "{line}");
}

/// Text in double quotes: as in JSON, which YAML contains.
fn scalar(text: &str) -> String {
    serde_json::Value::from(one_line(text)).to_string()
}

fn one_line(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}
