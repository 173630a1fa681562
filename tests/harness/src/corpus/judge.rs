//! Whether an entry was seen: in the lines of its own container and nowhere else.

use super::expected::{Expectation, Wanted};
use super::matcher::Matcher;
use super::{Entry, run::Outcome};
use serde::Serialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::time::Duration;

/// What came of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Every event that was asked for, of the container that was started.
    Seen,
    /// Not seen, as was said before.
    Blind,
    /// An event is missing.
    Missing,
    /// The event came, without its container.
    Misattributed,
    /// Seen, although it was said that it cannot be.
    NotBlind,
    /// The entry itself could not be carried out.
    Failed,
}

impl State {
    #[must_use]
    pub fn is_right(self) -> bool {
        matches!(self, Self::Seen | Self::Blind)
    }

    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Seen => "seen",
            Self::Blind => "blind",
            Self::Missing => "MISSING",
            Self::Misattributed => "MISATTRIBUTED",
            Self::NotBlind => "NOT BLIND",
            Self::Failed => "FAILED",
        }
    }
}

/// An entry that was carried out, and everything that was published meanwhile.
#[derive(Debug)]
pub(super) struct Case<'a> {
    pub(super) entry: &'a Entry,
    pub(super) expectation: &'a Expectation,
    /// Of the sensor: `lsm`, `fentry`, `tracepoint`.
    pub(super) backend: &'a str,
    pub(super) outcome: &'a Outcome,
    /// Lines of `vigia.event/v1`, of any container.
    pub(super) lines: &'a [Value],
    pub(super) took: Duration,
}

/// The event by which something was seen.
#[derive(Debug, Clone, Serialize)]
pub struct Shown {
    pub kind: String,
    /// What was asked for, with what it was.
    pub fields: Map<String, Value>,
    pub backend: String,
    pub trust: String,
    pub time: String,
}

/// The verdict on an entry.
#[derive(Debug, Clone, Serialize)]
pub struct Judged {
    pub id: String,
    pub name: String,
    pub class: String,
    pub state: State,
    pub container: Option<String>,
    pub seconds: f32,
    pub events: Vec<Shown>,
    /// Events that did not come.
    pub missing: Vec<String>,
    /// Why it is not to be seen, or could not be carried out.
    pub reason: Option<String>,
    /// What came instead: events of the container by kind. Empty when it was seen.
    pub instead: BTreeMap<String, usize>,
    /// Everything that was published of its container.
    #[serde(skip)]
    pub lines: Vec<Value>,
}

/// The lines of a container.
pub(super) fn of_container<'a>(
    lines: &'a [Value],
    id: Option<&'a str>,
) -> impl Iterator<Item = &'a Value> + Clone {
    lines
        .iter()
        .filter(move |line| line["schema"] == "vigia.event/v1" && line["container"]["id"].as_str() == id)
}

/// True when nothing more has to be waited for.
pub(super) fn is_complete(expectation: &Expectation, lines: &[Value], id: Option<&str>) -> bool {
    let mut events = expectation.events.iter();
    !expectation.events.is_empty() && events.all(|wanted| wanted.find(of_container(lines, id)).is_some())
}

/// The verdict.
pub(super) fn judge(case: &Case<'_>) -> Judged {
    let id = case.outcome.container.as_deref();
    let own = of_container(case.lines, id);
    let (mut events, mut missing) = (Vec::new(), Vec::new());
    for wanted in &case.expectation.events {
        match wanted.find(own.clone()) {
            Some((matcher, line)) => events.push(shown(matcher, line)),
            None => missing.push(wanted),
        }
    }
    let state = state(case, &missing);
    let mut instead = BTreeMap::new();
    if !state.is_right() {
        for line in own.clone() {
            let kind = line["kind"].as_str().unwrap_or_default().to_owned();
            *instead.entry(kind).or_default() += 1;
        }
    }
    Judged {
        id: case.entry.id.clone(),
        name: case.entry.name.clone(),
        class: case.entry.class.clone(),
        state,
        container: case.outcome.container.clone(),
        seconds: case.took.as_secs_f32(),
        events,
        missing: missing.iter().map(ToString::to_string).collect(),
        reason: reason(case, state),
        instead,
        lines: own.cloned().collect(),
    }
}

