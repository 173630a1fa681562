//! A file gets a further name. See `unlink` for the choice of hooks.

use crate::global::offset;
use crate::header::{Origin, Report};
use crate::hooks::names::{self, Change, Name};
use crate::hooks::open_attempt::AT_FDCWD;
use crate::kernel::Kptr;
use crate::scratch::Memory;
use crate::syscall::Syscall;
use agent_common::event::EventKind;
use aya_ebpf::macros::{btf_tracepoint, fentry, lsm};
use aya_ebpf::programs::{BtfTracePointContext, FEntryContext, LsmContext};

/// `S_ISUID | S_ISGID`.
const SETID_BITS: u16 = 0o6000;

/// `path_link(struct dentry *old_dentry, const struct path *new_dir, struct dentry *new_dentry)`, with CONFIG_SECURITY_PATH.
#[lsm(hook = "path_link")]
pub fn lsm_link(ctx: LsmContext) -> i32 {
    names_file(ctx.arg(0), ctx.arg(1), ctx.arg(2), Origin::LSM);
    0
}

/// `security_path_link`, the same arguments.
#[fentry(function = "security_path_link")]
pub fn fentry_link(ctx: FEntryContext) -> i32 {
    names_file(ctx.arg(0), ctx.arg(1), ctx.arg(2), Origin::FENTRY);
    0
}

/// Both names are on one mount: the kernel sees to it. That the file is a set-user-ID one is another behaviour.
#[inline(always)]
fn names_file(old: u64, directory: u64, new: u64, origin: Origin) {
    let inode = Kptr(Kptr(old).read_or_zero(offset!(dentry_inode)));
    let mode = inode.read_or_zero::<u16>(offset!(inode_mode));
    let change = Change {
        access: mode & SETID_BITS,
        ..Change::of(Name::entry(directory, old), Name::entry(directory, new))
    };
    links(&change, origin, 0);
}

/// link(old, new) returns.
#[btf_tracepoint(function = "sys_exit")]
pub fn exit_link(ctx: BtfTracePointContext) -> i32 {
    let call = Syscall::of(&ctx);
    if call.ret == 0 {
        let old = Name::Asked(Memory::User(call.arg::<0>()), AT_FDCWD);
        let new = Name::Asked(Memory::User(call.arg::<1>()), AT_FDCWD);
        links(&Change::of(old, new), Origin::ARGUMENTS, call.flags());
    }
    0
}

/// linkat(old_dfd, old, new_dfd, new, flags) returns.
#[btf_tracepoint(function = "sys_exit")]
pub fn exit_linkat(ctx: BtfTracePointContext) -> i32 {
    let call = Syscall::of(&ctx);
    if call.ret == 0 {
        let old = Name::Asked(Memory::User(call.arg::<1>()), call.arg::<0>() as i32);
        let new = Name::Asked(Memory::User(call.arg::<3>()), call.arg::<2>() as i32);
        links(&Change::of(old, new), Origin::ARGUMENTS, call.flags());
    }
    0
}

#[inline(always)]
fn links(change: &Change, origin: Origin, flags: u32) {
    let report = Report {
        kind: EventKind::LINK,
        origin,
        flags,
        ret: 0,
    };
    names::report(change, report);
}
