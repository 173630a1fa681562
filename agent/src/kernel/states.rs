//! What the kernel knows of each slot, in memory that the daemon shares with the programs: what either side changes the other does not
//! overwrite.

use super::error::KernelError;
use agent_common::event::Namespaces;
use agent_common::limits::MAX_SLOTS;
use agent_common::slot::{SlotFlags, SlotRef, SlotState};
use aya::maps::MapData;
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};
use std::os::fd::{AsFd, BorrowedFd};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, Ordering};

const BYTES: usize = MAX_SLOTS as usize * size_of::<SlotState>();

/// The whole array.
pub(super) struct SlotStates(NonNull<SlotState>);

/// Maps the array's bytes.
fn map_shared(descriptor: BorrowedFd<'_>) -> std::io::Result<NonNull<SlotState>> {
    let access = ProtFlags::READ | ProtFlags::WRITE;
    // SAFETY: a new mapping, where the kernel chooses; the array has this many bytes.
    let memory = unsafe {
        mmap(
            std::ptr::null_mut(),
            BYTES,
            access,
            MapFlags::SHARED,
            descriptor,
            0,
        )
    };
    NonNull::new(memory?.cast()).ok_or_else(|| std::io::ErrorKind::InvalidData.into())
}

// SAFETY: the memory is the kernel's array, valid on every thread until it is unmapped.
unsafe impl Send for SlotStates {}
// SAFETY: what two threads may do at once is atomic, or as good by either.
unsafe impl Sync for SlotStates {}

impl Drop for SlotStates {
    fn drop(&mut self) {
        // SAFETY: mapped by `map_shared` with this length; no reference into it outlives a method. A failure leaves it mapped.
        let _unmapped = unsafe { munmap(self.0.as_ptr().cast(), BYTES) };
    }
}

impl SlotStates {
    /// Maps the array. Safe code cannot: a system call per change would read and write the whole of a state, and undo what programs
    /// did meanwhile.
    pub(super) fn of(map: &MapData) -> Result<Self, KernelError> {
        let memory = map_shared(map.fd().as_fd()).map_err(|source| KernelError::Read {
            path: "the map SLOT_STATE".to_owned(),
            source,
        })?;
        Ok(Self(memory))
    }

    fn at(&self, slot: u32) -> Option<NonNull<SlotState>> {
        // SAFETY: within the array.
        (slot < MAX_SLOTS).then(|| unsafe { self.0.add(slot as usize) })
    }

    /// State of one slot, as it is at this moment.
    pub(super) fn read(&self, slot: u32) -> Option<SlotState> {
        // SAFETY: mapped and aligned; plain numbers, whatever programs write meanwhile.
        self.at(slot)
            .map(|state| unsafe { state.as_ptr().read_volatile() })
    }

    /// Writes the state of a slot that nobody can find.
    pub(super) fn store(&self, slot: u32, state: SlotState) {
        if let Some(place) = self.at(slot) {
            // SAFETY: mapped and aligned.
            unsafe { place.as_ptr().write_volatile(state) };
        }
    }

    /// The two words that programs change too: generation with cgroups, flags with the runtime's namespace.
    fn words(&self, slot: u32) -> Option<[&AtomicU64; 2]> {
        let words: NonNull<u64> = self.at(slot)?.cast();
        // SAFETY: mapped and aligned; the programs change them by atomic instructions, or before the slot can be found.
        unsafe {
            Some([
                AtomicU64::from_ptr(words.as_ptr()),
                AtomicU64::from_ptr(words.add(1).as_ptr()),
            ])
        }
    }

    /// One more cgroup of the slot's container; false when the slot is another's, or its container is ending.
    pub(super) fn add_cgroup(&self, slot: SlotRef) -> bool {
        let Some([word, _]) = self.words(slot.slot) else {
            return false;
        };
        let added = word.fetch_update(Ordering::AcqRel, Ordering::Acquire, |before| {
            let lives = generation(before) == slot.generation && cgroups(before) != 0;
            lives.then(|| before.wrapping_add(SlotState::ONE_CGROUP))
        });
        added.is_ok()
    }

    /// One cgroup less; true when it was the last one.
    pub(super) fn drop_cgroup(&self, slot: SlotRef) -> bool {
        let Some([word, _]) = self.words(slot.slot) else {
            return false;
        };
        let dropped = word.fetch_update(Ordering::AcqRel, Ordering::Acquire, |before| {
            let lives = generation(before) == slot.generation && cgroups(before) != 0;
            lives.then(|| before.wrapping_sub(SlotState::ONE_CGROUP))
        });
        dropped.is_ok_and(|before| cgroups(before) == 1)
    }

