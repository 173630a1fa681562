//! A cgroup is made: is it a container's?

use crate::cgroup::{self, Lifecycle, Named};
use crate::count;
use crate::kernel::Kptr;
use crate::label;
use crate::maps::SLOT_STATE;
use crate::message::debug;
use crate::scratch::{self, Scratch};
use crate::slot;
use crate::task;
use agent_common::counter::KernelError;
use agent_common::event::ContainerOp;
use agent_common::slot::{CgroupKey, SlotFlags, SlotRef};
use aya_ebpf::macros::btf_tracepoint;
use aya_ebpf::programs::BtfTracePointContext;

/// `cgroup_mkdir(struct cgroup *cgrp, const char *path)`, since 4.19. No fallback: identity rests on it.
#[btf_tracepoint(function = "cgroup_mkdir")]
pub fn cgroup_mkdir(ctx: BtfTracePointContext) -> i32 {
    let cgroup = Kptr(ctx.arg(0));
    let path: u64 = ctx.arg(1);
    let Some(key) = cgroup::key(cgroup) else { return 0 };
    let Some(scratch) = scratch::take() else {
        count::error(KernelError::SCRATCH_BUSY);
        return 0;
    };
    let created = assign(scratch, cgroup, key);
    scratch::release(scratch);
    if let Some(slot) = created {
        let created = Lifecycle {
            op: ContainerOp::CREATED,
            slot,
            path,
        };
        cgroup::report(task::current(), &created);
    }
    0
}

/// Finds the cgroup's slot; the slot is returned when it is new.
#[inline(always)]
fn assign(scratch: *mut Scratch, cgroup: Kptr, key: CgroupKey) -> Option<SlotRef> {
    let named = cgroup::read_name(scratch, cgroup);
    if let Some((parent, above)) = cgroup::slot_above(cgroup, key) {
        if named != Named::Container || !is_mere_candidate(above) {
            return None;
        }
        // `docker`, `kubepods`: a folder of containers, not one itself.
        abandon(&parent, above);
    }
    match named {
        Named::Unit => {
            debug!(
                "cgroup {} is a unit or a monitor of the host by its name: no container",
                key.id
            );
            None
        }
        Named::Candidate => slot::unpack(slot::take(scratch, SlotFlags::CANDIDATE, &key)),
        Named::Container if slot::join(scratch, &key) => None,
        Named::Container => {
            let taken = slot::unpack(slot::take(scratch, 0, &key));
            if taken.is_none() {
                // Where another program, or the daemon, was first.
                slot::join(scratch, &key);
            }
            taken
        }
    }
}

/// A candidate that never executed anything of its own.
#[inline(always)]
fn is_mere_candidate(slot: SlotRef) -> bool {
    SLOT_STATE.get(slot.slot).is_some_and(label::is_mere_candidate)
}

/// Takes the slot from a candidate that turned out to be a parent of containers.
#[inline(always)]
fn abandon(key: &CgroupKey, slot: SlotRef) {
    if slot::forget(key, slot) {
        let gone = Lifecycle {
            op: ContainerOp::GONE,
            slot,
            path: 0,
        };
        cgroup::report(task::current(), &gone);
    }
}
