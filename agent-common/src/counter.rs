//! Indexes of the per-CPU counter map: the books of the kernel half.
//!
//! Every hook invocation for a container has one outcome:
//! `seen = repeated + sent + suppressed(reason) + lost(reason)`, per kind.

use crate::event::EventKind;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// What became of a hook invocation. Also the column in the counter map.
#[repr(transparent)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Outcome(pub u32);

impl Outcome {
    /// A hook ran for a container's task.
    pub const SEEN: Self = Self(0);
    /// The behaviour had left the kernel before.
    pub const REPEATED: Self = Self(1);
    /// A record was submitted.
    pub const SENT: Self = Self(2);
    /// The runtime was still setting the container up.
    pub const SUPPRESSED_RUNTIME_INIT: Self = Self(3);
    /// The object is of no interest to any rule or profile (an unwatched name, a failed lookup).
    pub const SUPPRESSED_UNWATCHED: Self = Self(4);
    /// The second report of one behaviour (overlay's backing file, MPTCP's subflows).
    pub const SUPPRESSED_DUPLICATE: Self = Self(5);
    /// The ring had no room.
    pub const LOST_RING_FULL: Self = Self(6);
    /// All scratch buffers of the CPU were in use.
    pub const LOST_SCRATCH_BUSY: Self = Self(7);
    /// A kernel structure could not be read or had an unexpected shape.
    pub const LOST_UNREADABLE: Self = Self(8);

    /// The container had used up its share of the ring.
    pub const LOST_QUOTA: Self = Self(9);

    /// Columns per kind.
    pub const COUNT: u32 = 12;

    /// Every outcome that the kernel counts, with the metric label of its reason.
    pub const ALL: [(Self, &'static str); 10] = [
        (Self::SEEN, "seen"),
        (Self::REPEATED, "repeated"),
        (Self::SENT, "sent"),
        (Self::SUPPRESSED_RUNTIME_INIT, "runtime_init"),
        (Self::SUPPRESSED_UNWATCHED, "unwatched"),
        (Self::SUPPRESSED_DUPLICATE, "duplicate"),
        (Self::LOST_RING_FULL, "ring_full"),
        (Self::LOST_SCRATCH_BUSY, "scratch_busy"),
        (Self::LOST_UNREADABLE, "unreadable"),
        (Self::LOST_QUOTA, "quota"),
    ];
}

/// Rows of the counter map: one more than the largest kind.
pub const COUNTER_KINDS: u32 = 64;
/// Entries of the counter map.
pub const COUNTER_ENTRIES: u32 = COUNTER_KINDS * Outcome::COUNT;

/// Entry of the counter map for `kind` and `outcome`; kinds out of range share the last row.
#[must_use]
pub const fn counter_index(kind: EventKind, outcome: Outcome) -> u32 {
    let row = if (kind.0 as u32) < COUNTER_KINDS {
        kind.0 as u32
    } else {
        COUNTER_KINDS - 1
    };
    row * Outcome::COUNT + outcome.0
}

/// The books of one container: value of the map of books, at its slot's index. Who makes the slot another's opens new ones.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct SlotBooks {
    /// Whose books they are: what a task of another generation does is booked in the totals only.
    pub generation: u32,
    pub reserved: u32,
    /// Hook invocations by kind.
    pub seen: [u64; COUNTER_KINDS as usize],
    /// What became of them, of all kinds; [`Outcome::SEEN`] stays 0.
    pub outcomes: [u64; Outcome::COUNT as usize],
}
const _: () = assert!(size_of::<SlotBooks>() == 616);

impl SlotBooks {
    /// New books of a slot's owner.
    #[must_use]
    pub const fn of(generation: u32) -> Self {
        Self {
            generation,
            reserved: 0,
            seen: [0; COUNTER_KINDS as usize],
            outcomes: [0; Outcome::COUNT as usize],
        }
    }

    /// Hook invocations of all kinds.
    #[must_use]
    pub fn seen(&self) -> u64 {
        self.seen.iter().sum()
    }

    /// Outcomes of them: as many, while no program runs.
    #[must_use]
    pub fn booked(&self) -> u64 {
        self.outcomes.iter().sum()
    }
}

/// Entries of the error map: what went wrong inside a program, by cause. Errors allow, and are counted.
#[repr(transparent)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct KernelError(pub u32);

impl KernelError {
    /// No free slot for a new container: its tasks run under slot 0.
    pub const SLOTS_EXHAUSTED: Self = Self(0);
    /// Task storage could not be created.
    pub const TASK_STORAGE: Self = Self(1);
    /// A map update failed (full, or out of memory).
    pub const MAP_UPDATE: Self = Self(2);
    /// A path had more components than are walked.
    pub const PATH_TOO_DEEP: Self = Self(3);
    /// A tail call found no program.
    pub const TAIL_CALL: Self = Self(4);
    /// User memory (arguments) could not be read.
    pub const USER_MEMORY: Self = Self(5);
    /// A container's deviations exceeded its share of the urgent ring: they went over the other one.
    pub const ALERT_QUOTA: Self = Self(6);

    /// No scratch memory for a cgroup's name or a lineage entry.
    pub const SCRATCH_BUSY: Self = Self(7);
    /// No free slot for a cgroup that might have become a container.
    pub const CANDIDATES_EXHAUSTED: Self = Self(8);
    /// A cgroup lies deeper below its container's than is looked up.
    pub const CGROUP_TOO_DEEP: Self = Self(9);

    /// The queue of free slots held one that is not free: somebody else wrote to it.
    pub const SLOT_REFUSED: Self = Self(10);

    /// No room for a deviation among those that are counted exactly, for it or for its container: it is counted among what is
    /// expected, where the one not seen for longest gives way.
    pub const DEVIATIONS_FULL: Self = Self(11);

    /// Entries of the error map.
    pub const COUNT: u32 = 16;
    /// Every cause with its metric label.
    pub const ALL: [(Self, &'static str); 12] = [
        (Self::SLOTS_EXHAUSTED, "slots_exhausted"),
        (Self::TASK_STORAGE, "task_storage"),
        (Self::MAP_UPDATE, "map_update"),
        (Self::PATH_TOO_DEEP, "path_too_deep"),
        (Self::TAIL_CALL, "tail_call"),
        (Self::USER_MEMORY, "user_memory"),
        (Self::ALERT_QUOTA, "alert_quota"),
        (Self::SCRATCH_BUSY, "scratch_busy"),
        (Self::CANDIDATES_EXHAUSTED, "candidates_exhausted"),
        (Self::CGROUP_TOO_DEEP, "cgroup_too_deep"),
        (Self::SLOT_REFUSED, "slot_refused"),
        (Self::DEVIATIONS_FULL, "deviations_full"),
    ];
}
