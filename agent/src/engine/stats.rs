use crate::alert::Alert;
use crate::decode::DecodeError;
use crate::detect::Severity;
use crate::event::EventKind;
use std::collections::BTreeMap;

/// The daemon's side of the books: `received = handled + undecodable(reason)`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EngineStats {
    pub received: u64,
    /// By kind; numbers of a newer kernel half are undecodable.
    pub handled: BTreeMap<EventKind, u64>,
    /// By [`DecodeError::reason`].
    pub undecodable: BTreeMap<&'static str, u64>,
    /// Alerts by what they were first, and by what named them later, rule and severity.
    pub alerts: BTreeMap<(String, Severity), u64>,
    /// Events whose slot nobody knows any more.
    pub unattributed: u64,
    /// Containers whose end no record told.
    pub ends_lost: u64,
}

impl EngineStats {
    /// Returns how many there were for the same reason.
    pub(super) fn undecodable(&mut self, error: &DecodeError) -> u64 {
        let count = self.undecodable.entry(error.reason()).or_default();
        *count += 1;
        *count
    }

    pub(super) fn handled(&mut self, kind: EventKind) {
        *self.handled.entry(kind).or_default() += 1;
    }

    pub(super) fn alert(&mut self, alert: &Alert) {
        if alert.revision == 0 {
            *self
                .alerts
                .entry((alert.rule.clone(), alert.severity))
                .or_default() += 1;
        }
    }

    /// Alerts of what is outside a profile got their names.
    pub(super) fn named(&mut self, names: Vec<(String, Severity)>) {
        for name in names {
            *self.alerts.entry(name).or_default() += 1;
        }
    }

    /// Records that were not understood.
    #[must_use]
    pub fn undecodable_total(&self) -> u64 {
        self.undecodable.values().sum()
    }

    /// Records that were understood.
    #[must_use]
    pub fn handled_total(&self) -> u64 {
        self.handled.values().sum()
    }
}
