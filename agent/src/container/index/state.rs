//! How containers enter, change and leave the index.

use super::{
    Arc, BootTime, Container, ContainerId, ContainerIndex, ContainerMetadata, IndexChange, Lifecycle,
    Metadata, SlotFlags, SlotKey, SlotState, cgroup,
};
use agent_common::limits::MAX_CONTAINER_ID;
use bstr::ByteSlice;
use std::time::Duration;

/// How often the kernel is asked whether a candidate became a container.
const CANDIDATE_RECHECK: Duration = Duration::from_secs(1);

/// What one source says of a slot.
pub(super) struct Sighting {
    key: SlotKey,
    time: BootTime,
    /// Bits of [`SlotFlags`].
    pub(super) flags: u32,
    /// As the kernel gave it.
    name: String,
    cgroup: String,
}

impl Sighting {
    pub(super) fn new(key: SlotKey, time: BootTime, lifecycle: &Lifecycle) -> Self {
        Self {
            key,
            time,
            flags: lifecycle.slot_flags,
            name: lifecycle.id.to_text(),
            cgroup: lifecycle.cgroup.to_text(),
        }
    }

    pub(super) fn from_state(key: SlotKey, state: &SlotState) -> Self {
        // Its end is the first NUL: programs that fill slots leave `id_len` alone.
        let len = state.id.iter().position(|byte| *byte == 0);
        Self {
            key,
            time: BootTime(state.created_boot_ns),
            flags: state.flags.0,
            name: state.id[..len.unwrap_or(MAX_CONTAINER_ID)]
                .to_str_lossy()
                .into_owned(),
            cgroup: String::new(),
        }
    }

    /// Id and kind by the name, then by the path. The kernel's own id wins: it may stand for a nested container.
    fn classify(&self) -> cgroup::CgroupClass {
        if let Some(id) = cgroup::engine_id(&self.name) {
            return cgroup::CgroupClass::Container(cgroup::CgroupIdentity {
                id,
                runtime: None,
                pod_uid: None,
                nested: None,
            });
        }
        let path = if self.cgroup.is_empty() {
            &self.name
        } else {
            &self.cgroup
        };
        cgroup::classify(path)
    }

    /// The id under which the slot is a container now; `None` while it is not one.
    fn container_id(&self) -> Option<ContainerId> {
        let unnamed = || (!self.name.is_empty()).then(|| ContainerId::from(self.name.as_str()));
        let candidate = self.flags & SlotFlags::CANDIDATE != 0;
        let live = self.flags & SlotFlags::LIVE != 0;
        match self.classify() {
            cgroup::CgroupClass::Container(identity) => Some(identity.id),
            // A service with a mount namespace of its own is live in the kernel's eyes.
            cgroup::CgroupClass::HostUnit if candidate => None,
            _ if candidate && !live => None,
            _ => unnamed(),
        }
    }
}

/// A cgroup that may turn out to be a container.
#[derive(Debug)]
pub(super) struct Candidate {
    key: SlotKey,
    /// When the kernel was last asked.
    checked: BootTime,
}

impl Candidate {
    /// True when `key` is this candidate and need not be looked up again yet.
    pub(super) fn is_settled(&mut self, key: SlotKey, now: BootTime) -> bool {
        let settled = self.key == key && now.since(self.checked) < CANDIDATE_RECHECK;
        if !settled {
            self.checked = now;
        }
        settled
    }
}

/// A container after its end.
#[derive(Debug)]
pub(super) struct Gone {
    pub(super) container: Arc<Container>,
    pub(super) at: BootTime,
}

impl ContainerIndex {
    /// A slot was seen: makes its container known unless it is, or is older than what is known.
    pub(super) fn admit(&mut self, sighting: &Sighting) {
        let key = sighting.key;
        let known = self.live.get(&key.slot).map(|container| container.key);
        if self.gone.contains(&key) || known.is_some_and(|known| !is_newer(key, known)) {
            return;
        }
        if let Some(previous) = known {
            self.retire(previous, sighting.time);
        }
        let Some(id) = sighting.container_id() else {
            if self
                .candidates
                .get(&key.slot)
                .is_none_or(|found| found.key != key)
            {
                let checked = sighting.time;
                self.candidates.insert(key.slot, Candidate { key, checked });
            }
            return;
        };
        self.candidates.remove(&key.slot);
        let container = Arc::new(Container {
            key,
            cgroup: sighting.cgroup.clone(),
            first_seen: sighting.time,
            metadata: self.remembered(&id),
            id,
        });
        self.insert(container);
    }

    fn insert(&mut self, container: Arc<Container>) {
        self.names.insert(&container);
        self.live.insert(container.key.slot, Arc::clone(&container));
        self.changes.push(IndexChange::Appeared(Arc::clone(&container)));
        if container.known().is_some() {
            self.changes.push(IndexChange::Resolved(container));
        } else {
            self.pending.insert(container.key, None);
        }
    }

