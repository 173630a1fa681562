//! Containers that exist when the agent starts get their slots.
//!
//! The programs on new cgroups run already, and what they change of a slot's state the daemon cannot change safely: it
//! reads and writes the whole. So a slot's state is complete before anybody can find the slot, and whoever published a
//! container's id first has the container.

use super::existing::{self, Existing};
use super::feature::Features;
use super::scan;
use super::slots::Slots;
use agent_common::slot::{SlotFlags, SlotRef, SlotState};
use zerocopy::FromZeros;

/// `BPF_NOEXIST`: the kernel may have been first.
const NO_EXIST: u64 = 1;

impl Slots {
    /// Finds containers that exist already. The programs on new cgroups are attached before: what appears meanwhile
    /// is found by them, or here, but once.
    pub(super) fn scan(&mut self, features: &Features) {
        let trees = scan::trees(&self.mounts);
        let found = trees
            .iter()
            .flat_map(|tree| scan::cgroups(tree, &features.settings.host));
        for container in existing::containers(found) {
            self.adopt(container);
        }
    }

    fn adopt(&mut self, mut container: Existing) {
        container
            .cgroups
            .retain(|(key, _)| self.cgroups.get(key, 0).is_err());
        let known = self.known(&container);
        if container.cgroups.is_empty() && !known.is_some_and(|slot| self.became_live(slot, &container)) {
            return;
        }
        let fresh = known.is_none().then(|| self.take_slot(&container)).flatten();
        if let Some(slot) = fresh {
            let missing = count(&container).saturating_sub(self.index(slot, &container));
            if missing > 0 {
                self.change(slot, |state| {
                    state.cgroups = state.cgroups.saturating_sub(missing)
                });
            }
        } else if let Some(slot) = known.or_else(|| self.known(&container)) {
            let added = self.index(slot, &container);
            self.change(slot, |state| join(state, &container, added));
        } else {
            tracing::warn!("a container that runs already has no slot");
            return;
        }
        self.drop_removed(&container);
    }

    /// Slot of a container of which a program, or an earlier scan, knows something.
    fn known(&self, container: &Existing) -> Option<SlotRef> {
        let outermost = self.cgroups.get(&container.outermost, 0);
        let by_id = || {
            self.ids
                .get(&container.id, 0)
                .ok()
                .filter(|_| !container.candidate)
        };
        outermost.ok().or_else(by_id)
    }

    /// It executed something of its own after it was found and before the program on exec was attached.
    fn became_live(&self, slot: SlotRef, container: &Existing) -> bool {
        let dormant =
            |state: SlotState| state.generation == slot.generation && state.flags.0 & SlotFlags::LIVE == 0;
        container.live && self.state(slot.slot).is_some_and(dormant)
    }

    /// Takes a free slot; `None` when there is none, or a program was first with this container.
    fn take_slot(&mut self, container: &Existing) -> Option<SlotRef> {
        let slot = self.free.pop(0).ok()?;
        self.store(slot, complete(slot, container));
        if container.candidate || self.ids.insert(container.id, slot, NO_EXIST).is_ok() {
            return Some(slot);
        }
        // Nobody has found it: it is as it was.
        self.store(slot, unused(slot));
        if let Err(error) = self.give_back(slot) {
            tracing::warn!(%error, slot = slot.slot, "a slot stays out of use");
        }
        None
    }

    /// Points the cgroups to their slot; how many did not point somewhere before.
    fn index(&mut self, slot: SlotRef, container: &Existing) -> u32 {
        let mut added = 0;
        for (key, _) in &container.cgroups {
            match self.cgroups.insert(key, slot, NO_EXIST) {
                Ok(()) => added += 1,
                Err(error) => tracing::warn!(%error, "a container's cgroup was not indexed"),
            }
        }
        added
    }

    /// What was removed between the look at it and now has no program that takes it out of the index.
    fn drop_removed(&mut self, container: &Existing) {
        for (key, path) in &container.cgroups {
            if !path.exists()
                && let Ok(slot) = self.cgroups.get(key, 0)
                && self.cgroups.remove(key).is_ok()
            {
                self.change(slot, leave);
                self.forget_id(slot, container);
            }
        }
    }

