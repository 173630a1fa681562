//! Whether an entry was caught: by an alert of its container that names class, severity, image and program.

use super::{Entry, run::Outcome};
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// Alerts for one behaviour, at most.
const MAX_ALERTS: usize = 3;
/// From the least to the worst.
const SEVERITIES: [&str; 5] = ["info", "low", "medium", "high", "critical"];

/// One alert, in its last revision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Raised {
    pub rule: String,
    pub class: String,
    pub severity: String,
    pub summary: String,
    pub also: Vec<String>,
    /// Executable of the process.
    pub exe: String,
    /// Reference of the image; empty when nobody knew it.
    pub image: String,
}

/// What is said of an entry by alerts.
#[derive(Debug, Clone, Serialize)]
pub struct Detection {
    pub id: String,
    pub name: String,
    pub class: String,
    pub severity: String,
    pub is_caught: bool,
    /// What is wrong with it, be it caught or not.
    pub faults: Vec<String>,
    pub alerts: Vec<Raised>,
    /// Why it is doubtful that the behaviour happened at all.
    pub failure: Option<String>,
    pub seconds: f32,
}

impl Detection {
    pub(super) fn of(entry: &Entry, outcome: &Outcome, lines: &[Value], seconds: f32) -> Self {
        let alerts = alerts_of(lines, outcome.container.as_deref());
        let catching = alerts
            .iter()
            .find(|alert| alert.class == entry.class && rank(&alert.severity) >= rank(&entry.severity));
        let mut faults = Vec::new();
        match catching {
            Some(alert) => faults.extend(misattributed(alert, outcome)),
            None => faults.push(missed(entry, &alerts)),
        }
        if alerts.len() > MAX_ALERTS {
            faults.push(format!("{} alerts", alerts.len()));
        }
        Self {
            id: entry.id.clone(),
            name: entry.name.clone(),
            class: entry.class.clone(),
            severity: entry.severity.clone(),
            is_caught: catching.is_some(),
            faults,
            failure: outcome.failure.clone(),
            seconds,
            alerts,
        }
    }

    /// Alerts that a benign scenario must not raise.
    pub fn disturbances(&self) -> impl Iterator<Item = &Raised> {
        self.alerts.iter().filter(|alert| alert.disturbs())
    }

    /// A benign scenario on one line, what disturbs on further ones.
    #[must_use]
    pub fn quiet_line(&self) -> String {
        let state = if self.disturbances().next().is_none() {
            "quiet"
        } else {
            "LOUD "
        };
        let mut text = format!("{}  {state}  {}", self.id, self.name);
        if let Some(failure) = &self.failure {
            text += &format!("  ({failure})");
        }
        self.disturbances().for_each(|alert| text += &alert.line());
        text
    }

    /// The entry on one line, its alerts on further ones where something is wrong.
    #[must_use]
    pub fn line(&self) -> String {
        let state = if self.is_caught { "caught" } else { "MISSED" };
        let mut text = format!(
            "{}  {:<46} {state}  {} {}",
            self.id, self.name, self.class, self.severity
        );
        if !self.faults.is_empty() {
            text += &format!("  {}", self.faults.join(", "));
        }
        if let Some(failure) = self.failure.as_ref().filter(|_| !self.is_caught) {
            text += &format!("  ({failure})");
        }
        let shown = if self.faults.is_empty() { 1 } else { 8 };
        self.alerts
            .iter()
            .take(shown)
            .for_each(|alert| text += &alert.line());
        text
    }
}

impl Raised {
    pub(crate) fn of(line: &Value) -> Self {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let also = line["also"].as_array().into_iter().flatten();
        Self {
            rule: text(&line["rule"]),
            class: text(&line["class"]),
            severity: text(&line["severity"]),
            summary: text(&line["summary"]),
            also: also.map(text).collect(),
            exe: text(&line["process"]["exe"]),
            image: text(&line["container"]["image"]["ref"]),
        }
    }

    /// Medium or above: somebody is called for it.
    pub(crate) fn disturbs(&self) -> bool {
        self.rank() >= rank("medium")
    }

    /// Of its severity, the least first.
    pub(crate) fn rank(&self) -> usize {
        rank(&self.severity)
    }

    fn line(&self) -> String {
        format!(
            "\n         {} {} {}: {}",
            self.severity, self.rule, self.exe, self.summary
        )
    }
}

fn rank(severity: &str) -> usize {
    SEVERITIES.iter().position(|name| *name == severity).unwrap_or(0)
}

