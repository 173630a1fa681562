//! A task is made: of a container's it is what its parent is.

use crate::cgroup;
use crate::global::offset;
use crate::hooks::cgroup_attach_task;
use crate::kernel::{Kptr, Task, load};
use crate::label;
use crate::maps::TASKS;
use aya_ebpf::macros::btf_tracepoint;
use aya_ebpf::programs::BtfTracePointContext;

/// `sched_process_fork(struct task_struct *parent, struct task_struct *child)`, all kernels.
#[btf_tracepoint(function = "sched_process_fork")]
pub fn sched_process_fork(ctx: BtfTracePointContext) -> i32 {
    let parent: Task = ctx.arg(0);
    let child: Task = ctx.arg(1);
    let mut inherited = label::UNKNOWN;
    if let Some(label) = label::of(parent) {
        // SAFETY: a live map value.
        inherited = unsafe { *label };
        match TASKS.get_or_create(child) {
            // SAFETY: a live map value.
            Some(own) => unsafe { *own = inherited },
            None => {
                label::lost();
            }
        }
    }
    // CLONE_INTO_CGROUP fires no attach event.
    // SAFETY: tasks are BTF pointers.
    let groups = unsafe {
        let groups_of = |task| load::<u64>(task, offset!(task_cgroups));
        (groups_of(parent), groups_of(child))
    };
    if groups.0 == groups.1 {
        return 0;
    }
    let born_in = Kptr(born_elsewhere(Kptr(parent as u64), Kptr(child as u64)));
    if born_in.0 != 0 {
        cgroup_attach_task::moved(child, &inherited, cgroup::slot(born_in), 0);
    }
    0
}

/// The child's cgroup in cgroup2, the only hierarchy for CLONE_INTO_CGROUP, when it is not its parent's; else 0. A function of
/// its own: inlined, the compiler shifts the tasks' pointers ("R9 pointer arithmetic with <<= operator prohibited", 6.18).
#[inline(never)]
fn born_elsewhere(parent: Kptr, child: Kptr) -> u64 {
    let before = cgroup::v2_of_task(parent).map_or(0, |cgroup| cgroup.0);
    let now = cgroup::v2_of_task(child).map_or(0, |cgroup| cgroup.0);
    if now == before { 0 } else { now }
}
