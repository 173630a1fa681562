//! How full the engine's tables are: each is bounded, and empty again when the last container is forgotten.

use super::{Engine, Pressure, review, waiting};
use crate::alert::{MAX_OPEN, MAX_PAIRS};
use agent_common::limits::MAX_SLOTS;

/// A table of the daemon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Table {
    pub name: &'static str,
    pub entries: usize,
    pub capacity: usize,
}

impl Engine {
    /// Every table that grows with containers.
    #[must_use]
    pub fn tables(&self) -> Vec<Table> {
        let table = |name, entries, capacity| Table {
            name,
            entries,
            capacity,
        };
        let (index, limits) = (self.index().stats(), self.index().limits());
        let (slots, gone) = (MAX_SLOTS as usize, limits.gone.get());
        let Pressure {
            waiting,
            open_alerts,
            pairs,
            detector_state,
            detector_capacity,
            names,
            ..
        } = self.pressure();
        let (lineage, cached) = self.enricher.lineage_size();
        vec![
            table("containers", index.live, slots),
            table("containers_gone", index.gone, gone),
            table("containers_unnamed", index.unnamed, slots + gone),
            table("container_ids", index.ids, slots + gone),
            table("candidates", index.candidates, slots),
            table("early_descriptions", index.early, limits.early.get()),
            table("waiting_containers", waiting, Pressure::WAITING),
            table("waiting_missed", self.waiting.missed(), waiting::MAX_MISSED),
            table("reviewed_containers", self.reviews.len(), review::MAX_REVIEWED),
            table("startups", self.learning.startups(), slots + gone),
            table("detector_state", detector_state, detector_capacity),
            table("answered_names", names, Pressure::NAMES),
            table("alert_windows", open_alerts, MAX_OPEN),
            table("contacted_pairs", pairs, MAX_PAIRS),
            table("processes", lineage, cached),
        ]
    }
}
