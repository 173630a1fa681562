//! Slots: the daemon keeps the queue of free ones filled, decides what is exported, and recycles slots of containers that
//! are gone.

use super::error::KernelError;
use super::feature::{CgroupMounts, Features};
use super::scan;
use agent_common::behaviour::{BehaviourKey, BehaviourValue};
use agent_common::limits::{MAX_CONTAINER_ID, MAX_SLOTS};
use agent_common::slot::{CgroupKey, SlotControl, SlotFlags, SlotRef, SlotState};
use aya::Ebpf;
use aya::maps::{Array, HashMap, MapData, MapError, Queue};

/// The maps of identity.
pub struct Slots {
    pub(super) cgroups: HashMap<MapData, CgroupKey, SlotRef>,
    pub(super) ids: HashMap<MapData, [u8; MAX_CONTAINER_ID], SlotRef>,
    pub(super) free: Queue<MapData, SlotRef>,
    pub(super) states: Array<MapData, SlotState>,
    controls: Array<MapData, SlotControl>,
    behaviours: HashMap<MapData, BehaviourKey, BehaviourValue>,
    watched: HashMap<MapData, u64, u32>,
    pub(super) mounts: CgroupMounts,
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

/// The slot is still its owner's, and that is more than a candidate.
fn is_container(state: &SlotState, slot: SlotRef) -> bool {
    const KINDS: u32 = SlotFlags::CANDIDATE | SlotFlags::LIVE;
    state.generation == slot.generation && state.flags.0 & KINDS != SlotFlags::CANDIDATE
}

/// Every behaviour is new once more.
fn renewed(control: SlotControl) -> SlotControl {
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
        let mut slots = Self {
            cgroups: super::map(ebpf, "CGROUPS", HashMap::try_from)?,
            ids: super::map(ebpf, "CONTAINER_IDS", HashMap::try_from)?,
            free: super::map(ebpf, "FREE_SLOTS", Queue::try_from)?,
            states: super::map(ebpf, "SLOT_STATE", Array::try_from)?,
            controls: super::map(ebpf, "SLOT_CONTROL", Array::try_from)?,
            behaviours: super::map(ebpf, "BEHAVIOURS", HashMap::try_from)?,
            watched: super::map(ebpf, "WATCHED_NAMES", HashMap::try_from)?,
            mounts: features.cgroups.clone(),
        };
        for slot in 1..MAX_SLOTS {
            slots.give_back(SlotRef { slot, generation: 1 })?;
        }
        Ok(slots)
    }

    pub(super) fn give_back(&mut self, slot: SlotRef) -> Result<(), KernelError> {
        self.free.push(slot, 0).map_err(|source| KernelError::Map {
            map: "FREE_SLOTS",
            source,
        })
    }

    /// Why containers that exist already may not all be found; `None` when they are.
    #[must_use]
    pub fn obstacle(&self) -> Option<String> {
        self.mounts.obstacle()
    }

    /// Slot of the container that a process is in, as the programs find it; `None` for processes of the host.
    pub(super) fn of_process(&self, pid: u32) -> Option<SlotRef> {
        let keys = scan::cgroups_of(pid, &self.mounts);
        let slot = keys.iter().find_map(|key| self.cgroups.get(key, 0).ok())?;
        let state = self.state(slot.slot)?;
        is_container(&state, slot).then_some(slot)
    }

