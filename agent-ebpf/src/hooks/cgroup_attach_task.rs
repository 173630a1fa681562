//! A process moves to another cgroup: how containers get their first task, and how `docker exec` arrives.

use crate::cgroup::{self, Lifecycle};
use crate::count;
use crate::header;
use crate::kernel::{Kptr, Task};
use crate::label;
use crate::maps::{SLOT_STATE, TASKS};
use crate::task;
use agent_common::counter::KernelError;
use agent_common::event::ContainerOp;
use agent_common::slot::{NO_SLOT, SlotFlags, SlotRef, TaskFlags, TaskLabel};
use aya_ebpf::macros::btf_tracepoint;
use aya_ebpf::programs::BtfTracePointContext;

/// `cgroup_attach_task(struct cgroup *dst, const char *path, struct task_struct *task, bool threadgroup)`, since 4.19.
/// Does not fire for CLONE_INTO_CGROUP: the fork program compares cgroups.
#[btf_tracepoint(function = "cgroup_attach_task")]
pub fn cgroup_attach_task(ctx: BtfTracePointContext) -> i32 {
    let Some(key) = cgroup::key(Kptr(ctx.arg(0))) else {
        return 0;
    };
    let task: Task = ctx.arg(2);
    let target = cgroup::slot(&key);
    let known = match TASKS.get(task) {
        // SAFETY: a live map value.
        Some(label) => unsafe { *label },
        None => label::UNKNOWN,
    };
    if belongs(&known) {
        if target.is_none_or(|target| target.slot != known.slot) {
            leave(&known, ctx.arg(1));
        }
        return 0;
    }
    if let Some(target) = target {
        enter(task, target);
    }
    0
}

/// The label names a slot that still belongs to the same container, and to one that is more than a candidate.
#[inline(always)]
pub fn belongs(label: &TaskLabel) -> bool {
    label.slot != NO_SLOT
        && SLOT_STATE.get(label.slot).is_some_and(|state| {
            state.generation == label.generation
                && state.flags.0 & (SlotFlags::CANDIDATE | SlotFlags::LIVE) != SlotFlags::CANDIDATE
        })
}

#[inline(always)]
fn leave(label: &TaskLabel, path: u64) {
    let left = Lifecycle {
        op: ContainerOp::LEFT,
        slot: SlotRef {
            slot: label.slot,
            generation: label.generation,
        },
        path,
    };
    cgroup::report(task::current(), &left);
}

/// Labels a task that enters a slot. Also for tasks that are born in its cgroup.
#[inline(always)]
pub fn enter(task: Task, target: SlotRef) {
    let Some(label) = TASKS.get_or_create(task) else {
        count::error(KernelError::TASK_STORAGE);
        return;
    };
    let Some(state) = SLOT_STATE.get_ptr_mut(target.slot) else {
        return;
    };
    // SAFETY: live map values.
    unsafe {
        label::join(&mut *label, target);
        (*label).flags |= TaskFlags::RUNTIME_INIT;
        if (*state).flags.0 & SlotFlags::LIVE != 0 {
            (*label).flags |= TaskFlags::EXEC_SESSION;
        }
        if (*state).runtime_mnt_ns == 0 {
            (*state).runtime_mnt_ns = header::mount_namespace(Kptr(task::current() as u64));
        }
    }
}
