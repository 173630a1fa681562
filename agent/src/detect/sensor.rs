//! Findings about the agent itself. The engine raises them: no event is behind most of them.

use super::Finding;
use super::rules::sensor;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What the engine noticed about the sensor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum SensorFinding {
    /// Records of one container were lost, within the same second. `reasons`: how many of them by reason.
    EventsLost {
        container: String,
        lost: u64,
        #[serde(default)]
        reasons: BTreeMap<String, u64>,
    },
    /// Somebody else detached a program or changed a map. `part`: `link` or `map`; `obstacle`: why it could not be put
    /// right.
    Tampered {
        part: String,
        name: String,
        container: Option<String>,
        obstacle: Option<String>,
    },
    /// The kernel programs do not answer. `backends`: those that do not.
    Blind { backends: Vec<String> },
    /// The kernel skipped runs of a program.
    EventsSkipped { program: String, skipped: u64 },
    /// An equation of the books does not hold.
    BooksUnbalanced {
        equation: String,
        container: Option<String>,
        figures: String,
    },
    /// A capability has no program, or a worse one than it should.
    CapabilityDegraded { capability: String, reason: String },
    /// Containers were seen for which no slot was free.
    SlotsExhausted { containers: u64 },
    /// Bytes that are no record.
    RecordsUndecodable { records: u64, reason: String },
    /// Alerts that found no window to be folded in.
    WindowsExhausted { alerts: u64 },
    /// Alerts that the spool dropped undelivered, since the agent started.
    AlertsDropped { alerts: u64 },
    /// The spool's disk refuses: alerts are in memory only.
    SpoolDegraded,
    /// Somebody tests a sink.
    SinkTest { sink: String },
}

impl SensorFinding {
    /// Id of the container that it is about.
    #[must_use]
    pub fn container(&self) -> Option<&str> {
        match self {
            Self::EventsLost { container, .. } => Some(container),
            Self::Tampered { container, .. } | Self::BooksUnbalanced { container, .. } => {
                container.as_deref()
            }
            _ => None,
        }
    }

    /// The finding, for [`crate::alert::AlertBuilder::raise_sensor`].
    #[must_use]
    pub fn into_finding(self) -> Finding {
        match self {
            Self::EventsLost {
                container,
                lost,
                reasons,
            } => events_lost(container, lost, &reasons),
            Self::Tampered {
                part, name, obstacle, ..
            } => tampered(&part, &name, obstacle),
            Self::Blind { backends } => {
                let programs = backends.join(", ");
                let summary = format!("Kernel programs do not answer ({programs}): the agent may be blind");
                Finding::new(&sensor::BLIND, "heartbeat", summary).with("backends", backends)
            }
            Self::EventsSkipped { program, skipped } => {
                let summary = format!(
                    "The kernel skipped {skipped} runs of the program {program}: what it would have seen is not known"
                );
                Finding::new(&sensor::EVENTS_SKIPPED, program.as_str(), summary)
                    .with("program", program)
                    .with("skipped", skipped)
            }
            Self::BooksUnbalanced {
                equation, figures, ..
            } => {
                let summary = format!("Events disappeared without being counted: {figures}");
                Finding::new(&sensor::BOOKS_UNBALANCED, equation.as_str(), summary)
                    .with("equation", equation)
                    .with("figures", figures)
            }
            Self::CapabilityDegraded { capability, reason } => {
                let summary = format!("The sensor's capability {capability} is degraded: {reason}");
                Finding::new(&sensor::CAPABILITY_DEGRADED, capability.as_str(), summary)
                    .with("capability", capability)
                    .with("reason", reason)
            }
            Self::SlotsExhausted { containers } => {
                let summary = format!(
                    "{containers} containers have no slot of their own: what they do is seen, but not whose it is"
                );
                Finding::new(&sensor::SLOTS_EXHAUSTED, "slots", summary).with("containers", containers)
            }
            Self::RecordsUndecodable { records, reason } => {
                let summary = format!("{records} records of the sensor could not be read: {reason}");
                Finding::new(&sensor::RECORDS_UNDECODABLE, reason.as_str(), summary)
                    .with("records", records)
                    .with("reason", reason)
            }
            Self::WindowsExhausted { alerts } => {
                let summary = format!("{alerts} alerts found no window: their repeats are not folded");
                Finding::new(&sensor::WINDOWS_EXHAUSTED, "windows", summary).with("alerts", alerts)
            }
            Self::AlertsDropped { alerts } => {
                let summary = format!("{alerts} alerts were dropped undelivered: the spool is full");
                Finding::new(&sensor::ALERTS_DROPPED, "dropped", summary).with("alerts", alerts)
            }
            Self::SpoolDegraded => {
                let summary = "The spool's disk refuses: alerts are kept in memory only";
                Finding::new(&sensor::ALERTS_DROPPED, "disk", summary).with("degraded", true)
            }
            Self::SinkTest { sink } => {
                let summary = format!("This is a test of the sink {sink}; nothing happened");
                Finding::new(&sensor::SINK_TEST, "test", summary).with("sink", sink)
            }
        }
    }
}

fn events_lost(container: String, lost: u64, reasons: &BTreeMap<String, u64>) -> Finding {
    let said: Vec<String> = reasons
        .iter()
        .map(|(reason, count)| format!("{reason} {count}"))
        .collect();
    let said = said.join(", ");
    let summary =
        format!("{lost} events of container {container} were lost ({said}): its alerts may not be all");
    let reasons: serde_json::Map<_, _> = reasons
        .iter()
        .map(|(reason, count)| (reason.clone(), (*count).into()))
        .collect();
    Finding::new(&sensor::EVENTS_LOST, container, summary)
        .with("lost", lost)
        .with("reasons", reasons)
}

fn tampered(part: &str, name: &str, obstacle: Option<String>) -> Finding {
    let what = match part {
        "link" => format!("Somebody detached or replaced the kernel program {name}"),
        _ => format!("Somebody changed the sensor's map {name}"),
    };
    let outcome = match &obstacle {
        None => "it is as it was again".to_owned(),
        Some(obstacle) => format!("it could not be put right: {obstacle}"),
    };
    Finding::new(
        &sensor::TAMPERED,
        format!("{part} {name}"),
        format!("{what}; {outcome}"),
    )
    .with("part", part)
    .with("name", name)
    .with("repaired", obstacle.is_none())
}
