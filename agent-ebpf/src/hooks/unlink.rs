//! A name is removed; of directories, which rmdir(2) removes, nothing is said. The hooks on paths know the mount, and do not fire
//! for overlayfs's own work below.

use crate::header::{Origin, Report};
use crate::hooks::names::{self, Change, Name};
use crate::hooks::open_attempt::AT_FDCWD;
use crate::scratch::Memory;
use crate::syscall::Syscall;
use agent_common::event::EventKind;
use aya_ebpf::macros::{btf_tracepoint, fentry, lsm};
use aya_ebpf::programs::{BtfTracePointContext, FEntryContext, LsmContext};

const AT_REMOVEDIR: u64 = 0x200;

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
        removed(AT_FDCWD, call.arg::<0>(), &call);
    }
    0
}

/// unlinkat(dfd, path, flags) returns.
#[btf_tracepoint(function = "sys_exit")]
pub fn exit_unlinkat(ctx: BtfTracePointContext) -> i32 {
    let call = Syscall::of(&ctx);
    if call.ret == 0 && call.arg::<2>() & AT_REMOVEDIR == 0 {
        removed(call.arg::<0>() as i32, call.arg::<1>(), &call);
    }
    0
}

#[inline(always)]
fn removed(directory: i32, path: u64, call: &Syscall) {
    let name = Name::Asked(Memory::User(path), directory);
    removes(name, Origin::ARGUMENTS, call.flags());
}

#[inline(always)]
fn removes(name: Name, origin: Origin, flags: u32) {
    let report = Report {
        kind: EventKind::UNLINK,
        origin,
        flags,
        ret: 0,
    };
    names::report(&Change::of(name, Name::Absent), report);
}