    /// Every slot in use, for reconciliation with what runtimes say.
    pub fn in_use(&self) -> impl Iterator<Item = ContainerSlot> + '_ {
        (1..MAX_SLOTS).filter_map(|slot| {
            let state = self.states.get(&slot, 0).ok()?;
            let used = state.cgroups != 0 && state.flags.0 & SlotFlags::GONE == 0;
            used.then_some(ContainerSlot { slot, state })
        })
    }

    /// Every slot whose container is gone and that nobody has freed.
    pub fn gone(&self) -> impl Iterator<Item = SlotRef> + '_ {
        (1..MAX_SLOTS).filter_map(|slot| {
            let SlotState {
                generation, flags, ..
            } = self.state(slot)?;
            (flags.0 & SlotFlags::GONE != 0).then_some(SlotRef { slot, generation })
        })
    }

    /// State of one slot.
    #[must_use]
    pub fn state(&self, slot: u32) -> Option<SlotState> {
        self.states.get(&slot, 0).ok()
    }

    /// Frees the slot of a container that is gone (its GONE record was handled, and its grace time is over).
    ///
    /// # Errors
    /// When a map refuses the change; the slot stays out of use then.
    pub fn recycle(&mut self, slot: SlotRef) -> Result<(), KernelError> {
        let state = |source| KernelError::Map {
            map: "SLOT_STATE",
            source,
        };
        let current = self.states.get(&slot.slot, 0).map_err(state)?;
        if current.generation != slot.generation || current.flags.0 & SlotFlags::GONE == 0 {
            return Ok(());
        }
        let generation = slot.generation.wrapping_add(1);
        let freed = SlotState {
            generation,
            flags: SlotFlags(0),
            ..current
        };
        // Labels of the container are stale from here on: no task of it uses the next epoch.
        self.states.set(slot.slot, freed, 0).map_err(state)?;
        let control = self.told(slot.slot)?;
        self.set_control(slot.slot, for_next_owner(control))?;
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
        let control = self.told(slot.slot)?;
        self.set_control(slot.slot, renewed(control))
    }

    /// What the kernel is told about a slot.
    ///
    /// # Errors
    /// When the map refuses it.
    pub fn set_control(&mut self, slot: u32, control: SlotControl) -> Result<(), KernelError> {
        self.controls
            .set(slot, control, 0)
            .map_err(|source| KernelError::Map {
                map: "SLOT_CONTROL",
                source,
            })
    }

    /// What the kernel was told.
    #[must_use]
    pub fn control(&self, slot: u32) -> SlotControl {
        self.told(slot).unwrap_or_default()
    }

    fn told(&self, slot: u32) -> Result<SlotControl, KernelError> {
        self.controls.get(&slot, 0).map_err(|source| KernelError::Map {
            map: "SLOT_CONTROL",
            source,
        })
    }

    /// Takes a behaviour out of the kernel's cache: its next occurrence leaves the kernel again. Returns what was
    /// counted; `None` when the cache had evicted it.
    pub fn rearm(&mut self, key: &BehaviourKey) -> Option<BehaviourValue> {
        let value = self.behaviours.get(key, 0).ok()?;
        match self.behaviours.remove(key) {
            Ok(()) | Err(MapError::KeyNotFound) => {}
            Err(error) => tracing::warn!(%error, "a behaviour was not re-armed"),
        }
        Some(value)
    }

    /// How often a behaviour occurred.
    #[must_use]
    pub fn occurrences(&self, key: &BehaviourKey) -> Option<u64> {
        Some(self.behaviours.get(key, 0).ok()?.count)
    }

    /// Base names whose removal and renaming is reported.
    ///
    /// # Errors
    /// When there are more than the kernel's table holds.
    pub fn watch_names<'a>(&mut self, names: impl IntoIterator<Item = &'a str>) -> Result<(), KernelError> {
        for name in names {
            self.watched
                .insert(agent_common::name_hash(name.as_bytes()), 1, 0)
                .map_err(|source| KernelError::Map {
                    map: "WATCHED_NAMES",
                    source,
                })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;
    use zerocopy::FromZeros;

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
            flags: SlotControl::EXPORT_ALL,
        };
        let mut cache = HashSet::new();
        for owner in 0..5 {
            assert!(cache.insert(behaviour(control)), "owner {owner} inherits");
            assert!(!cache.insert(behaviour(control)), "a repeat is one");
            control = for_next_owner(control);
            assert_eq!(control.flags, 0);
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
    fn a_renewal_changes_the_keys_and_not_who_watches() {
        let control = SlotControl {
            epoch: 3,
            flags: SlotControl::EXPORT_ALL,
        };
        let after = renewed(control);
        assert_ne!(behaviour(after), behaviour(control));
        assert_eq!(after.flags, control.flags);
    }
}
