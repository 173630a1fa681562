//! The newest records in memory: what readers that keep up read, and all there is while the disk refuses.

use super::record::{Record, Sequence, encoded_len};
use std::collections::VecDeque;
use std::sync::Arc;

/// Records kept.
const MAX_RECORDS: usize = 4096;
/// Bytes kept.
const MAX_BYTES: usize = 8 << 20;

/// Bounded, in the order of sequences.
#[derive(Debug, Default)]
pub(super) struct Tail {
    entries: VecDeque<Entry>,
    bytes: usize,
    /// Every record after this one is here, unless it was dropped.
    floor: Sequence,
}

#[derive(Debug)]
struct Entry {
    record: Arc<Record>,
    place: Place,
}

/// Where else a record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Disk,
    MemoryOnly,
}

impl Tail {
    /// Empty; everything up to `floor` is on disk or gone.
    #[must_use]
    pub(super) fn new(floor: Sequence) -> Self {
        Self {
            floor,
            ..Self::default()
        }
    }

    /// Adds the newest record; returns what had to be dropped for it and exists nowhere else.
    pub(super) fn push(&mut self, record: Arc<Record>, place: Place) -> Vec<Arc<Record>> {
        self.bytes += encoded_len(&record);
        self.entries.push_back(Entry { record, place });
        let mut lost = Vec::new();
        while self.entries.len() > MAX_RECORDS || (self.bytes > MAX_BYTES && self.entries.len() > 1) {
            lost.extend(self.evict());
        }
        lost
    }

    /// Records after `position`, at most `max`; `None` when some of them may be on disk only.
    #[must_use]
    pub(super) fn after(&self, position: Sequence, max: usize) -> Option<Vec<Arc<Record>>> {
        if position < self.floor {
            return None;
        }
        let start = self
            .entries
            .partition_point(|entry| entry.record.sequence <= position);
        Some(
            self.entries
                .iter()
                .skip(start)
                .take(max)
                .map(|entry| Arc::clone(&entry.record))
                .collect(),
        )
    }

    /// Every record up to here is on disk or gone.
    #[must_use]
    pub(super) fn floor(&self) -> Sequence {
        self.floor
    }

    /// Records that are nowhere else.
    #[must_use]
    pub(super) fn memory_only(&self) -> Vec<Arc<Record>> {
        let only = self
            .entries
            .iter()
            .filter(|entry| entry.place == Place::MemoryOnly);
        only.map(|entry| Arc::clone(&entry.record)).collect()
    }

    /// The disk has everything now.
    pub(super) fn saved(&mut self) {
        for entry in &mut self.entries {
            entry.place = Place::Disk;
        }
    }

    /// Forgets what every sink has; returns nothing, for nothing is lost.
    pub(super) fn delivered(&mut self, position: Sequence) {
        while self
            .entries
            .front()
            .is_some_and(|entry| entry.record.sequence <= position)
        {
            self.pop_front();
        }
    }

    /// The oldest record that is on disk goes first; else the oldest of the lowest severity, and is lost.
    fn evict(&mut self) -> Option<Arc<Record>> {
        if self.entries.front()?.place == Place::Disk {
            self.pop_front();
            return None;
        }
        let lowest = self.entries.iter().map(|entry| entry.record.severity).min()?;
        let at = self
            .entries
            .iter()
            .position(|entry| entry.record.severity == lowest)?;
        let entry = self.entries.remove(at)?;
        self.bytes -= encoded_len(&entry.record);
        Some(entry.record)
    }

    fn pop_front(&mut self) {
        if let Some(entry) = self.entries.pop_front() {
            self.bytes -= encoded_len(&entry.record);
            self.floor = self.floor.max(entry.record.sequence);
        }
    }
}
