//! Which container a task belongs to. The label is made once, inherited by fork, and never dropped while
//! the slot lives: leaving the cgroup does not leave the container. The host's tasks have none, which makes their forks cheap;
//! but those that are older than the sensor keep what was found out about them.

use crate::atomic;
use crate::cgroup;
use crate::count;
use crate::file::{self, OpenFile};
use crate::global::{offset, setting};
use crate::kernel::{Kptr, Task, load};
use crate::lineage;
use crate::maps::{FORKS_SEEN_SINCE, SEED, SLOT_STATE, TASKS};
use crate::user;
use agent_common::counter::KernelError;
use agent_common::slot::{NO_SLOT, RUNTIME_TICK_SHIFT, SlotFlags, SlotRef, SlotState, TaskFlags, TaskLabel};
use aya_ebpf::helpers::generated::bpf_ktime_get_boot_ns;
use core::ptr::addr_of_mut;

/// Storage that was created but never filled.
pub const UNKNOWN: TaskLabel = TaskLabel {
    exec_id: 0,
    exe_id: 0,
    exe_dev: 0,
    slot: NO_SLOT,
    generation: 0,
    flags: 0,
};

/// The label of a container's task; `None`: the task is the host's.
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
    }
    if is_the_hosts(task) != 0 {
        return None;
    }
    TASKS.get(task)
}

/// Of a task that has no label of a container, or one that is out of date; when 0, it has got one. A function of its own, so that the
/// verifier looks at two ends of it instead of all ways through it.
#[inline(never)]
fn is_the_hosts(task: Task) -> u32 {
    let known = TASKS.get(task).map_or(UNKNOWN, |label| {
        // SAFETY: a live map value.
        unsafe { *label }
    });
    let is_known = if known.flags & TaskFlags::KNOWN == 0 {
        !may_be_unseen(task)
    } else {
        // A thread without a container may be older than its process's move into one.
        known.slot == NO_SLOT && !follows_leader(task)
    };
    if is_known {
        return 1;
    }
    find(task);
    u32::from(own(task).is_none())
}

/// A task has no label that should have one: who is alive now is looked up by its cgroup before it is taken for the host's.
#[inline(never)]
pub fn lost() -> u32 {
    count::error(KernelError::TASK_STORAGE);
    if let Some(since) = FORKS_SEEN_SINCE.get_ptr_mut(0) {
        // SAFETY: a live map value; always valid.
        unsafe { *since = bpf_ktime_get_boot_ns() };
    }
    0
}

/// Exec id of what the task's parent executes.
#[inline(always)]
pub fn image_of_parent(task: Task) -> u64 {
    // SAFETY: tasks are BTF pointers, and so are their parents.
    let parent: Task = unsafe { load(task, offset!(task_real_parent)) };
    // SAFETY: a live map value.
    match TASKS.get(parent).map_or(0, |label| unsafe { (*label).exec_id }) {
        0 => lineage::of_host(Kptr(parent as u64)),
        known => known,
    }
}

/// What is kept of a process of the host is not so any more: it executes.
#[inline(always)]
pub fn forget_image(task: Task) {
    // SAFETY: tasks are BTF pointers.
    if !is_older_than_sensor(unsafe { load(task, offset!(task_start_boottime)) }) {
        return;
    }
    let _ = SEED.remove(Kptr(task as u64).read_or_zero::<u32>(offset!(task_tgid)));
    if let Some(label) = TASKS.get(task) {
        // SAFETY: a live map value; only its own task changes it.
        unsafe { (*label).exec_id = 0 };
    }
}

/// The label that the task has, of a container.
#[inline(always)]
fn own(task: Task) -> Option<*mut TaskLabel> {
    // SAFETY: a live map value.
    TASKS
        .get(task)
        .filter(|label| unsafe { (**label).slot != NO_SLOT })
}

/// Nobody can have labelled the task when its process was forked: it is older than the sensor, or a thread that no fork made (io_uring's
/// workers) or that was there when its process moved.
#[inline(always)]
fn may_be_unseen(task: Task) -> bool {
    // SAFETY: tasks are BTF pointers.
    let start: u64 = unsafe { load(task, offset!(task_start_boottime)) };
    is_older_than_sensor(start) || follows_leader(task)
}

/// By the time of its start (boot clock, ns).
#[inline(always)]
pub fn is_older_than_sensor(start: u64) -> bool {
    let since = FORKS_SEEN_SINCE.get(0).copied().unwrap_or(0);
    since == 0 || start < since
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

/// Makes the label of a task that was never seen, or that outlived its container.
#[inline(always)]
fn find(task: Task) {
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
        None => {
            lost();
        }
    }
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

/// What a task executes that was the host's, when that is not known. It may begin to execute another image meanwhile.
///
/// # Safety
/// `label` is a live map value.
#[inline(always)]
pub unsafe fn complete(label: *mut TaskLabel, task: Kptr) {
    // SAFETY: the caller's.
    unsafe {
        if (*label).exec_id != 0 {
            return;
        }
        if atomic::replace(addr_of_mut!((*label).exec_id), 0, lineage::of_host(task)) == 0 {
            ((*label).exe_dev, (*label).exe_id) = executable(task).unwrap_or((0, 0));
        }
    }
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

/// The label of who did something earlier; `None`: its slot is another's, and it was never in a container.
#[inline(always)]
pub fn lasting(label: TaskLabel) -> Option<TaskLabel> {
    if !is_stale(&label) {
        return Some(label);
    }
    (label.flags & TaskFlags::CONTAINED != 0).then_some(TaskLabel {
        flags: label.flags | TaskFlags::ORPHAN,
        ..label
    })
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
