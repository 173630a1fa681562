//! A process moves to another cgroup: how containers get their first task, and how `docker exec` arrives.

use crate::cgroup::{self, Lifecycle};
use crate::count;
use crate::emit;
use crate::header;
use crate::kernel::{Kptr, Task};
use crate::label;
use crate::maps::{SLOT_STATE, TASKS};
use crate::quota::{self, Lane};
use crate::task;
use agent_common::counter::Outcome;
use agent_common::event::{ContainerOp, EventKind};
use agent_common::slot::{NO_SLOT, SHARED_SLOT, SlotFlags, SlotRef, TaskFlags, TaskLabel};
use aya_ebpf::helpers::generated::bpf_ktime_get_boot_ns;
use aya_ebpf::macros::btf_tracepoint;
use aya_ebpf::programs::BtfTracePointContext;

/// What a report of leaving takes of the ring, about.
const LEFT_BYTES: u32 = 512;

/// `cgroup_attach_task(struct cgroup *dst, const char *path, struct task_struct *task, bool threadgroup)`, since 4.19.
/// Does not fire for CLONE_INTO_CGROUP: the fork program compares cgroups.
#[btf_tracepoint(function = "cgroup_attach_task")]
pub fn cgroup_attach_task(ctx: BtfTracePointContext) -> i32 {
    let cgroup = Kptr(ctx.arg(0));
    if cgroup::key(cgroup).is_none() {
        return 0;
    }
    let task: Task = ctx.arg(2);
    let target = cgroup::slot(cgroup);
    let known = match TASKS.get(task) {
        // SAFETY: a live map value.
        Some(label) => unsafe { *label },
        None => label::UNKNOWN,
    };
    moved(task, &known, target, ctx.arg(1));
    0
}

/// A task with the label `known` is in a cgroup of `target` now; `path` is the cgroup's, or 0.
#[inline(always)]
pub fn moved(task: Task, known: &TaskLabel, target: Option<SlotRef>, path: u64) {
    match target {
        // Of a container that is gone: nobody else's first process.
        Some(_) if label::outlived(known) => leave(known, path),
        Some(target) if !belongs(known) || is_found(known, target) => enter(task, target),
        Some(target) if target.slot == known.slot => {}
        _ if belongs(known) => leave(known, path),
        _ => {}
    }
}

/// Another hierarchy has a slot for the container that shared one so far.
#[inline(always)]
fn is_found(label: &TaskLabel, target: SlotRef) -> bool {
    label.slot == SHARED_SLOT && target.slot != SHARED_SLOT
}

/// The label names a slot that still belongs to the same container, and to one that is more than a candidate.
#[inline(always)]
fn belongs(label: &TaskLabel) -> bool {
    label.slot != NO_SLOT
        && SLOT_STATE
            .get(label.slot)
            .is_some_and(|state| state.generation == label.generation && !label::is_mere_candidate(state))
}

/// A container's own doing is within its quota; the runtime's is never in question.
#[inline(always)]
fn leave(label: &TaskLabel, path: u64) {
    let slot = SlotRef {
        slot: label.slot,
        generation: label.generation,
    };
    let left = Lifecycle {
        op: ContainerOp::LEFT,
        slot,
        path,
    };
    if quota::is_within_quota(label.slot, Lane::Urgent, LEFT_BYTES) {
        cgroup::report(task::current(), &left);
    } else {
        count::outcome(EventKind::CONTAINER, Outcome::SEEN, slot);
        emit::lose(EventKind::CONTAINER, Outcome::LOST_QUOTA, slot);
    }
}

/// Labels a task that enters a slot.
#[inline(always)]
fn enter(task: Task, target: SlotRef) {
    let Some(label) = TASKS.get_or_create(task) else {
        label::lost();
        return;
    };
    let Some(state) = SLOT_STATE.get_ptr_mut(target.slot) else {
        return;
    };
    // SAFETY: live map values.
    unsafe {
        label::complete(label, Kptr(task as u64));
        label::join(&mut *label, target);
        // What a container pulls into its cgroup is no runtime.
        if !by_container() {
            label::begin_runtime(&mut *label, bpf_ktime_get_boot_ns());
        }
        if (*state).flags.0 & SlotFlags::LIVE != 0 {
            (*label).flags |= TaskFlags::EXEC_SESSION;
        }
        if (*state).runtime_mnt_ns == 0 {
            (*state).runtime_mnt_ns = header::mount_namespace(Kptr(task::current() as u64));
        }
    }
}

/// The current task is a container's: whom it moves is not being started by a runtime.
#[inline(always)]
fn by_container() -> bool {
    // SAFETY: a live map value.
    TASKS
        .get(task::current())
        .is_some_and(|label| unsafe { belongs(&*label) })
}
