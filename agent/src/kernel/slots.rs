//! Slots: the daemon keeps the queue of free ones filled, decides what is exported, and recycles slots of containers that
//! are gone.

use super::behaviours::Behaviours;
use super::cgroups::CgroupMounts;
use super::error::KernelError;
use super::feature::{Features, hidden_processes};
use super::policies::Assignment;
use super::scan;
use super::states::SlotStates;
use super::told::{Controls, Names};
use agent_common::counter::SlotBooks;
use agent_common::limits::{CANDIDATE_SLOTS, CGROUP_ENTRIES, MAX_CONTAINER_ID, MAX_SLOTS};
use agent_common::slot::{
    CgroupKey, FIRST_CANDIDATE, FIRST_SLOT, SHARED_SLOT, SlotControl, SlotFlags, SlotRef, SlotState,
};
use aya::Ebpf;
use aya::maps::{Array, HashMap, Map, MapData, MapError, Queue};
use std::collections::BTreeSet;
use zerocopy::FromZeros;

/// The maps of identity.
pub struct Slots {
    pub(super) cgroups: HashMap<MapData, CgroupKey, SlotRef>,
    pub(super) ids: HashMap<MapData, [u8; MAX_CONTAINER_ID], SlotRef>,
    free: Queue<MapData, SlotRef>,
    free_candidates: Queue<MapData, SlotRef>,
    pub(super) states: SlotStates,
    /// Programs that are loaded later ask for it by this descriptor.
    _state_map: MapData,
    pub(super) controls: Controls,
    pub(super) behaviours: Behaviours,
    /// Slots that were recycled since deviations were swept.
    pub(super) given_back: BTreeSet<u32>,
    pub(super) names: Names,
    books: Array<MapData, SlotBooks>,
    pub(super) mounts: CgroupMounts,
}

/// How full a map is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MapUsage {
    pub map: &'static str,
    pub entries: u64,
    pub capacity: u64,
}

pub(super) fn keys<K: aya::Pod, V: aya::Pod>(map: &HashMap<MapData, K, V>) -> u64 {
    let found = map.keys().take_while(Result::is_ok).count();
    u64::try_from(found).unwrap_or(u64::MAX)
}

/// A slot in use.
#[derive(Debug, Clone, Copy)]
pub struct ContainerSlot {
    pub slot: u32,
    pub state: SlotState,
}

impl ContainerSlot {
    /// The container id, or the cgroup's name for candidates.
    #[must_use]
    pub fn id(&self) -> &[u8] {
        let id = &self.state.id;
        &id[..id.iter().position(|byte| *byte == 0).unwrap_or(id.len())]
    }
}

/// The slot of containers that have none of their own: it is live, and it has a cgroup more than there are, so that it never ends.
fn shared(features: &Features) -> SlotState {
    SlotState {
        generation: 1,
        cgroups: 1,
        flags: SlotFlags(SlotFlags::TAKEN | SlotFlags::LIVE),
        runtime_mnt_ns: features.settings.host.mnt,
        ..FromZeros::new_zeroed()
    }
}

/// The slot is still its owner's, and that is more than a candidate.
fn is_container(state: &SlotState, slot: SlotRef) -> bool {
    const KINDS: u32 = SlotFlags::CANDIDATE | SlotFlags::LIVE;
    state.generation == slot.generation && state.flags.0 & KINDS != SlotFlags::CANDIDATE
}

/// Every behaviour is new once more.
pub(super) fn renewed(control: SlotControl) -> SlotControl {
    SlotControl {
        epoch: control.epoch.wrapping_add(1),
        ..control
    }
}

/// What holds for a slot when its container is gone. Behaviours of the former container stay in the cache under the
/// former epoch, where nobody finds them any more, and age out: looking for them would read the whole cache.
fn for_next_owner(control: SlotControl) -> SlotControl {
    SlotControl {
        flags: 0,
        policy: 0,
        ..renewed(control)
    }
}

impl std::fmt::Debug for Slots {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Slots").finish_non_exhaustive()
    }
}

impl Slots {
    pub(super) fn take(ebpf: &mut Ebpf, features: &Features) -> Result<Self, KernelError> {
        let state_map = super::map(ebpf, "SLOT_STATE", |map| match map {
            Map::Array(data) => Ok(data),
            _ => Err(MapError::InvalidMapType { map_type: 0 }),
        })?;
        let mut slots = Self {
            cgroups: super::map(ebpf, "CGROUPS", HashMap::try_from)?,
            ids: super::map(ebpf, "CONTAINER_IDS", HashMap::try_from)?,
            free: super::map(ebpf, "FREE_SLOTS", Queue::try_from)?,
            free_candidates: super::map(ebpf, "FREE_CANDIDATES", Queue::try_from)?,
            states: SlotStates::of(&state_map)?,
            _state_map: state_map,
            controls: Controls::take(ebpf)?,
            behaviours: Behaviours::take(ebpf)?,
            given_back: BTreeSet::new(),
            names: Names::take(ebpf)?,
            books: super::map(ebpf, "SLOT_BOOKS", Array::try_from)?,
            mounts: features.cgroups.clone(),
        };
        slots.states.store(SHARED_SLOT, shared(features));
        slots.open_books(SlotRef {
            slot: SHARED_SLOT,
            generation: 1,
        })?;
        for slot in FIRST_SLOT..SHARED_SLOT {
            slots.give_back(SlotRef { slot, generation: 1 })?;
        }
        Ok(slots)
    }