fn state(case: &Case<'_>, missing: &[&Wanted]) -> State {
    let is_blind = case.expectation.blind(case.backend).is_some();
    let has_events = !case.expectation.events.is_empty();
    if missing.is_empty() && has_events {
        return if is_blind { State::NotBlind } else { State::Seen };
    }
    let unattributed = of_container(case.lines, None);
    if case.outcome.failure.is_some() {
        State::Failed
    } else if is_blind {
        State::Blind
    } else if case.outcome.container.is_some()
        && has_events
        && missing
            .iter()
            .all(|wanted| wanted.find(unattributed.clone()).is_some())
    {
        State::Misattributed
    } else {
        State::Missing
    }
}

fn reason(case: &Case<'_>, state: State) -> Option<String> {
    match state {
        State::Seen => None,
        State::Blind | State::NotBlind => case.expectation.blind(case.backend).map(str::to_owned),
        State::Missing if case.expectation.events.is_empty() => {
            Some("nobody has said what is to be seen".to_owned())
        }
        State::Missing | State::Misattributed | State::Failed => {
            case.outcome.failure.clone().or_else(|| own_trouble(case.lines))
        }
    }
}

/// What the sensor said of itself meanwhile: that it lost events, or had no slot for a container.
fn own_trouble(lines: &[Value]) -> Option<String> {
    let mut alerts = lines.iter().filter(|line| line["class"] == "sensor");
    let said = alerts.find_map(|line| line["summary"].as_str())?;
    Some(format!("the sensor said: {said}"))
}

fn shown(matcher: &Matcher, line: &Value) -> Shown {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let evidence = &line["evidence"];
    Shown {
        kind: text(&line["kind"]),
        fields: matcher.decisive(line).into_iter().collect(),
        backend: text(&evidence["backend"]),
        trust: text(&evidence["trust"]),
        time: text(&line["time"]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::corpus::Corpus;
    use serde_json::json;

    const ID: &str = "c1";

    fn state_of(expectation: &str, lines: &[Value], failure: Option<&str>) -> State {
        let corpus = Corpus::read(&Corpus::file()).unwrap();
        let expectation = serde_saphyr::from_str(expectation).unwrap();
        let outcome = Outcome {
            container: Some(ID.to_owned()),
            failure: failure.map(str::to_owned),
        };
        let case = Case {
            entry: &corpus.entries[0],
            expectation: &expectation,
            backend: "tracepoint",
            outcome: &outcome,
            lines,
            took: Duration::ZERO,
        };
        judge(&case).state
    }

    fn event(container: &Value, kind: &str) -> Value {
        json!({"schema": "vigia.event/v1", "kind": kind, "container": container, "evidence": {"kind": kind}})
    }

    #[test]
    fn only_events_of_the_container_count() {
        let own = event(&json!({"id": ID}), "mmap");
        let (other, host) = (event(&json!({"id": "c2"}), "mmap"), event(&Value::Null, "mmap"));
        let wanted = "events: [{kind: mmap}]";
        assert_eq!(state_of(wanted, &[own], None), State::Seen);
        assert_eq!(state_of(wanted, &[other], None), State::Missing);
        assert_eq!(state_of(wanted, &[host], None), State::Misattributed);
        assert_eq!(state_of(wanted, &[], Some("exit 1")), State::Failed);
    }

    #[test]
    fn every_event_is_needed_and_one_of_several_is_enough() {
        let own = [event(&json!({"id": ID}), "mmap")];
        assert_eq!(
            state_of("events: [{kind: mmap}, {kind: exec}]", &own, None),
            State::Missing
        );
        assert_eq!(
            state_of("events: [{any: [{kind: exec}, {kind: mmap}]}]", &own, None),
            State::Seen
        );
    }

    #[test]
    fn what_was_said_to_be_blind_must_be() {
        let own = [event(&json!({"id": ID}), "mmap")];
        let wanted = "{events: [{kind: mmap}], blind: {tracepoint: no hook}}";
        assert_eq!(state_of(wanted, &[], None), State::Blind);
        assert_eq!(state_of(wanted, &own, None), State::NotBlind);
    }
}
