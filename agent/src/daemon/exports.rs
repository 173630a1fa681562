use super::maps::Export;
use crate::event::SlotKey;
use std::collections::HashSet;

/// Containers whose every event leaves the kernel now.
#[derive(Debug, Default)]
pub(super) struct Exports {
    current: HashSet<SlotKey>,
}

impl Exports {
    pub(super) fn is_empty(&self) -> bool {
        self.current.is_empty()
    }

    /// Remembers what is wanted; returns what has to change for it.
    pub(super) fn change(&mut self, wanted: HashSet<SlotKey>) -> Vec<(SlotKey, Export)> {
        let begins = wanted
            .difference(&self.current)
            .map(|key| (*key, Export::EveryEvent));
        let ends = self
            .current
            .difference(&wanted)
            .map(|key| (*key, Export::FirstOccurrences));
        let changes = begins.chain(ends).collect();
        self.current = wanted;
        changes
    }
}