    /// The books of the slot's next owner.
    fn open_books(&mut self, slot: SlotRef) -> Result<(), KernelError> {
        let books = SlotBooks::of(slot.generation);
        self.books
            .set(slot.slot, books, 0)
            .map_err(|source| KernelError::Map {
                map: "SLOT_BOOKS",
                source,
            })
    }

    /// The slot can be another's, with new books.
    pub(super) fn give_back(&mut self, slot: SlotRef) -> Result<(), KernelError> {
        self.open_books(slot)?;
        let (queue, map) = if slot.slot < FIRST_CANDIDATE {
            (&mut self.free, "FREE_SLOTS")
        } else {
            (&mut self.free_candidates, "FREE_CANDIDATES")
        };
        queue
            .push(slot, 0)
            .map_err(|source| KernelError::Map { map, source })
    }

    /// A free slot; candidates leave those of containers alone.
    pub(super) fn pop(&mut self, candidate: bool) -> Option<SlotRef> {
        let own = if candidate { None } else { self.free.pop(0).ok() };
        own.or_else(|| self.free_candidates.pop(0).ok())
    }

    /// Why containers may not all be found, or not be told from the host; `None` when they are.
    #[must_use]
    pub fn obstacle(&self) -> Option<String> {
        hidden_processes().or_else(|| self.mounts.obstacle())
    }

    /// Slot of the container that a process is in, as the programs find it; `None` for processes of the host.
    pub(super) fn of_process(&self, pid: u32) -> Option<SlotRef> {
        let slot = scan::cgroups_of(pid, &self.mounts).find_map(|key| self.cgroups.get(&key, 0).ok())?;
        let state = self.state(slot.slot)?;
        is_container(&state, slot).then_some(slot)
    }