fn missed(entry: &Entry, alerts: &[Raised]) -> String {
    let of_class = alerts.iter().filter(|alert| alert.class == entry.class);
    match of_class
        .map(|alert| &alert.severity)
        .max_by_key(|severity| rank(severity))
    {
        Some(severity) => format!("only {severity}"),
        None => format!("no alert of its class among {}", alerts.len()),
    }
}

/// On the host there is no container to be named.
fn misattributed(alert: &Raised, outcome: &Outcome) -> Option<String> {
    outcome.container.as_ref()?;
    match (alert.image.is_empty(), alert.exe.is_empty()) {
        (true, _) => Some("without image".to_owned()),
        (_, true) => Some("without executable".to_owned()),
        _ => None,
    }
}

/// Alerts of the container, the first raised first; what the sensor says of itself is no detection.
fn alerts_of(lines: &[Value], container: Option<&str>) -> Vec<Raised> {
    let own = lines.iter().filter(|line| {
        line["schema"] == "vigia.alert/v1"
            && line["class"] != "sensor"
            && line["container"]["id"].as_str() == container
    });
    last_revisions(own).into_iter().map(Raised::of).collect()
}

/// Each alert as it was said last, the first raised first.
pub(crate) fn last_revisions<'a>(alerts: impl Iterator<Item = &'a Value>) -> Vec<&'a Value> {
    let mut last: Vec<&Value> = Vec::new();
    for alert in alerts {
        match last.iter_mut().find(|known| known["id"] == alert["id"]) {
            Some(known) => *known = alert,
            None => last.push(alert),
        }
    }
    last
}

/// Recall by class, and what is wrong with those that were caught.
#[must_use]
pub fn recall(entries: &[Detection]) -> String {
    let mut classes: BTreeMap<&str, (usize, usize, usize)> = BTreeMap::new();
    for entry in entries {
        for name in [entry.class.as_str(), "~all"] {
            let (all, caught, faulty) = classes.entry(name).or_default();
            *all += 1;
            *caught += usize::from(entry.is_caught);
            *faulty += usize::from(entry.is_caught && !entry.faults.is_empty());
        }
    }
    let mut text = format!("{:<12}{:>8}{:>8}{:>8}", "class", "entries", "caught", "faulty");
    for (class, (all, caught, faulty)) in classes {
        text += &format!(
            "\n{:<12}{all:>8}{caught:>8}{faulty:>8}",
            class.trim_start_matches('~')
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::corpus::Corpus;
    use serde_json::json;

    fn detection(alerts: &[Value]) -> Detection {
        let corpus = Corpus::read(&Corpus::file()).unwrap();
        let outcome = Outcome {
            container: Some("c1".to_owned()),
            failure: None,
        };
        Detection::of(&corpus.entries[0], &outcome, alerts, 1.0)
    }

    fn alert(id: &str, class: &str, severity: &str) -> Value {
        json!({"schema": "vigia.alert/v1", "id": id, "class": class, "severity": severity,
            "container": {"id": "c1", "image": {"ref": "corpus/attack"}}, "process": {"exe": "/bin/sh"}})
    }

    #[test]
    fn class_and_severity_decide() {
        assert!(detection(&[alert("1", "escape", "critical")]).is_caught);
        assert!(!detection(&[alert("1", "escape", "high")]).is_caught, "only high");
        assert!(
            !detection(&[alert("1", "drift", "critical")]).is_caught,
            "another class"
        );
        assert!(!detection(&[]).is_caught);
    }

    #[test]
    fn alerts_from_medium_on_disturb() {
        assert_eq!(detection(&[alert("1", "drift", "low")]).disturbances().count(), 0);
        assert_eq!(
            detection(&[alert("1", "drift", "medium")]).disturbances().count(),
            1
        );
    }

    #[test]
    fn what_another_container_did_does_not_count() {
        let mut other = alert("1", "escape", "critical");
        other["container"]["id"] = "c2".into();
        assert!(!detection(&[other]).is_caught);
    }

    #[test]
    fn revisions_are_one_alert_and_more_than_three_are_too_many() {
        let same = [alert("1", "escape", "critical"), alert("1", "escape", "critical")];
        assert_eq!(detection(&same).alerts.len(), 1);
        let many: Vec<_> = ["1", "2", "3", "4"]
            .map(|id| alert(id, "escape", "critical"))
            .to_vec();
        assert_eq!(detection(&many).faults, ["4 alerts"]);
    }

    #[test]
    fn an_alert_without_image_or_program_is_faulty() {
        let mut nameless = alert("1", "escape", "critical");
        nameless["container"]["image"]["ref"] = Value::Null;
        assert_eq!(detection(&[nameless]).faults, ["without image"]);
    }
}