    /// The id of a container that is gone can be another's.
    fn forget_id(&mut self, slot: SlotRef, container: &Existing) {
        let gone = |state: SlotState| state.flags.0 & SlotFlags::GONE != 0;
        let owned = self.ids.get(&container.id, 0).is_ok_and(|owner| owner == slot);
        if owned && self.state(slot.slot).is_some_and(gone) {
            // A program may have done it meanwhile.
            let _absent = self.ids.remove(&container.id);
        }
    }

    /// Changes the state of a slot that programs may be changing at this moment: only where there is no other way.
    fn change(&mut self, slot: SlotRef, change: impl FnOnce(&mut SlotState)) {
        let Some(mut state) = self.state(slot.slot) else {
            return;
        };
        if state.generation == slot.generation {
            change(&mut state);
            self.store(slot, state);
        }
    }

    fn store(&mut self, slot: SlotRef, state: SlotState) {
        if let Err(error) = self.states.set(slot.slot, state, 0) {
            tracing::warn!(%error, slot = slot.slot, "the state of a slot was not stored");
        }
    }
}

fn count(container: &Existing) -> u32 {
    u32::try_from(container.cgroups.len()).unwrap_or(u32::MAX)
}

/// A slot's state, with all that is known of the container.
fn complete(slot: SlotRef, container: &Existing) -> SlotState {
    let candidate = if container.candidate {
        SlotFlags::CANDIDATE
    } else {
        0
    };
    let live = if container.live { SlotFlags::LIVE } else { 0 };
    SlotState {
        cgroups: count(container),
        flags: SlotFlags(candidate | live),
        runtime_mnt_ns: container.runtime_mnt_ns,
        namespaces: container.namespaces,
        id: container.id,
        ..unused(slot)
    }
}

fn unused(slot: SlotRef) -> SlotState {
    SlotState {
        generation: slot.generation,
        ..FromZeros::new_zeroed()
    }
}

/// More of a container that has its slot.
fn join(state: &mut SlotState, container: &Existing, cgroups: u32) {
    state.cgroups = state.cgroups.saturating_add(cgroups);
    if container.live && state.flags.0 & SlotFlags::LIVE == 0 {
        state.flags.0 |= SlotFlags::LIVE;
        state.namespaces = container.namespaces;
    }
}

/// A cgroup of the container was removed. Whose last one was is gone: who looks for ends that no record told finds it.
fn leave(state: &mut SlotState) {
    state.cgroups = state.cgroups.saturating_sub(1);
    if state.cgroups == 0 {
        state.flags.0 |= SlotFlags::GONE;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use agent_common::event::Namespaces;
    use agent_common::slot::CgroupKey;
    use std::path::PathBuf;

    const SLOT: SlotRef = SlotRef {
        slot: 7,
        generation: 3,
    };

    fn container(cgroups: u64) -> Existing {
        let key = |id| CgroupKey {
            id,
            hierarchy: 0,
            reserved: 0,
        };
        Existing {
            outermost: key(1),
            cgroups: (1..=cgroups).map(|id| (key(id), PathBuf::new())).collect(),
            id: [b'a'; agent_common::limits::MAX_CONTAINER_ID],
            candidate: false,
            live: true,
            namespaces: Namespaces {
                mnt: 9,
                ..Namespaces::default()
            },
            runtime_mnt_ns: 1,
        }
    }

    #[test]
    fn a_slot_is_complete_before_it_is_found() {
        let state = complete(SLOT, &container(3));
        assert_eq!((state.generation, state.cgroups), (3, 3));
        assert_eq!((state.flags.0, state.namespaces.mnt), (SlotFlags::LIVE, 9));
        assert_eq!(unused(SLOT).cgroups, 0, "given back it is nobody's");
    }

    #[test]
    fn what_a_program_knew_of_the_container_stays() {
        let mut state = complete(SLOT, &container(1));
        state.namespaces.mnt = 5;
        join(&mut state, &container(2), 2);
        assert_eq!((state.cgroups, state.namespaces.mnt), (3, 5));
    }

    #[test]
    fn the_last_cgroup_that_was_removed_meanwhile_ends_the_container() {
        let mut state = complete(SLOT, &container(2));
        leave(&mut state);
        assert_eq!(state.flags.0 & SlotFlags::GONE, 0);
        leave(&mut state);
        assert_ne!(state.flags.0 & SlotFlags::GONE, 0);
    }
}