    /// What is known of an id before its slot: told at `create`, or from before a restart.
    fn remembered(&mut self, id: &ContainerId) -> Metadata {
        if let Some((metadata, _)) = self.early.pop(id) {
            return Metadata::Resolved(metadata);
        }
        // Names that people choose are used again for other containers.
        let before = cgroup::engine_id(id.as_str()).and_then(|_| self.by_id(id));
        before
            .and_then(|container| container.known())
            .map_or(Metadata::Pending, |metadata| {
                Metadata::Resolved(Arc::new(ContainerMetadata {
                    addresses: Vec::new(),
                    pid: 0,
                    ..metadata.clone()
                }))
            })
    }

    pub(super) fn report_live(&mut self, key: SlotKey) {
        if let Some(container) = self.live.get(&key.slot).filter(|found| found.key == key) {
            self.changes.push(IndexChange::Live(Arc::clone(container)));
        }
    }

    /// The container's last cgroup is gone.
    pub(super) fn retire(&mut self, key: SlotKey, at: BootTime) {
        if self
            .candidates
            .get(&key.slot)
            .is_some_and(|found| found.key == key)
        {
            self.candidates.remove(&key.slot);
        }
        if self.live.get(&key.slot).is_none_or(|found| found.key != key) {
            return;
        }
        let Some(container) = self.live.remove(&key.slot) else {
            return;
        };
        self.changes.push(IndexChange::Gone(Arc::clone(&container)));
        if let Some((_, evicted)) = self.gone.push(key, Gone { container, at }) {
            self.stats.gone_dropped += 1;
            self.forget(&evicted.container);
        }
    }

    pub(super) fn forget(&mut self, container: &Arc<Container>) {
        self.changes.push(IndexChange::Forgotten(Arc::clone(container)));
        self.names.remove(container);
        self.pending.remove(&container.key);
        // Two slots can have one id while a restart overlaps: the other one takes its names back.
        if let Some(other) = self.live.values().find(|other| other.id == container.id) {
            self.names.insert(other);
        }
    }

    pub(super) fn describe(&mut self, id: ContainerId, metadata: Arc<ContainerMetadata>, now: BootTime) {
        let Some(container) = self.by_id(&id).map(Arc::clone) else {
            if self
                .early
                .push(id.clone(), (metadata, now))
                .is_some_and(|(dropped, _)| dropped != id)
            {
                self.stats.early_dropped += 1;
            }
            return;
        };
        if container.known() == Some(&*metadata) {
            return;
        }
        let change = if container.known().is_some() {
            IndexChange::Updated
        } else {
            IndexChange::Resolved
        };
        self.pending.remove(&container.key);
        self.names.remove(&container);
        let container = self.replace(&container, Metadata::Resolved(metadata));
        self.names.insert(&container);
        self.changes.push(change(container));
    }

    /// Puts a new value where the old one was, live or gone.
    fn replace(&mut self, old: &Container, metadata: Metadata) -> Arc<Container> {
        let new = Arc::new(Container {
            metadata,
            ..old.clone()
        });
        if let Some(gone) = self.gone.peek_mut(&old.key) {
            gone.container = Arc::clone(&new);
        } else {
            self.live.insert(old.key.slot, Arc::clone(&new));
        }
        new
    }

    /// Names that nobody will give any more become unavailable.
    pub(super) fn settle(&mut self, now: BootTime) {
        self.start_waiting(now);
        let overdue = |(key, since): (&SlotKey, &Option<BootTime>)| {
            let container = self.get(*key)?;
            let waited = since.is_some_and(|since| now.since(since) >= self.limits.pending_for);
            let disowned = waited && self.runtimes.disown(&container.id, container.first_seen);
            disowned.then(|| Arc::clone(container))
        };
        let overdue: Vec<Arc<Container>> = self.pending.iter().filter_map(overdue).collect();
        for container in overdue {
            self.pending.remove(&container.key);
            let container = self.replace(&container, Metadata::Unavailable);
            self.changes.push(IndexChange::Unavailable(container));
        }
    }

    /// A container that is older than the agent has waited for nobody yet: its time counts from now.
    fn start_waiting(&mut self, now: BootTime) {
        for (key, since) in &mut self.pending {
            let first_seen = self
                .live
                .get(&key.slot)
                .map_or(now, |container| container.first_seen);
            let fresh = now.since(first_seen) < self.limits.pending_for;
            since.get_or_insert(if fresh { first_seen } else { now });
        }
    }
}

/// True when `key` is a later use of the same slot. Generations wrap.
fn is_newer(key: SlotKey, known: SlotKey) -> bool {
    let ahead = key.generation.wrapping_sub(known.generation);
    ahead != 0 && ahead < 1 << 31
}
