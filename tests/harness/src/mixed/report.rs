//! What a run says, and whether it is good.

use super::figures::Figures;
use crate::agent::Line;
use crate::corpus::{Raised, last_revisions};
use serde::Serialize;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Alerts of medium or above that are bearable where nobody has told what is normal.
const ALLOWED_COLD: usize = 3;
/// Alerts of one rule that are shown; there may be hundreds.
const SHOWN: usize = 5;

/// One alert, in its last revision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Alert {
    /// Name of the container, else its id; empty: it is about none.
    pub container: String,
    #[serde(flatten)]
    pub raised: Raised,
}

/// How often an operation was carried out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Done {
    pub name: &'static str,
    pub times: u64,
    /// Turns whose time had passed while others were carried out.
    pub left_out: u64,
}

/// A mixed run.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    pub kernel: String,
    /// Beside profiles that were learned.
    pub is_learned: bool,
    pub seconds: f64,
    pub operations: Vec<Done>,
    /// Rounds of requests that were answered, by client.
    pub load: Vec<(&'static str, usize)>,
    pub alerts: Vec<Alert>,
    pub agent: Figures,
    /// What went wrong: the run is then worth nothing.
    pub faults: Vec<String>,
}

impl Report {
    /// Alerts for which somebody is called.
    pub fn disturbances(&self) -> impl Iterator<Item = &Alert> {
        self.alerts.iter().filter(|alert| alert.raised.disturbs())
    }

    /// How many there may be.
    #[must_use]
    pub fn allowed(&self) -> usize {
        if self.is_learned { 0 } else { ALLOWED_COLD }
    }

    /// True when all work was done and no more alerts came than may.
    #[must_use]
    pub fn is_right(&self) -> bool {
        self.faults.is_empty() && self.disturbances().count() <= self.allowed()
    }

    /// For people: work, alerts, the agent's figures, and the verdict last.
    #[must_use]
    pub fn text(&self) -> String {
        let profiles = if self.is_learned {
            "learned profiles"
        } else {
            "no profile"
        };
        let minutes = self.seconds / 60.0;
        let mut text = format!("mixed run, {}, {minutes:.1} min, {profiles}\n", self.kernel);
        text += &self.work();
        text += &self.said();
        text += &self.agent.text();
        self.faults
            .iter()
            .for_each(|fault| text += &format!("\nFAULT: {fault}"));
        text + &self.verdict()
    }

    fn work(&self) -> String {
        let mut text = format!("\n{:<34}{:>8}{:>10}", "operation", "done", "left out");
        for Done {
            name,
            times,
            left_out,
        } in &self.operations
        {
            text += &format!("\n{name:<34}{times:>8}{left_out:>10}");
        }
        text += &format!("\n\n{:<34}{:>8}", "load", "rounds");
        for (client, rounds) in &self.load {
            text += &format!("\n{client:<34}{rounds:>8}");
        }
        text + "\n"
    }

    /// The worst first.
    fn said(&self) -> String {
        let mut groups: BTreeMap<(usize, &str), Vec<&Alert>> = BTreeMap::new();
        for alert in &self.alerts {
            let group = (alert.raised.rank(), alert.raised.rule.as_str());
            groups.entry(group).or_default().push(alert);
        }
        let mut text = format!("\nalerts: {}", self.alerts.len());
        for ((_, rule), alerts) in groups.into_iter().rev() {
            let severity = alerts.first().map_or("", |alert| alert.raised.severity.as_str());
            text += &format!("\n{:>5} × {severity} {rule}", alerts.len());
            for Alert { container, raised } in alerts.iter().take(SHOWN) {
                text += &format!("\n        {container}: {}", raised.summary);
            }
            let more = alerts.len().saturating_sub(SHOWN);
            if more > 0 {
                text += &format!("\n        and {more} more");
            }
        }
        text + "\n"
    }

    fn verdict(&self) -> String {
        let word = if self.is_right() { "OK" } else { "FAILED" };
        format!(
            "\n{word}: {} alerts of medium or above, {} allowed; {} faults",
            self.disturbances().count(),
            self.allowed(),
            self.faults.len()
        )
    }
}

