//! A watched name is removed. The hooks on paths know the mount, and do not fire for overlayfs's own work below.

use crate::header::{Origin, Report};
use crate::hooks::names::{self, Name};
use crate::syscall::Syscall;
use crate::task;
use agent_common::event::EventKind;
use aya_ebpf::macros::{btf_tracepoint, fentry, lsm};
use aya_ebpf::programs::{BtfTracePointContext, FEntryContext, LsmContext};

const KIND: EventKind = EventKind::UNLINK;

/// `path_unlink(const struct path *dir, struct dentry *dentry)`, with CONFIG_SECURITY_PATH.
#[lsm(hook = "path_unlink")]
pub fn lsm_unlink(ctx: LsmContext) -> i32 {
    removes(Name::entry(ctx.arg(0), ctx.arg(1)), Origin::LSM, 0);
    0
}

/// `security_path_unlink`, the same arguments.
#[fentry(function = "security_path_unlink")]
pub fn fentry_unlink(ctx: FEntryContext) -> i32 {
    removes(Name::entry(ctx.arg(0), ctx.arg(1)), Origin::FENTRY, 0);
    0
}

/// unlink(path) returns.
#[btf_tracepoint(function = "sys_exit")]
pub fn exit_unlink(ctx: BtfTracePointContext) -> i32 {
    let call = Syscall::of(&ctx);
    if call.ret == 0 {
        removes(Name::Argument(call.arg::<0>()), Origin::ARGUMENTS, call.flags());
    }
    0
}

/// unlinkat(dfd, path, flags) returns.
#[btf_tracepoint(function = "sys_exit")]
pub fn exit_unlinkat(ctx: BtfTracePointContext) -> i32 {
    let call = Syscall::of(&ctx);
    if call.ret == 0 {
        removes(Name::Argument(call.arg::<1>()), Origin::ARGUMENTS, call.flags());
    }
    0
}

#[inline(always)]
fn removes(name: Name, origin: Origin, flags: u32) {
    let Some(actor) = task::enter(KIND) else { return };
    let report = Report {
        kind: KIND,
        origin,
        flags,
        ret: 0,
    };
    names::report(&actor, name, Name::Absent, report);
}
