//! Slots: the kernel's names for containers, and what a task carries of them.

use crate::limits::MAX_CONTAINER_ID;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Slot of tasks that belong to no container.
pub const NO_SLOT: u32 = 0;
/// Slot of every container for which there was no free one: universal rules hold there, and nobody knows whose deed it was.
pub const SHARED_SLOT: u32 = crate::limits::MAX_SLOTS - 1;
/// The lowest slot that is given to one container alone.
pub const FIRST_SLOT: u32 = 1;
/// Slots from here on are given to candidates first, the ones before to containers only.
pub const FIRST_CANDIDATE: u32 = SHARED_SLOT - crate::limits::CANDIDATE_SLOTS;
const _: () = assert!(FIRST_CANDIDATE > FIRST_SLOT);

/// Key of the cgroup index. Ids repeat across hierarchies, so both parts count.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct CgroupKey {
    /// kernfs id (inode number) of the cgroup's directory.
    pub id: u64,
    /// 0: cgroup2; 1: the v1 hierarchy that the daemon chose (`pids`, else `memory`).
    pub hierarchy: u32,
    pub reserved: u32,
}
const _: () = assert!(size_of::<CgroupKey>() == 16);

/// Value of the cgroup index.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct SlotRef {
    pub slot: u32,
    pub generation: u32,
}

/// What the kernel knows of a slot. Programs and the daemon change it at the same time, in memory that they share: `generation`
/// with `cgroups`, and `flags` with `runtime_mnt_ns`, are a word each and change atomically. The rest has one writer, or is as good
/// by either.
#[repr(C)]
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct SlotState {
    /// Grows with each reuse of the slot.
    pub generation: u32,
    /// Live cgroups that the index holds for the container: one per hierarchy in use. Nested ones are found by looking up.
    pub cgroups: u32,
    pub flags: SlotFlags,
    /// Mount namespace of the runtime that made the container: an exec elsewhere is the container's own.
    pub runtime_mnt_ns: u32,
    /// Namespaces at the container's first exec, in the order of [`crate::event::Namespaces`].
    pub namespaces: crate::event::Namespaces,
    /// Time of the last record that was lost; 0 when none was.
    pub lost_boot_ns: u64,
    pub created_boot_ns: u64,
    /// Container id, `id_len` bytes.
    pub id: [u8; MAX_CONTAINER_ID],
    pub id_len: u32,
    pub reserved: u32,
}
const _: () = assert!(size_of::<SlotState>() == 200);

/// Bits of [`SlotState::flags`].
#[repr(transparent)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct SlotFlags(pub u32);

impl SlotFlags {
    /// The container has executed something of its own.
    pub const LIVE: u32 = 1;
    /// The id is the cgroup's name, not 64 hexadecimal digits: a container only if it turns out to be one.
    pub const CANDIDATE: u32 = 2;
    /// Its last cgroup was removed.
    pub const GONE: u32 = 4;
    /// It is not in the queue of free ones.
    pub const TAKEN: u32 = 8;
}

impl SlotState {
    /// One more (or, negated, one less) of `cgroups`, in the word that holds it with `generation`.
    pub const ONE_CGROUP: u64 = 1 << 32;
}
const _: () = assert!(
    cfg!(target_endian = "little")
        && core::mem::offset_of!(SlotState, generation) == 0
        && core::mem::offset_of!(SlotState, cgroups) == 4
        && core::mem::offset_of!(SlotState, flags) == 8
        && core::mem::offset_of!(SlotState, runtime_mnt_ns) == 12
);

/// What the daemon decides about a slot. Written only by the daemon; one word, so that it changes at once.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct SlotControl {
    /// Part of every behaviour's key: a new value makes every behaviour of the container leave once more.
    pub epoch: u32,
    /// Policy of the container's profile; 0: none.
    pub policy: u16,
    /// Bits below.
    pub flags: u16,
}
const _: () = assert!(size_of::<SlotControl>() == 8);

impl SlotControl {
    /// Every single event leaves the kernel: someone watches or records the container.
    pub const EXPORT_ALL: u16 = 1;
    /// What [`crate::escape`] names is denied. Said of [`NO_SLOT`], which no container has, it holds in every container: from the
    /// first program of one that nobody has described yet.
    pub const DENY_ESCAPES: u16 = 2;
    /// It is not denied here, whatever is said of all.
    pub const EXCEPTED: u16 = 4;
}

/// What every task carries (task-local storage). fork inherits it; leaving the cgroup does not drop it.
#[repr(C)]
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct TaskLabel {
    /// Lineage entry of the image that the task executes; 0: not known.
    pub exec_id: u64,
    /// Identity and device of the executable, as in [`crate::behaviour::BehaviourKey`].
    pub exe_id: u64,
    pub exe_dev: u32,
    pub slot: u32,
    pub generation: u32,
    /// Bits of [`TaskFlags`].
    pub flags: u32,
}
const _: () = assert!(size_of::<TaskLabel>() == 32);

/// Bits of [`TaskLabel::flags`].
#[derive(Debug)]
pub struct TaskFlags;

impl TaskFlags {
    /// The label was looked up; without it all other fields are meaningless.
    pub const KNOWN: u32 = 1;
    /// Still the runtime's code inside the container's cgroup; believed for a while only.
    pub const RUNTIME_INIT: u32 = 2;
    /// Arrived by attach after the container was live (`docker exec`, `nsenter`).
    pub const EXEC_SESSION: u32 = 4;
    /// In a listen(2) that chooses the port itself: reported when it returns.
    pub const LISTEN_PENDING: u32 = 8;
    /// Outlived its container, whose slot is another's now; the generation tells.
    pub const ORPHAN: u32 = 16;
    /// Its effective user was not root when it was last looked at: at an exec, or a change of users.
    pub const UNPRIVILEGED: u32 = 32;
    /// The call that it is in was denied and reported by a hook on objects: its return tells nothing new.
    pub const DENIED: u32 = 128;
    /// Was once in a container that is more than a candidate: another's cgroup does not make it that one's.
    pub const CONTAINED: u32 = 64;
    /// From here on: when [`Self::RUNTIME_INIT`] was set, in units of [`RUNTIME_TICK_SHIFT`].
    pub const SINCE_SHIFT: u32 = 8;
    /// What fits there: 24 bits, half a year.
    pub const SINCE_MASK: u32 = u32::MAX >> Self::SINCE_SHIFT;
}

/// 2^30 ns, about a second: the unit in which a runtime's work is timed.
pub const RUNTIME_TICK_SHIFT: u32 = 30;
