//! A watched name changes, or something takes it. See `unlink` for the choice of hooks.

use crate::header::{Origin, Report};
use crate::hooks::names::{self, Name};
use crate::syscall::Syscall;
use crate::task;
use agent_common::event::EventKind;
use aya_ebpf::macros::{btf_tracepoint, fentry, lsm};
use aya_ebpf::programs::{BtfTracePointContext, FEntryContext, LsmContext};

const KIND: EventKind = EventKind::RENAME;

/// `path_rename(const struct path *old_dir, struct dentry *old_dentry, const struct path *new_dir,
/// struct dentry *new_dentry, unsigned int flags)` (without flags before 5.19), with CONFIG_SECURITY_PATH.
#[lsm(hook = "path_rename")]
pub fn lsm_rename(ctx: LsmContext) -> i32 {
    let (old, new) = (
        Name::entry(ctx.arg(0), ctx.arg(1)),
        Name::entry(ctx.arg(2), ctx.arg(3)),
    );
    renames(old, new, Origin::LSM, 0);
    0
}

/// `security_path_rename`, the same arguments.
#[fentry(function = "security_path_rename")]
pub fn fentry_rename(ctx: FEntryContext) -> i32 {
    let (old, new) = (
        Name::entry(ctx.arg(0), ctx.arg(1)),
        Name::entry(ctx.arg(2), ctx.arg(3)),
    );
    renames(old, new, Origin::FENTRY, 0);
    0
}

/// rename(old, new) returns.
#[btf_tracepoint(function = "sys_exit")]
pub fn exit_rename(ctx: BtfTracePointContext) -> i32 {
    let call = Syscall::of(&ctx);
    if call.ret == 0 {
        returned(call.arg::<0>(), call.arg::<1>(), &call);
    }
    0
}

/// renameat(old_dfd, old, new_dfd, new) and renameat2 return.
#[btf_tracepoint(function = "sys_exit")]
pub fn exit_renameat(ctx: BtfTracePointContext) -> i32 {
    let call = Syscall::of(&ctx);
    if call.ret == 0 {
        returned(call.arg::<1>(), call.arg::<3>(), &call);
    }
    0
}

#[inline(always)]
fn returned(old: u64, new: u64, call: &Syscall) {
    renames(
        Name::Argument(old),
        Name::Argument(new),
        Origin::ARGUMENTS,
        call.flags(),
    );
}

#[inline(always)]
fn renames(old: Name, new: Name, origin: Origin, flags: u32) {
    let Some(actor) = task::enter(KIND) else { return };
    let report = Report {
        kind: KIND,
        origin,
        flags,
        ret: 0,
    };
    names::report(&actor, old, new, report);
}
