//! Whether the alert that came is the one that had to come.

use super::{Attack, Stage};
use crate::agent::{AgentProcess, Line};
use serde_json::Value;
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

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
    let latency = latency_of(&line);
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

fn latency_of(line: &Line) -> Option<Duration> {
    let happened = parse_time(text(&line.value["time"]))?;
    line.received.duration_since(happened).ok()
}

/// RFC 3339 in UTC, as alerts have it.
fn parse_time(text: &str) -> Option<SystemTime> {
    let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
    let mut date = date.splitn(3, '-').map(|part| part.parse::<u64>().ok());
    let (year, month, day) = (date.next()??, date.next()??, date.next()??);
    let (clock, fraction) = time.split_once('.').unwrap_or((time, "0"));
    let mut clock = clock.splitn(3, ':').map(|part| part.parse::<u64>().ok());
    let seconds = clock.next()?? * 3600 + clock.next()?? * 60 + clock.next()??;
    let nanos = format!("{fraction:0<9}").get(..9)?.parse().ok()?;
    let since = Duration::new(days_since_epoch(year, month, day)? * 86_400 + seconds, nanos);
    UNIX_EPOCH.checked_add(since)
}

/// By Howard Hinnant's `days_from_civil`, for years from 1970 on.
fn days_since_epoch(year: u64, month: u64, day: u64) -> Option<u64> {
    let year = if month <= 2 { year.checked_sub(1)? } else { year };
    let (era, of_era) = (year / 400, year % 400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day.checked_sub(1)?;
    (era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year).checked_sub(719_468)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_alerts_are_read() {
        let seconds = |text| parse_time(text).and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        assert_eq!(seconds("1970-01-01T00:00:01Z"), Some(Duration::from_secs(1)));
        assert_eq!(
            seconds("2024-02-29T12:00:00.5Z"),
            Some(Duration::from_millis(1_709_208_000_500))
        );
        assert_eq!(
            seconds("2026-11-23T21:17:17.123456789Z"),
            Some(Duration::new(1_795_468_637, 123_456_789))
        );
        assert_eq!(seconds("yesterday"), None);
    }
}
