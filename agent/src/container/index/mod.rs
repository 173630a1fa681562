//! [`ContainerIndex`]: slot → container → names. A pure state machine, fed by the kernel's lifecycle records
//! and by runtimes; time is that of the events.
//!
//! Invariants: an entry has the id that the kernel gave, never a made-up one; a container that is gone keeps
//! its entry for a while, so late events and alerts still have names; everything is bounded, and what a bound
//! dropped is counted. What changed is queued until [`ContainerIndex::take_changes`].

mod names;
mod runtimes;
mod state;

use super::{Container, ContainerMetadata, Metadata, RuntimeEvent, cgroup};
use crate::event::{BootTime, ContainerId, ContainerOp, Lifecycle, Payload, RawEvent, SlotKey};
use agent_common::limits::MAX_SLOTS;
use agent_common::slot::{SHARED_SLOT, SlotFlags, SlotState};
use names::Names;
use runtimes::Runtimes;
use state::{Candidate, Gone, Sighting};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

/// Reads slots: from the kernel's array when live, from the recording in a replay.
pub trait SlotReader {
    /// The slot's state; `None` when it was never used.
    fn slot(&mut self, slot: u32) -> Option<SlotState>;
}

/// What became different. Containers are as they are after the change.
#[derive(Debug, Clone, PartialEq)]
pub enum IndexChange {
    /// Seen for the first time.
    Appeared(Arc<Container>),
    /// Executed something of its own.
    Live(Arc<Container>),
    /// Its names became known: what waited for them can be judged.
    Resolved(Arc<Container>),
    /// Its names were known and are now others, or more.
    Updated(Arc<Container>),
    /// Nobody knows its names: what waited for them is to be judged without.
    Unavailable(Arc<Container>),
    /// Its last cgroup was removed.
    Gone(Arc<Container>),
    /// It was gone, and late events cannot name it any more.
    Forgotten(Arc<Container>),
}

/// Whose a slot is.
#[derive(Debug, Clone, PartialEq)]
pub enum Attribution {
    Container(Arc<Container>),
    /// A cgroup that turned out to be no container (so far).
    Host,
    /// The slot is used again and nothing was kept of its former container, or it is the one that containers without a slot of their own
    /// share.
    Unknown,
}

/// Bounds of the index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IndexLimits {
    /// Containers kept after their end.
    pub gone: NonZeroUsize,
    /// How long they are kept.
    pub gone_for: Duration,
    /// Descriptions kept for containers that have no cgroup yet.
    pub early: NonZeroUsize,
    /// How long they are kept.
    pub early_for: Duration,
    /// How long a container's names may be pending while no runtime is known to have them: as long as rules wait for
    /// them.
    pub pending_for: Duration,
}

impl Default for IndexLimits {
    fn default() -> Self {
        Self {
            gone: NonZeroUsize::MIN.saturating_add(1023),
            gone_for: Duration::from_secs(600),
            early: NonZeroUsize::MIN.saturating_add(1023),
            early_for: Duration::from_secs(600),
            pending_for: Duration::from_secs(2),
        }
    }
}

/// Sizes of the index and what its bounds did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct IndexStats {
    pub live: usize,
    pub gone: usize,
    pub candidates: usize,
    pub early: usize,
    /// Ids by which containers are found.
    pub ids: usize,
    /// Containers, live or gone, that wait for their names.
    pub unnamed: usize,
    /// Live containers by state of their metadata.
    pub pending: usize,
    /// Containers forgotten before their time was over.
    pub gone_dropped: u64,
    /// Descriptions forgotten before their container came.
    pub early_dropped: u64,
    /// Lifecycle records with a slot outside the table, or none.
    pub bad_slots: u64,
    /// Events whose slot could not be resolved.
    pub unknown_slots: u64,
}

/// Everything known of containers.
#[derive(Debug)]
pub struct ContainerIndex {
    limits: IndexLimits,
    live: BTreeMap<u32, Arc<Container>>,
    candidates: BTreeMap<u32, Candidate>,
    gone: lru::LruCache<SlotKey, Gone>,
    /// With the time from which waiting counts; `None` until time is known to have passed.
    pending: BTreeMap<SlotKey, Option<BootTime>>,
    names: Names,
    early: lru::LruCache<ContainerId, (Arc<ContainerMetadata>, BootTime)>,
    runtimes: Runtimes,
    changes: Vec<IndexChange>,
    stats: IndexStats,
}

impl Default for ContainerIndex {
    fn default() -> Self {
        Self::new(IndexLimits::default())
    }
}

impl ContainerIndex {
    /// An empty index.
    #[must_use]
    pub fn new(limits: IndexLimits) -> Self {
        Self {
            limits,
            live: BTreeMap::new(),
            candidates: BTreeMap::new(),
            gone: lru::LruCache::new(limits.gone),
            pending: BTreeMap::new(),
            names: Names::default(),
            early: lru::LruCache::new(limits.early),
            runtimes: Runtimes::default(),
            changes: Vec::new(),
            stats: IndexStats::default(),
        }
    }

    /// Takes in a lifecycle record; other records are none of its business.
    pub fn observe(&mut self, event: &RawEvent) {
        let Payload::Container(lifecycle) = &event.payload else {
            return;
        };
        let time = BootTime(event.header.time_boot_ns);
        match event.slot() {
            Some(key) => self.observe_lifecycle(key, time, lifecycle),
            None => self.stats.bad_slots += 1,
        }
    }

