//! Which container a task belongs to. The label is made once, inherited by fork, and never dropped while
//! the slot lives: leaving the cgroup does not leave the container.

use crate::cgroup;
use crate::count;
use crate::file::{self, OpenFile};
use crate::global::{offset, setting};
use crate::kernel::{Kptr, Task, load};
use crate::maps::{SEED, SLOT_STATE, TASKS};
use crate::user;
use agent_common::counter::KernelError;
use agent_common::slot::{NO_SLOT, RUNTIME_TICK_SHIFT, SlotFlags, SlotRef, SlotState, TaskFlags, TaskLabel};
use aya_ebpf::helpers::generated::bpf_ktime_get_boot_ns;

/// Storage that was created but never filled.
pub const UNKNOWN: TaskLabel = TaskLabel {
    exec_id: 0,
    exe_id: 0,
    exe_dev: 0,
    slot: NO_SLOT,
    generation: 0,
    flags: 0,
};

/// The task's label; looked up when it has none.
#[inline(always)]
pub fn of(task: Task) -> Option<*mut TaskLabel> {
    if let Some(label) = TASKS.get(task) {
        // SAFETY: a live map value.
        let known = unsafe { *label };
        if known.flags & TaskFlags::KNOWN != 0
            && known.slot != NO_SLOT
            && (known.flags & TaskFlags::ORPHAN != 0 || !is_stale(&known))
        {
            return Some(label);
        }
        // A thread without a container may be older than its process's move into one.
        if known.flags & TaskFlags::KNOWN != 0 && known.slot == NO_SLOT && !follows_leader(task) {
            return Some(label);
        }
    }
    find(task);
    TASKS.get(task)
}

/// The slot was given to another container: this task outlived its own.
#[inline(always)]
fn is_stale(label: &TaskLabel) -> bool {
    SLOT_STATE
        .get(label.slot)
        .is_none_or(|state| state.generation != label.generation)
}

/// True for a thread whose leader is in a container.
#[inline(always)]
fn follows_leader(task: Task) -> bool {
    // SAFETY: tasks are BTF pointers, and so is their leader.
    let leader: Task = unsafe { load(task, offset!(task_group_leader)) };
    if leader == task {
        return false;
    }
    // SAFETY: a live map value.
    TASKS
        .get(leader)
        .is_some_and(|label| unsafe { (*label).slot != NO_SLOT })
}

/// Makes the label of a task that was never seen: io_uring workers (no fork event), tasks that ran before; or that outlived its
/// container.
#[inline(never)]
fn find(task: Task) -> u32 {
    // SAFETY: tasks are BTF pointers, and so is their leader.
    let leader: Task = unsafe { load(task, offset!(task_group_leader)) };
    let mut label = UNKNOWN;
    if let Some(known) = TASKS.get(leader) {
        // SAFETY: a live map value.
        label = unsafe { *known };
    }
    if label.flags & TaskFlags::KNOWN == 0 || label.slot != NO_SLOT && is_stale(&label) {
        let before = label;
        label = from_kernel(Kptr(task as u64));
        if before.exec_id != 0 {
            label.exec_id = before.exec_id;
        }
        // Who outlived the container does not become the host's, nor another container's.
        if before.flags & TaskFlags::CONTAINED != 0 {
            label = before;
            label.flags |= TaskFlags::ORPHAN;
        }
    }
    match TASKS.get_or_create(task) {
        // SAFETY: a live map value.
        Some(own) => unsafe { *own = label },
        None => count::error(KernelError::TASK_STORAGE),
    }
    0
}

/// The label that follows from the task's cgroups and executable.
#[inline(always)]
pub fn from_kernel(task: Kptr) -> TaskLabel {
    let mut label = UNKNOWN;
    label.flags = TaskFlags::KNOWN;
    let tgid = task.read_or_zero::<u32>(offset!(task_tgid));
    // SAFETY: a copy of a plain number.
    let seed = unsafe { SEED.get(tgid) };
    if let Some(seed) = seed {
        label.exec_id = seed.exec_id;
    }
    (label.exe_dev, label.exe_id) = executable(task).unwrap_or((0, 0));
    if let Some(slot) = cgroup::slot_of_task(task) {
        join(&mut label, slot);
        let cred = user::credentials(task);
        // Its first call that anybody sees may be the one that makes it root.
        let before = seed.map_or_else(|| user::effective(cred), |seed| seed.uid);
        if before != user::root_of(cred) {
            label.flags |= TaskFlags::UNPRIVILEGED;
        }
    }
    label
}

/// Enters a slot. Until the container is live its tasks are the runtime's.
#[inline(always)]
pub fn join(label: &mut TaskLabel, slot: SlotRef) {
    label.slot = slot.slot;
    label.generation = slot.generation;
    label.flags = label.flags & !TaskFlags::ORPHAN | TaskFlags::KNOWN;
    let Some(state) = SLOT_STATE.get(slot.slot) else {
        return;
    };
    if !is_mere_candidate(state) {
        label.flags |= TaskFlags::CONTAINED;
    }
    if state.flags.0 & SlotFlags::LIVE == 0 {
        // Of a container that is older than the agent nobody knows since when.
        let since = match state.created_boot_ns {
            // SAFETY: always valid.
            0 => unsafe { bpf_ktime_get_boot_ns() },
            created => created,
        };
        begin_runtime(label, since);
    }
}

/// Nothing was executed in it that would make it a container, whatever its name.
#[inline(always)]
pub fn is_mere_candidate(state: &SlotState) -> bool {
    state.flags.0 & (SlotFlags::CANDIDATE | SlotFlags::LIVE) == SlotFlags::CANDIDATE
}

/// The slot of the label's container is another's by now.
#[inline(always)]
pub fn outlived(label: &TaskLabel) -> bool {
    label.flags & TaskFlags::CONTAINED != 0 && is_stale(label)
}

/// What the task does is the runtime's, from `boot_ns` on and for a while.
#[inline(always)]
pub fn begin_runtime(label: &mut TaskLabel, boot_ns: u64) {
    let since = (boot_ns >> RUNTIME_TICK_SHIFT) as u32 & TaskFlags::SINCE_MASK;
    let flags = label.flags & !(TaskFlags::SINCE_MASK << TaskFlags::SINCE_SHIFT);
    label.flags = flags | TaskFlags::RUNTIME_INIT | since << TaskFlags::SINCE_SHIFT;
}

/// The task still prepares its container, and has not taken longer than a runtime does: whoever takes a runtime over before it
/// executes the container's program would go unseen for as long as it likes.
#[inline(always)]
pub fn is_runtime(label: &TaskLabel) -> bool {
    if label.flags & TaskFlags::RUNTIME_INIT == 0 {
        return false;
    }
    // SAFETY: always valid.
    let now = (unsafe { bpf_ktime_get_boot_ns() } >> RUNTIME_TICK_SHIFT) as u32;
    let taken = now.wrapping_sub(label.flags >> TaskFlags::SINCE_SHIFT) & TaskFlags::SINCE_MASK;
    taken <= setting!(runtime_ticks)
}

/// Device and identity of the task's executable.
#[inline(always)]
fn executable(task: Kptr) -> Option<(u32, u64)> {
    let file = task.follow(offset!(task_mm))?.follow(offset!(mm_exe_file))?;
    let object = OpenFile::read(file)?.object;
    Some((object.dev, file::identity(file, &object)))
}
