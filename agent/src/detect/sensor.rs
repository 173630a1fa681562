//! Findings about the agent itself. The engine raises them: no event is behind most of them.

use super::Finding;
use super::rules::sensor;
use serde::{Deserialize, Serialize};

/// What the engine noticed about the sensor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum SensorFinding {
    /// Records of one container were lost. `lost`: in the same second, of all containers that lost some.
    EventsLost { container: String, lost: u64 },
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
}

impl SensorFinding {
    /// Id of the container that it is about.
    #[must_use]
    pub fn container(&self) -> Option<&str> {
        match self {
            Self::EventsLost { container, .. } => Some(container),
            _ => None,
        }
    }

    /// The finding, for [`crate::alert::AlertBuilder::raise_sensor`].
    #[must_use]
    pub fn into_finding(self) -> Finding {
        match self {
            Self::EventsLost { container, lost } => {
                let summary = format!(
                    "Events of container {container} were lost ({lost} in that second): its alerts may not be all"
                );
                Finding::new(&sensor::EVENTS_LOST, container, summary).with("lost", lost)
            }
            Self::CapabilityDegraded { capability, reason } => {
                let summary = format!("The sensor's capability {capability} is degraded: {reason}");
                Finding::new(&sensor::CAPABILITY_DEGRADED, capability.as_str(), summary)
                    .with("capability", capability)
                    .with("reason", reason)
            }
            Self::SlotsExhausted { containers } => {
                let summary =
                    format!("{containers} containers have no slot: nothing of what they do is seen");
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
        }
    }
}
