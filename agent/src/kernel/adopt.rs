//! Containers that exist when the agent starts get their slots.
//!
//! The programs on new cgroups run already. So a slot's state is complete before anybody can find the slot, changes of one that can be
//! found are atomic, and whoever published a container's id first has the container.

use super::existing::{self, Existing};
use super::feature::Features;
use super::scan;
use super::slots::Slots;
use agent_common::slot::{CgroupKey, SlotFlags, SlotRef, SlotState};
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
        let fresh = known.is_none().then(|| self.take_slot(&container)).flatten();
        let Some(slot) = fresh.or(known).or_else(|| self.known(&container)) else {
            if !container.cgroups.is_empty() {
                tracing::warn!("a container that runs already has no slot");
            }
            return;
        };
        for (key, _) in &container.cgroups {
            self.index(slot, *key);
        }
        if container.live {
            self.make_live(slot, &container);
        }
        self.take_in(slot, &container);
        self.drop_removed(&container);
        if fresh.is_some() {
            // The one that it was made with.
            self.drop_cgroup(slot);
        }
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
    fn make_live(&self, slot: SlotRef, container: &Existing) {
        let dormant =
            |state: SlotState| state.generation == slot.generation && state.flags.0 & SlotFlags::LIVE == 0;
        if self.state(slot.slot).is_some_and(dormant) {
            self.states.set_live(slot.slot, container.namespaces);
        }
    }

    /// Takes a free slot, held by one cgroup that there is not; `None` when there is none, or a program was first with this
    /// container.
    fn take_slot(&mut self, container: &Existing) -> Option<SlotRef> {
        if container.cgroups.is_empty() {
            return None;
        }
        let slot = self.pop(container.candidate)?;
        self.states.store(slot.slot, complete(slot, container));
        if container.candidate || self.ids.insert(container.id, slot, NO_EXIST).is_ok() {
            return Some(slot);
        }
        // Nobody has found it: it is as it was.
        self.states.store(slot.slot, unused(slot));
        if let Err(error) = self.give_back(slot) {
            tracing::warn!(%error, slot = slot.slot, "a slot stays out of use");
        }
        None
    }

    /// Points a cgroup to its slot.
    fn index(&mut self, slot: SlotRef, key: CgroupKey) {
        if !self.states.add_cgroup(slot) {
            return;
        }
        if let Err(error) = self.cgroups.insert(key, slot, NO_EXIST) {
            tracing::warn!(%error, "a container's cgroup was not indexed");
            self.drop_cgroup(slot);
        }
    }

    /// What a container made inside while its own cgroup was not known yet is the container's.
    fn take_in(&mut self, slot: SlotRef, container: &Existing) {
        for key in &container.nested {
            if let Ok(other) = self.cgroups.get(key, 0)
                && other != slot
                && self.cgroups.remove(key).is_ok()
            {
                self.drop_cgroup(other);
            }
        }
    }

    /// What was removed between the look at it and now has no program that takes it out of the index.
    fn drop_removed(&mut self, container: &Existing) {
        for (key, path) in &container.cgroups {
            if !path.exists()
                && let Ok(slot) = self.cgroups.get(key, 0)
                && self.cgroups.remove(key).is_ok()
            {
                self.drop_cgroup(slot);
            }
        }
    }

    /// One cgroup of the slot is gone. Whose last one it was is gone too: who looks for ends that no record told finds it.
    fn drop_cgroup(&mut self, slot: SlotRef) {
        if !self.states.drop_cgroup(slot) {
            return;
        }
        if let Some(state) = self.state(slot.slot)
            && self.ids.get(&state.id, 0).is_ok_and(|owner| owner == slot)
        {
            // A program may have done it meanwhile.
            let _absent = self.ids.remove(&state.id);
        }
        self.states.set_gone(slot.slot);
    }
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
        cgroups: 1,
        flags: SlotFlags(SlotFlags::TAKEN | candidate | live),
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

#[cfg(test)]
mod tests {
    use super::*;
    use agent_common::event::Namespaces;

    #[test]
    fn a_slot_is_complete_before_it_is_found() {
        let slot = SlotRef {
            slot: 7,
            generation: 3,
        };
        let container = Existing {
            outermost: CgroupKey {
                id: 1,
                hierarchy: 0,
                reserved: 0,
            },
            cgroups: Vec::new(),
            nested: Vec::new(),
            id: [b'a'; agent_common::limits::MAX_CONTAINER_ID],
            candidate: false,
            live: true,
            namespaces: Namespaces {
                mnt: 9,
                ..Namespaces::default()
            },
            runtime_mnt_ns: 1,
        };
        let state = complete(slot, &container);
        assert_eq!((state.generation, state.cgroups), (3, 1));
        assert_eq!(state.flags.0, SlotFlags::TAKEN | SlotFlags::LIVE);
        assert_eq!(state.namespaces.mnt, 9);
        assert_eq!(unused(slot).flags.0, 0, "given back it is nobody's");
    }
}
