//! A task is made: it is what its parent is.

use crate::cgroup;
use crate::count;
use crate::global::offset;
use crate::hooks::cgroup_attach_task;
use crate::kernel::{Kptr, Task};
use crate::label;
use crate::maps::TASKS;
use agent_common::counter::KernelError;
use aya_ebpf::macros::btf_tracepoint;
use aya_ebpf::programs::BtfTracePointContext;

/// `sched_process_fork(struct task_struct *parent, struct task_struct *child)`, all kernels.
#[btf_tracepoint(function = "sched_process_fork")]
pub fn sched_process_fork(ctx: BtfTracePointContext) -> i32 {
    let parent: Task = ctx.arg(0);
    let child: Task = ctx.arg(1);
    let Some(inherited) = label::of(parent) else {
        return 0;
    };
    // SAFETY: a live map value.
    let inherited = unsafe { *inherited };
    match TASKS.get_or_create(child) {
        // SAFETY: a live map value.
        Some(own) => unsafe { *own = inherited },
        None => count::error(KernelError::TASK_STORAGE),
    }
    // CLONE_INTO_CGROUP fires no attach event.
    if !cgroup_attach_task::belongs(&inherited) && changed_cgroup(Kptr(parent as u64), Kptr(child as u64)) {
        if let Some(target) = cgroup::slot_of_task(Kptr(child as u64)) {
            cgroup_attach_task::enter(child, target);
        }
    }
    0
}

#[inline(always)]
fn changed_cgroup(parent: Kptr, child: Kptr) -> bool {
    parent.read::<u64>(offset!(task_cgroups)) != child.read::<u64>(offset!(task_cgroups))
}
