//! How much the engine's bounds are made use of.

use super::{Engine, waiting};
use crate::alert::{MAX_OPEN, MAX_PAIRS};
use crate::detect::AnsweredNames;

/// Bounded state and what found no room in it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Pressure {
    /// Containers whose events wait for their image.
    pub waiting: usize,
    /// Events that were judged at once, or will not be judged again, because nothing more could be kept.
    pub waiting_overflowed: u64,
    /// Repeat windows.
    pub open_alerts: usize,
    /// Alerts that found no window.
    pub alerts_overflowed: u64,
    /// Pairs of containers whose contact is remembered.
    pub pairs: usize,
    /// Pairs that were forgotten for lack of room: their contact is told again.
    pub pairs_dropped: u64,
    /// Containers of which a detector keeps a state, once for each detector.
    pub detector_state: usize,
    /// Bound of [`Self::detector_state`].
    pub detector_capacity: usize,
    /// Events of which a detector remembers nothing, because there was no room for their container.
    pub detector_refused: u64,
    /// Addresses that have a name.
    pub names: usize,
    /// Names of addresses that were forgotten for lack of room, or found none.
    pub names_dropped: u64,
    /// Behaviours that found no room in a window.
    pub behaviours_rearmed: u64,
}

impl Pressure {
    /// Bound of [`Self::waiting`].
    pub const WAITING: usize = waiting::MAX_CONTAINERS;
    /// Bound of [`Self::open_alerts`].
    pub const OPEN_ALERTS: usize = MAX_OPEN;
    /// Bound of [`Self::pairs`].
    pub const PAIRS: usize = MAX_PAIRS;
    /// Bound of [`Self::names`].
    pub const NAMES: usize = AnsweredNames::CAPACITY;
}

impl Engine {
    /// What the engine's bounds did, by name, for status and metrics.
    #[must_use]
    pub fn pressure(&self) -> Pressure {
        Pressure {
            waiting: self.waiting.len(),
            waiting_overflowed: self.waiting.overflowed() + self.reviews.dropped(),
            open_alerts: self.alerts.open(),
            alerts_overflowed: self.alerts.overflowed(),
            pairs: self.alerts.pairs(),
            pairs_dropped: self.alerts.pairs_dropped(),
            detector_state: self.detectors.kept(),
            detector_capacity: self.detectors.capacity(),
            detector_refused: self.detectors.refused(),
            names: self.names.len(),
            names_dropped: self.names.dropped(),
            behaviours_rearmed: self.alerts.rearmed(),
        }
    }
}