/// Alerts about containers of these ids, and about no container: what the sensor says of itself calls somebody too.
pub(super) fn alerts_of(lines: &[Line], ids: &BTreeSet<String>) -> Vec<Alert> {
    let alerts = lines.iter().map(|line| &line.value);
    let ours = alerts.filter(|value| {
        let id = value["container"]["id"].as_str();
        value["schema"] == "vigia.alert/v1" && id.is_none_or(|id| ids.contains(id))
    });
    last_revisions(ours).into_iter().map(alert).collect()
}

fn alert(line: &Value) -> Alert {
    let container = &line["container"];
    let name = container["name"].as_str().or_else(|| container["id"].as_str());
    Alert {
        container: name.unwrap_or_default().to_owned(),
        raised: Raised::of(line),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::time::SystemTime;

    fn line(id: &str, container: &str, severity: &str) -> Line {
        let value = json!({"schema": "vigia.alert/v1", "id": id, "severity": severity, "rule": "drift.some",
            "summary": "a sentence", "container": {"id": container, "name": format!("name of {container}")}});
        Line {
            value,
            received: SystemTime::UNIX_EPOCH,
        }
    }

    fn ours(lines: &[Line]) -> Vec<Alert> {
        alerts_of(lines, &BTreeSet::from(["c1".to_owned()]))
    }

    fn report(is_learned: bool, severities: &[&str]) -> Report {
        let numbered = severities.iter().enumerate();
        let lines: Vec<Line> = numbered
            .map(|(number, severity)| line(&number.to_string(), "c1", severity))
            .collect();
        Report {
            kernel: "6.1".to_owned(),
            is_learned,
            seconds: 180.0,
            operations: vec![Done {
                name: "nginx reload",
                times: 7,
                left_out: 1,
            }],
            load: vec![("web-client", 12)],
            alerts: ours(&lines),
            agent: Figures::default(),
            faults: Vec::new(),
        }
    }

    #[test]
    fn three_may_be_told_of_what_nobody_knows() {
        assert!(report(false, &["medium", "high", "critical"]).is_right());
        assert!(!report(false, &["medium"; 4]).is_right());
        assert!(report(false, &["low"; 40]).is_right(), "nobody is called");
    }

    #[test]
    fn nothing_may_be_told_of_what_was_learned() {
        assert!(report(true, &["low", "info"]).is_right());
        assert!(!report(true, &["medium"]).is_right());
    }

    #[test]
    fn silence_about_work_that_was_not_done_is_no_success() {
        let mut report = report(true, &[]);
        assert!(report.is_right());
        report.faults.push("nginx reload: refused".to_owned());
        assert!(!report.is_right());
        assert!(report.text().contains("FAULT: nginx reload: refused"));
    }

    #[test]
    fn containers_of_other_labs_do_not_count_but_the_sensor_does() {
        let mut sensor = line("2", "c1", "high");
        sensor.value["container"] = Value::Null;
        let alerts = ours(&[line("1", "c2", "high"), sensor, line("3", "c1", "low")]);
        let containers: Vec<&str> = alerts.iter().map(|alert| alert.container.as_str()).collect();
        assert_eq!(containers, ["", "name of c1"]);
    }

    #[test]
    fn the_last_revision_decides() {
        let alerts = ours(&[line("1", "c1", "low"), line("1", "c1", "high")]);
        assert_eq!(alerts.len(), 1);
        assert!(alerts[0].raised.disturbs());
    }

    #[test]
    fn the_text_has_the_worst_first_and_the_verdict_last() {
        let text = report(false, &["low", "high", "low"]).text();
        let at = |what: &str| text.find(what).unwrap_or_else(|| panic!("no '{what}' in {text}"));
        assert!(at("1 × high drift.some") < at("2 × low drift.some"));
        assert!(at("nginx reload") < at("alerts: 3") && at("alerts: 3") < at("OK: 1 alerts"));
        let many = report(false, &["low"; 9]).text();
        assert_eq!(many.matches("a sentence").count(), SHOWN);
        assert!(many.contains("and 4 more"), "{many}");
    }
}