    /// Takes in a lifecycle step, also from the start-up snapshot (`CREATED`, then `LIVE` for what runs).
    pub fn observe_lifecycle(&mut self, key: SlotKey, time: BootTime, lifecycle: &Lifecycle) {
        if key.slot == SHARED_SLOT {
            // Many containers', of which none has a life of its own.
            return;
        }
        if key.slot == agent_common::slot::NO_SLOT || key.slot >= MAX_SLOTS {
            self.stats.bad_slots += 1;
            return;
        }
        let mut sighting = Sighting::new(key, time, lifecycle);
        match lifecycle.op {
            ContainerOp::GONE => self.retire(key, time),
            ContainerOp::LIVE => {
                sighting.flags |= SlotFlags::LIVE;
                self.admit(&sighting);
                self.report_live(key);
            }
            _ => self.admit(&sighting),
        }
    }

    /// Takes in what a runtime told. `now`: boot clock when it was received.
    pub fn apply(&mut self, event: RuntimeEvent, now: BootTime) {
        match event {
            RuntimeEvent::Described { id, metadata } => self.describe(id, metadata, now),
            RuntimeEvent::Removed { id } => {
                self.early.pop(&id);
            }
            RuntimeEvent::Listed { runtime, ids } => self.runtimes.listed(runtime, ids, now),
            RuntimeEvent::Connected { runtime } => self.runtimes.connected(runtime),
            RuntimeEvent::Disconnected { runtime, .. } => self.runtimes.disconnected(runtime),
        }
        self.settle(now);
    }

    /// Lets time pass: names that nobody has become unavailable, old entries are forgotten.
    pub fn tick(&mut self, now: BootTime) {
        self.settle(now);
        while let Some((_, gone)) = self.gone.peek_lru()
            && now.since(gone.at) >= self.limits.gone_for
        {
            if let Some((_, gone)) = self.gone.pop_lru() {
                self.forget(&gone.container);
            }
        }
        while let Some((_, (_, since))) = self.early.peek_lru()
            && now.since(*since) >= self.limits.early_for
        {
            self.early.pop_lru();
        }
    }

    /// What changed since the last call, in order.
    #[must_use]
    pub fn take_changes(&mut self) -> Vec<IndexChange> {
        std::mem::take(&mut self.changes)
    }

    /// The container of a slot and generation, live or gone.
    #[must_use]
    pub fn get(&self, key: SlotKey) -> Option<&Arc<Container>> {
        self.live
            .get(&key.slot)
            .filter(|container| container.key == key)
            .or_else(|| self.gone.peek(&key).map(|gone| &gone.container))
    }

    /// The container that has `slot` now.
    #[must_use]
    pub fn by_slot(&self, slot: u32) -> Option<&Arc<Container>> {
        self.live.get(&slot)
    }

    /// The newest container with this id, live or gone.
    #[must_use]
    pub fn by_id(&self, id: &ContainerId) -> Option<&Arc<Container>> {
        self.get(self.names.by_id(id)?)
    }

    /// The container that had `address` at `time`. Members of a pod share theirs: one of them.
    #[must_use]
    pub fn by_address(&self, address: IpAddr, time: BootTime) -> Option<&Arc<Container>> {
        let key = self.names.by_address(address)?;
        let ended = self.gone.peek(&key).map(|gone| gone.at);
        self.get(key).filter(|_| ended.is_none_or(|end| time <= end))
    }

    /// Containers that are not gone, by slot.
    pub fn live(&self) -> impl Iterator<Item = &Arc<Container>> {
        self.live.values()
    }

    /// Its bounds.
    #[must_use]
    pub fn limits(&self) -> IndexLimits {
        self.limits
    }

    /// Sizes and losses.
    #[must_use]
    pub fn stats(&self) -> IndexStats {
        let pending = |key: &&SlotKey| self.live.get(&key.slot).is_some_and(|found| found.key == **key);
        IndexStats {
            live: self.live.len(),
            gone: self.gone.len(),
            candidates: self.candidates.len(),
            early: self.early.len(),
            ids: self.names.len(),
            unnamed: self.pending.len(),
            pending: self.pending.keys().filter(pending).count(),
            ..self.stats
        }
    }

    /// Whose `key` is; an unknown one is looked up in the kernel's table (its lifecycle record was lost, or is
    /// still on its way).
    pub fn attribute(&mut self, key: SlotKey, now: BootTime, slots: &mut dyn SlotReader) -> Attribution {
        if key.slot == SHARED_SLOT {
            return Attribution::Unknown;
        }
        if let Some(container) = self.get(key) {
            return Attribution::Container(Arc::clone(container));
        }
        if let Some(candidate) = self.candidates.get_mut(&key.slot)
            && candidate.is_settled(key, now)
        {
            return Attribution::Host;
        }
        let state = slots
            .slot(key.slot)
            .filter(|state| state.generation == key.generation && key.slot < MAX_SLOTS);
        let Some(state) = state else {
            self.stats.unknown_slots += 1;
            return Attribution::Unknown;
        };
        self.admit(&Sighting::from_state(key, &state));
        if state.flags.0 & SlotFlags::GONE != 0 {
            self.retire(key, now);
        }
        self.get(key).map_or(Attribution::Host, |found| {
            Attribution::Container(Arc::clone(found))
        })
    }
}

#[cfg(test)]
mod tests;
