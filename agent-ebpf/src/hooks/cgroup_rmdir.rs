//! A cgroup is removed.

use crate::cgroup::{self, Lifecycle};
use crate::kernel::Kptr;
use crate::maps::CGROUPS;
use crate::slot;
use crate::task;
use agent_common::event::ContainerOp;
use aya_ebpf::macros::btf_tracepoint;
use aya_ebpf::programs::BtfTracePointContext;

/// `cgroup_rmdir(struct cgroup *cgrp, const char *path)`, since 4.19. No task is left in it then.
#[btf_tracepoint(function = "cgroup_rmdir")]
pub fn cgroup_rmdir(ctx: BtfTracePointContext) -> i32 {
    let Some(key) = cgroup::key(Kptr(ctx.arg(0))) else {
        return 0;
    };
    // SAFETY: a copy; a removed entry may be reused, then the slot's generation differs.
    let Some(slot) = (unsafe { CGROUPS.get(&key) }).copied() else {
        return 0;
    };
    if slot::forget(&key, slot) {
        let gone = Lifecycle {
            op: ContainerOp::GONE,
            slot,
            path: ctx.arg(1),
        };
        cgroup::report(task::current(), &gone);
    }
    0
}
