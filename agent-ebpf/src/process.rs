//! Other processes than the current one: what a `struct pid` or a number leads to.

use crate::cgroup;
use crate::global::offset;
use crate::kernel::{Kptr, Task};
use crate::lineage;
use crate::maps::TASKS;
use crate::syscall;
use crate::task::{self, Actor};
use agent_common::slot::{NO_SLOT, SHARED_SLOT, SlotRef};

/// Levels of the tree of a pid namespace's numbers: six bits each, and numbers have at most 22.
const TREE_LEVELS: u32 = 4;
const TREE_MASK: u32 = 63;
/// Low bits of an entry that is a node of the tree.
const NODE_TAG: u64 = 2;
const TAG_MASK: u64 = 3;

/// A process that something is done to.
#[derive(Clone, Copy)]
pub struct Target {
    /// Initial pid namespace; 0: not known.
    pub tgid: u32,
    pub slot: u32,
    pub generation: u32,
}

impl Target {
    pub const UNKNOWN: Self = Self {
        tgid: 0,
        slot: NO_SLOT,
        generation: 0,
    };

    /// Of a task, by its cgroups: its label can be had of BTF pointers only.
    #[inline(always)]
    pub fn of_task(task: Kptr) -> Self {
        let host = SlotRef {
            slot: NO_SLOT,
            generation: 0,
        };
        let owner = cgroup::slot_of_task(task).unwrap_or(host);
        Self {
            tgid: task.read_or_zero(offset!(task_tgid)),
            slot: owner.slot,
            generation: owner.generation,
        }
    }

    /// Of a `struct pid`; the process may be gone, then its number is all that is left.
    #[inline(always)]
    pub fn of_pid(pid: Kptr) -> Self {
        if let Some(task) = task_of(pid) {
            return Self::of_task(task);
        }
        let first = pid.field(offset!(pid_numbers)).unwrap_or(Kptr(0));
        Self {
            tgid: first.read_or_zero(offset!(upid_nr)),
            slot: NO_SLOT,
            generation: 0,
        }
    }

    /// True for a process of the acting task's own container. Of those that share a slot nobody knows which is whose.
    #[inline(always)]
    pub fn is_own(self, actor: &Actor) -> bool {
        let own = actor.slot();
        self.slot == own.slot && self.generation == own.generation && own.slot != SHARED_SLOT
    }
}

/// A target with what its label says.
#[derive(Clone, Copy)]
pub struct Known {
    pub target: Target,
    /// Lineage entry of its image; 0: not known.
    pub exec_id: u64,
}

/// Of a BTF pointer: leaving the cgroup does not leave the container.
#[inline(always)]
fn known(task: Task) -> Known {
    let mut known = Known {
        target: Target::of_task(Kptr(task as u64)),
        exec_id: 0,
    };
    if let Some(label) = TASKS.get(task) {
        // SAFETY: a live map value.
        unsafe {
            known.exec_id = (*label).exec_id;
            if (*label).slot != NO_SLOT {
                known.target.slot = (*label).slot;
                known.target.generation = (*label).generation;
            }
        }
    }
    known
}

/// The same with the image of a process of the host, whose entry may have to be written: for what a container does to it.
#[inline(always)]
pub fn described(task: Task) -> Known {
    let mut known = known(task);
    if known.exec_id == 0 && known.target.slot == NO_SLOT {
        known.exec_id = lineage::of_host(Kptr(task as u64));
    }
    known
}

/// The task that a pidfd of the current task stands for.
#[inline(always)]
pub fn by_pidfd(fd: u32) -> Option<Kptr> {
    syscall::file(fd).and_then(pid_of).and_then(task_of)
}

/// The `struct pid` of a pidfd: the inode's since pidfs (6.9), the file's before.
#[inline(always)]
fn pid_of(file: Kptr) -> Option<Kptr> {
    file.follow(offset!(file_private_data))
        .or_else(|| file.follow(offset!(file_f_inode))?.follow(offset!(inode_private)))
}

/// The task whose own number this is (`PIDTYPE_PID`).
#[inline(always)]
pub fn task_of(pid: Kptr) -> Option<Kptr> {
    let node = pid.follow(offset!(pid_tasks))?;
    Some(Kptr(node.0.wrapping_sub(u64::from(offset!(task_pid_links)))))
}

/// The task with a number in the current task's pid namespace, as the kernel's own lookup finds it.
#[inline(always)]
pub fn by_number(number: u32) -> Option<Kptr> {
    let own = Kptr(task::current() as u64).follow(offset!(task_thread_pid))?;
    let level = own.read::<u32>(offset!(pid_level))? & 31;
    let upid = own
        .field(offset!(pid_numbers))?
        .0
        .wrapping_add(u64::from(level) * u64::from(offset!(upid_size)));
    let namespace = Kptr(upid).follow(offset!(upid_ns))?;
    let pid = find(namespace.follow(offset!(pid_ns_numbers))?, number)?;
    task_of(pid)
}

/// Walks the tree from its head.
#[inline(always)]
fn find(head: Kptr, number: u32) -> Option<Kptr> {
    let mut entry = head;
    for level in 0..TREE_LEVELS {
        if entry.0 & TAG_MASK != NODE_TAG {
            break;
        }
        let node = Kptr(entry.0 & !TAG_MASK);
        let index = number >> (u32::from(node.read::<u8>(offset!(xa_node_shift))?) & 31);
        // More than the head's node covers: the namespace has no such number.
        if level == 0 && index > TREE_MASK {
            return None;
        }
        let slots = node.field(offset!(xa_node_slots))?;
        entry = Kptr(slots.0.wrapping_add(u64::from(index & TREE_MASK) * 8)).follow(0)?;
    }
    (entry.0 & TAG_MASK == 0).then_some(entry)
}
