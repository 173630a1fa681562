//! Activity lines: what containers do, in the shape of alerts. What `agent watch --json` shows.

use super::{AlertContainer, AlertProcess, describe, evidence};
use crate::detect::Neighbours;
use crate::event::{EnrichedEvent, Timestamp};
use crate::host::HostFacts;
use serde::{Deserialize, Serialize};

/// Name of the schema in each line.
pub const ACTIVITY_SCHEMA: &str = "vigia.event/v1";

/// One line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Activity {
    pub schema: String,
    pub time: Timestamp,
    /// `exec`, `file_open`, `listen`, …
    pub kind: String,
    pub container: Option<AlertContainer>,
    pub process: AlertProcess,
    pub evidence: serde_json::Map<String, serde_json::Value>,
    pub node: String,
}

impl Activity {
    /// The line of an event.
    #[must_use]
    pub fn of(event: &EnrichedEvent, host: &HostFacts, neighbours: &dyn Neighbours) -> Self {
        Self {
            schema: ACTIVITY_SCHEMA.to_owned(),
            time: event.time,
            kind: event.raw.header.kind.name().to_owned(),
            container: event.container.as_deref().map(describe::container),
            process: describe::process(event, host.clock),
            evidence: evidence::evidence(event, neighbours),
            node: host.node.clone(),
        }
    }
}
