//! Whether the alert that came is the one that had to come.

use super::{Attack, Stage};
use crate::agent::AgentProcess;
use serde_json::Value;
use std::thread;
use std::time::Duration;

/// The promise is a second; a loaded machine may be late, and lateness is then the complaint.
const ALERT_WITHIN: Duration = Duration::from_secs(5);
const PROMISED: Duration = Duration::from_secs(1);
/// In which a second alert for the same deed would show.
const SETTLE: Duration = Duration::from_millis(1500);

/// The judgement on one attack.
#[derive(Debug, Clone)]
pub struct Verdict {
    /// The alert with the expected rule.
    pub alert: Option<Value>,
    /// From the event to the line on the agent's standard output.
    pub latency: Option<Duration>,
    /// What is wrong; nothing, when all is right.
    pub complaints: Vec<String>,
}

/// Looks at what the agent printed since `mark`.
#[must_use]
pub fn judge(attack: &Attack, stage: &Stage<'_>, agent: &AgentProcess, mark: usize) -> Verdict {
    let is_expected = |value: &Value| {
        stage.is_alert(value)
            && value["container"]["name"] == attack.container
            && value["rule"] == attack.rule
    };
    let found = agent.wait_for(mark, ALERT_WITHIN, is_expected).ok();
    thread::sleep(SETTLE);
    let alerts = stage.alerts(agent, mark);
    let others = alerts
        .iter()
        .filter(|alert| found.as_ref().is_none_or(|line| line.value["id"] != alert["id"]));
    let mut complaints: Vec<String> = others
        .map(|alert| format!("also came: {}", headline(alert)))
        .collect();
    let Some(line) = found else {
        complaints.insert(0, format!("no alert {} for {}", attack.rule, attack.container));
        return Verdict {
            alert: None,
            latency: None,
            complaints,
        };
    };
    let latency = line.latency();
    complaints.extend(mistakes(attack, &line.value));
    if latency.is_none_or(|latency| latency > PROMISED) {
        complaints.push(format!("it took {latency:?}"));
    }
    Verdict {
        alert: Some(line.value),
        latency,
        complaints,
    }
}

fn mistakes(attack: &Attack, alert: &Value) -> Vec<String> {
    let exe = text(&alert["process"]["exe"]);
    let checks = [
        ("image", text(&alert["container"]["image"]["ref"]), attack.image),
        (
            "executable",
            exe.rsplit('/').next().unwrap_or_default(),
            attack.exe,
        ),
        ("metadata", text(&alert["metadata"]), "resolved"),
    ];
    let wrong = checks.iter().filter(|(_, is, must)| is != must);
    let mut mistakes: Vec<String> = wrong
        .map(|(what, is, must)| format!("{what} is '{is}', not '{must}'"))
        .collect();
    let severity = text(&alert["severity"]);
    if rank(severity) < rank(attack.severity) {
        mistakes.push(format!("severity is '{severity}', below '{}'", attack.severity));
    }
    if !reaches_runtime(alert) {
        mistakes.push("the ancestry does not reach the container's runtime".to_owned());
    }
    mistakes
}

fn rank(severity: &str) -> Option<usize> {
    ["info", "low", "medium", "high", "critical"]
        .iter()
        .position(|name| *name == severity)
}

/// Every container's process descends from its shim, `docker exec` too.
fn reaches_runtime(alert: &Value) -> bool {
    let ancestors = alert["process"]["ancestors"].as_array();
    let mut names = ancestors
        .into_iter()
        .flatten()
        .map(|ancestor| text(&ancestor["exe"]));
    names.any(|exe| exe.contains("containerd-shim"))
}

/// Rule, severity, container and sentence.
#[must_use]
pub fn headline(alert: &Value) -> String {
    let [rule, severity, name] = [&alert["rule"], &alert["severity"], &alert["container"]["name"]].map(text);
    format!("{rule} ({severity}) {name}: {}", text(&alert["summary"]))
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or("-")
}