    /// Every slot in use, for reconciliation with what runtimes say.
    pub fn in_use(&self) -> impl Iterator<Item = ContainerSlot> + '_ {
        (FIRST_SLOT..SHARED_SLOT).filter_map(|slot| {
            let state = self.state(slot)?;
            let used = state.flags.0 & (SlotFlags::TAKEN | SlotFlags::GONE) == SlotFlags::TAKEN;
            used.then_some(ContainerSlot { slot, state })
        })
    }

    /// Every slot whose container is gone and that nobody has freed.
    pub fn gone(&self) -> impl Iterator<Item = SlotRef> + '_ {
        (FIRST_SLOT..SHARED_SLOT).filter_map(|slot| {
            let SlotState {
                generation, flags, ..
            } = self.state(slot)?;
            (flags.0 & SlotFlags::GONE != 0).then_some(SlotRef { slot, generation })
        })
    }

    /// State of one slot.
    #[must_use]
    pub fn state(&self, slot: u32) -> Option<SlotState> {
        self.states.read(slot)
    }

    /// Frees the slot of a container that is gone (its GONE record was handled, and its grace time is over).
    ///
    /// # Errors
    /// When a map refuses the change; the slot stays out of use then.
    pub fn recycle(&mut self, slot: SlotRef) -> Result<(), KernelError> {
        let is_gone =
            |state: SlotState| state.generation == slot.generation && state.flags.0 & SlotFlags::GONE != 0;
        if !self.state(slot.slot).is_some_and(is_gone) {
            return Ok(());
        }
        let generation = slot.generation.wrapping_add(1);
        // Labels of the container are stale from here on: no task of it uses the next epoch.
        self.states.renew(slot.slot, generation);
        let control = self.control(slot.slot);
        self.set_control(slot.slot, for_next_owner(control))?;
        self.given_back.insert(slot.slot);
        self.give_back(SlotRef {
            slot: slot.slot,
            generation,
        })
    }

    /// Makes every behaviour of a container leave the kernel once more. What is counted of the former occurrences stays
    /// where it is, under their keys. A container that is gone is ignored.
    ///
    /// # Errors
    /// When a map refuses the change.
    pub fn renew(&mut self, slot: SlotRef) -> Result<(), KernelError> {
        if self
            .state(slot.slot)
            .is_none_or(|state| state.generation != slot.generation)
        {
            return Ok(());
        }
        let control = self.control(slot.slot);
        self.set_control(slot.slot, renewed(control))
    }

    /// Gives a slot its policy.
    ///
    /// # Errors
    /// When the map refuses it.
    pub(super) fn set_policy(&mut self, slot: u32, assigned: Assignment) -> Result<(), KernelError> {
        let before = self.control(slot);
        let control = if assigned.renews { renewed(before) } else { before };
        let control = SlotControl {
            policy: assigned.policy,
            ..control
        };
        if control == before {
            Ok(())
        } else {
            self.set_control(slot, control)
        }
    }

    /// What the kernel is told about a slot.
    ///
    /// # Errors
    /// When the map refuses it.
    pub fn set_control(&mut self, slot: u32, control: SlotControl) -> Result<(), KernelError> {
        self.controls.set(slot, control)
    }

    /// What the kernel was told.
    #[must_use]
    pub fn control(&self, slot: u32) -> SlotControl {
        self.controls.told(slot)
    }

    /// The books of a slot's owner; `None` when they are another's by now.
    #[must_use]
    pub fn books(&self, slot: SlotRef) -> Option<SlotBooks> {
        let books = self.books.get(&slot.slot, 0).ok()?;
        (books.generation == slot.generation).then_some(books)
    }

    /// What each map that grows and shrinks with containers holds, and how much it can hold. Those that forget the oldest (behaviours,
    /// lineage) are not among them: they stay full.
    pub fn usage(&self) -> [MapUsage; 6] {
        let (mut containers, mut candidates, mut gone) = (0, 0, 0);
        for slot in FIRST_SLOT..SHARED_SLOT {
            let flags = self.state(slot).map_or(0, |state| state.flags.0);
            let taken = u64::from(flags & SlotFlags::TAKEN != 0);
            gone += u64::from(flags & SlotFlags::GONE != 0);
            if slot < FIRST_CANDIDATE {
                containers += taken;
            } else {
                candidates += taken;
            }
        }
        let usage = |map, entries, capacity: u32| MapUsage {
            map,
            entries,
            capacity: capacity.into(),
        };
        let slots = FIRST_CANDIDATE - FIRST_SLOT;
        [
            usage("cgroups", keys(&self.cgroups), CGROUP_ENTRIES),
            usage("container_ids", keys(&self.ids), MAX_SLOTS),
            usage("slots", containers, slots),
            usage("candidate_slots", candidates, CANDIDATE_SLOTS),
            usage("slots_resting", gone, slots + CANDIDATE_SLOTS),
            self.behaviours.usage(),
        ]
    }

    /// Base names whose removal and renaming is reported.
    ///
    /// # Errors
    /// When there are more than the kernel's table holds.
    pub fn watch_names<'a>(&mut self, names: impl IntoIterator<Item = &'a str>) -> Result<(), KernelError> {
        self.names.add(names)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use agent_common::behaviour::BehaviourKey;
    use std::collections::HashSet;

    fn behaviour(control: SlotControl) -> BehaviourKey {
        BehaviourKey {
            slot: 7,
            epoch: control.epoch,
            ..BehaviourKey::new_zeroed()
        }
    }

    #[test]
    fn the_next_owner_of_a_slot_inherits_neither_behaviours_nor_a_watcher() {
        let mut control = SlotControl {
            epoch: u32::MAX - 2,
            policy: 3,
            flags: SlotControl::EXPORT_ALL,
        };
        let mut cache = HashSet::new();
        for owner in 0..5 {
            assert!(cache.insert(behaviour(control)), "owner {owner} inherits");
            assert!(!cache.insert(behaviour(control)), "a repeat is one");
            control = for_next_owner(control);
            assert_eq!((control.flags, control.policy), (0, 0));
        }
    }

    #[test]
    fn processes_of_mere_candidates_and_former_owners_are_the_hosts() {
        let slot = SlotRef {
            slot: 7,
            generation: 2,
        };
        let state = |flags, generation| SlotState {
            flags: SlotFlags(flags),
            generation,
            ..FromZeros::new_zeroed()
        };
        assert!(is_container(&state(0, 2), slot));
        assert!(is_container(
            &state(SlotFlags::CANDIDATE | SlotFlags::LIVE, 2),
            slot
        ));
        assert!(!is_container(&state(SlotFlags::CANDIDATE, 2), slot));
        assert!(!is_container(&state(SlotFlags::LIVE, 3), slot));
    }

    #[test]
    fn a_renewal_changes_the_keys_and_neither_who_watches_nor_the_policy() {
        let control = SlotControl {
            epoch: 3,
            policy: 1,
            flags: SlotControl::EXPORT_ALL,
        };
        let after = renewed(control);
        assert_ne!(behaviour(after), behaviour(control));
        assert_eq!((after.flags, after.policy), (control.flags, 1));
    }
}
