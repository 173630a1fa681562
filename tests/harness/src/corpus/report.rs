//! What a run of the corpus says.

use super::{Judged, State};
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// All verdicts of a run.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// Where: this machine's kernel, or that of a virtual machine.
    pub kernel: String,
    pub backend: String,
    pub entries: Vec<Judged>,
    /// Lines of the agent that were not read in time.
    pub missed_lines: u64,
}

impl Report {
    /// True when every entry was seen, or is blind as documented.
    #[must_use]
    pub fn is_right(&self) -> bool {
        self.entries.iter().all(|entry| entry.state.is_right())
    }

    /// Counts per class, then what is wrong.
    #[must_use]
    pub fn table(&self) -> String {
        const STATES: [(&str, &[State]); 4] = [
            ("seen", &[State::Seen]),
            ("blind", &[State::Blind]),
            ("wrong", &[State::Missing, State::Misattributed, State::NotBlind]),
            ("failed", &[State::Failed]),
        ];
        let mut classes: BTreeMap<&str, [usize; STATES.len()]> = BTreeMap::new();
        for entry in &self.entries {
            for name in [entry.class.as_str(), "~all"] {
                let counts = classes.entry(name).or_default();
                for (count, (_, states)) in counts.iter_mut().zip(STATES) {
                    *count += usize::from(states.contains(&entry.state));
                }
            }
        }
        let mut text = format!("{} {}\n{:<12}", self.kernel, self.backend, "class");
        STATES.iter().for_each(|(name, _)| text += &format!("{name:>8}"));
        for (class, counts) in classes {
            text += &format!("\n{:<12}", class.trim_start_matches('~'));
            counts.iter().for_each(|count| text += &format!("{count:>8}"));
        }
        for entry in self.entries.iter().filter(|entry| entry.state != State::Seen) {
            text += &format!("\n{}", line(entry));
        }
        if self.missed_lines > 0 {
            text += &format!(
                "\n{} lines of the agent came too fast to be read",
                self.missed_lines
            );
        }
        text
    }
}

/// One entry, on one line; what is wrong with it on further ones.
#[must_use]
pub fn line(entry: &Judged) -> String {
    let mut text = format!(
        "{}  {:<46} {:<9} {:>5.1} s",
        entry.id,
        entry.name,
        entry.state.name(),
        entry.seconds
    );
    for event in &entry.events {
        let fields: Vec<String> = event
            .fields
            .iter()
            .map(|(name, value)| format!("{name}={}", plain(value)))
            .collect();
        let clock = event.time.split_once('T').map_or("", |(_, clock)| clock);
        text += &format!(
            "  {} {} [{} {} {clock}]",
            event.kind,
            fields.join(" "),
            event.backend,
            event.trust
        );
    }
    if let Some(reason) = &entry.reason {
        text += &format!("  {reason}");
    }
    if !entry.state.is_right() {
        for missing in &entry.missing {
            text += &format!("\n         not there: {missing}");
        }
        let instead: Vec<String> = entry
            .instead
            .iter()
            .map(|(kind, count)| format!("{count} {kind}"))
            .collect();
        text += &format!("\n         instead: {}", instead.join(", "));
    }
    text
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(elements) => format!("[{}]", elements.iter().map(plain).collect::<Vec<_>>().join(" ")),
        value => value.to_string(),
    }
}
