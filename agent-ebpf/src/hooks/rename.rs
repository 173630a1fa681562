//! A name changes, or something takes it. See `unlink` for the choice of hooks.

use crate::header::{Origin, Report};
use crate::hooks::names::{self, Change, Name};
use crate::hooks::open_attempt::AT_FDCWD;
use crate::scratch::Memory;
use crate::syscall::Syscall;
use agent_common::event::EventKind;
use aya_ebpf::macros::{btf_tracepoint, fentry, lsm};
use aya_ebpf::programs::{BtfTracePointContext, FEntryContext, LsmContext};

/// `path_rename(const struct path *old_dir, struct dentry *old_dentry, const struct path *new_dir,
/// struct dentry *new_dentry, unsigned int flags)`, since 5.19, with CONFIG_SECURITY_PATH.
#[lsm(hook = "path_rename")]
pub fn lsm_rename(ctx: LsmContext) -> i32 {
    let (old, new) = (
        Name::entry(ctx.arg(0), ctx.arg(1)),
        Name::entry(ctx.arg(2), ctx.arg(3)),
    );
    renames(Change::of(old, new), ctx.arg(4), Origin::LSM, 0);
    0
}

/// `security_path_rename`, the same arguments.
#[fentry(function = "security_path_rename")]
pub fn fentry_rename(ctx: FEntryContext) -> i32 {
    let (old, new) = (
        Name::entry(ctx.arg(0), ctx.arg(1)),
        Name::entry(ctx.arg(2), ctx.arg(3)),
    );
    renames(Change::of(old, new), ctx.arg(4), Origin::FENTRY, 0);
    0
}

/// The same without flags, as it was before 5.19: older kernels refuse programs that read an argument which is not there.
#[lsm(hook = "path_rename")]
pub fn lsm_rename_flagless(ctx: LsmContext) -> i32 {
    let (old, new) = (
        Name::entry(ctx.arg(0), ctx.arg(1)),
        Name::entry(ctx.arg(2), ctx.arg(3)),
    );
    renames(Change::of(old, new), 0, Origin::LSM, 0);
    0
}

#[fentry(function = "security_path_rename")]
pub fn fentry_rename_flagless(ctx: FEntryContext) -> i32 {
    let (old, new) = (
        Name::entry(ctx.arg(0), ctx.arg(1)),
        Name::entry(ctx.arg(2), ctx.arg(3)),
    );
    renames(Change::of(old, new), 0, Origin::FENTRY, 0);
    0
}

/// rename(old, new) returns.
#[btf_tracepoint(function = "sys_exit")]
pub fn exit_rename(ctx: BtfTracePointContext) -> i32 {
    let call = Syscall::of(&ctx);
    if call.ret == 0 {
        let old = Name::Asked(Memory::User(call.arg::<0>()), AT_FDCWD);
        let new = Name::Asked(Memory::User(call.arg::<1>()), AT_FDCWD);
        renames(Change::of(old, new), 0, Origin::ARGUMENTS, call.flags());
    }
    0
}

/// renameat(old_dfd, old, new_dfd, new) returns.
#[btf_tracepoint(function = "sys_exit")]
pub fn exit_renameat(ctx: BtfTracePointContext) -> i32 {
    let call = Syscall::of(&ctx);
    if call.ret == 0 {
        renamed_at(0, &call);
    }
    0
}

/// renameat2(old_dfd, old, new_dfd, new, flags) returns.
#[btf_tracepoint(function = "sys_exit")]
pub fn exit_renameat2(ctx: BtfTracePointContext) -> i32 {
    let call = Syscall::of(&ctx);
    if call.ret == 0 {
        renamed_at(call.arg::<4>() as u32, &call);
    }
    0
}

#[inline(always)]
fn renamed_at(flags: u32, call: &Syscall) {
    let old = Name::Asked(Memory::User(call.arg::<1>()), call.arg::<0>() as i32);
    let new = Name::Asked(Memory::User(call.arg::<3>()), call.arg::<2>() as i32);
    renames(Change::of(old, new), flags, Origin::ARGUMENTS, call.flags());
}

/// RENAME_EXCHANGE is another behaviour than a plain rename.
#[inline(always)]
fn renames(change: Change, rename_flags: u32, origin: Origin, flags: u32) {
    let report = Report {
        kind: EventKind::RENAME,
        origin,
        flags,
        ret: 0,
    };
    let change = Change {
        access: rename_flags as u16 & 0xff,
        rename_flags,
        ..change
    };
    names::report(&change, report);
}
