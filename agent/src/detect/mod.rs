//! Detectors: events in, findings out. Pure: no I/O, no clock, no async; time is the event's, so a
//! replay finds what the live run found.

mod rule;

pub use rule::{Class, Rule, Severity};

use crate::event::EnrichedEvent;

/// A detector's conclusion about one event.
#[derive(Debug, Clone)]
pub struct Finding {
    pub rule: &'static Rule,
    /// May differ from the rule's default: what is known of the container raises or lowers it.
    pub severity: Severity,
    /// One English sentence that names who did what to what.
    pub summary: String,
    /// What identifies the behaviour beside container and rule: equal objects fold into one alert.
    pub object: String,
    /// Rule-specific evidence beside the event's own (`unexpected_port`, `window_seconds`, …).
    pub evidence: serde_json::Map<String, serde_json::Value>,
}

/// What a detector may look at beside the event.
#[derive(Debug, Clone, Copy)]
pub struct DetectContext<'a> {
    pub event: &'a EnrichedEvent,
}