    /// The container executes something of its own.
    pub(super) fn set_live(&self, slot: u32, namespaces: Namespaces) {
        let (Some([_, word]), Some(state)) = (self.words(slot), self.at(slot)) else {
            return;
        };
        if word.fetch_or(SlotFlags::LIVE.into(), Ordering::AcqRel) & u64::from(SlotFlags::LIVE) == 0 {
            // SAFETY: mapped and aligned. A program that sees its first exec at this moment writes the same.
            unsafe { (&raw mut (*state.as_ptr()).namespaces).write_volatile(namespaces) };
        }
    }

    /// The container is gone.
    pub(super) fn set_gone(&self, slot: u32) {
        if let Some([_, word]) = self.words(slot) {
            word.fetch_or(SlotFlags::GONE.into(), Ordering::AcqRel);
        }
    }

    /// Makes the slot of a container that is gone another's: labels with the former generation are stale from here on.
    pub(super) fn renew(&self, slot: u32, generation: u32) {
        if let Some([counts, flags]) = self.words(slot) {
            counts.store(generation.into(), Ordering::Release);
            flags.store(0, Ordering::Release);
        }
    }
}

fn generation(word: u64) -> u32 {
    let [a, b, c, d, ..] = word.to_le_bytes();
    u32::from_le_bytes([a, b, c, d])
}

fn cgroups(word: u64) -> u64 {
    word >> 32
}

#[cfg(test)]
mod tests {
    use super::*;
    use zerocopy::FromZeros;

    const SLOT: SlotRef = SlotRef {
        slot: 7,
        generation: 3,
    };

    /// The same memory without a kernel's map behind it.
    fn states(cgroups: u32) -> SlotStates {
        let file = rustix::fs::memfd_create("states", rustix::fs::MemfdFlags::CLOEXEC).unwrap();
        rustix::fs::ftruncate(&file, BYTES as u64).unwrap();
        let states = SlotStates(map_shared(file.as_fd()).unwrap());
        states.store(
            SLOT.slot,
            SlotState {
                generation: SLOT.generation,
                cgroups,
                runtime_mnt_ns: 9,
                ..FromZeros::new_zeroed()
            },
        );
        states
    }

    fn figures(states: &SlotStates) -> (u32, u32, u32, u32) {
        let state = states.read(SLOT.slot).unwrap();
        (
            state.generation,
            state.cgroups,
            state.flags.0,
            state.runtime_mnt_ns,
        )
    }

    #[test]
    fn what_shares_a_word_stays() {
        let states = states(1);
        assert!(states.add_cgroup(SLOT));
        states.set_live(SLOT.slot, Namespaces::default());
        states.set_gone(SLOT.slot);
        assert_eq!(figures(&states), (3, 2, SlotFlags::LIVE | SlotFlags::GONE, 9));
    }

    #[test]
    fn changes_of_many_threads_all_count() {
        let states = states(1);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                let states = &states;
                scope.spawn(move || (0..10_000).for_each(|_| assert!(states.add_cgroup(SLOT))));
                scope.spawn(move || states.set_live(SLOT.slot, Namespaces::default()));
            }
        });
        assert_eq!(figures(&states), (3, 40_001, SlotFlags::LIVE, 9));
    }

    #[test]
    fn the_last_cgroup_ends_a_container_and_nothing_joins_what_has_ended() {
        let states = states(2);
        assert!(!states.drop_cgroup(SLOT));
        assert!(states.drop_cgroup(SLOT));
        assert!(!states.drop_cgroup(SLOT), "once");
        assert!(!states.add_cgroup(SLOT));
        let next = SlotRef {
            generation: 4,
            ..SLOT
        };
        states.renew(SLOT.slot, next.generation);
        assert_eq!(figures(&states), (4, 0, 0, 0));
        assert!(!states.add_cgroup(SLOT), "it is another's");
    }

    #[test]
    fn namespaces_of_a_container_that_is_live_already_stay() {
        let states = states(1);
        let of = |mnt| Namespaces {
            mnt,
            ..Namespaces::default()
        };
        states.set_live(SLOT.slot, of(1));
        states.set_live(SLOT.slot, of(2));
        assert_eq!(states.read(SLOT.slot).unwrap().namespaces.mnt, 1);
    }

    #[test]
    fn slots_outside_the_table_are_nothing() {
        let states = states(1);
        assert!(states.read(MAX_SLOTS).is_none());
        states.set_gone(MAX_SLOTS);
        assert!(!states.add_cgroup(SlotRef {
            slot: u32::MAX,
            ..SLOT
        }));
    }
}
