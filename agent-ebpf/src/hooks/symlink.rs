//! A symbolic link is made: to text, which need not name anything. See `unlink` for the choice of hooks.

use crate::header::{Origin, Report};
use crate::hooks::names::{self, Change, Name};
use crate::hooks::open_attempt::AT_FDCWD;
use crate::scratch::Memory;
use crate::syscall::Syscall;
use agent_common::event::EventKind;
use aya_ebpf::macros::{btf_tracepoint, fentry, lsm};
use aya_ebpf::programs::{BtfTracePointContext, FEntryContext, LsmContext};

/// `path_symlink(const struct path *dir, struct dentry *dentry, const char *old_name)`, with CONFIG_SECURITY_PATH.
#[lsm(hook = "path_symlink")]
pub fn lsm_symlink(ctx: LsmContext) -> i32 {
    let link = Name::entry(ctx.arg(0), ctx.arg(1));
    links(Memory::Kernel(ctx.arg(2)), link, Origin::LSM, 0);
    0
}

/// `security_path_symlink`, the same arguments.
#[fentry(function = "security_path_symlink")]
pub fn fentry_symlink(ctx: FEntryContext) -> i32 {
    let link = Name::entry(ctx.arg(0), ctx.arg(1));
    links(Memory::Kernel(ctx.arg(2)), link, Origin::FENTRY, 0);
    0
}

/// symlink(text, link) returns.
#[btf_tracepoint(function = "sys_exit")]
pub fn exit_symlink(ctx: BtfTracePointContext) -> i32 {
    let call = Syscall::of(&ctx);
    if call.ret == 0 {
        let link = Name::Asked(Memory::User(call.arg::<1>()), AT_FDCWD);
        links(
            Memory::User(call.arg::<0>()),
            link,
            Origin::ARGUMENTS,
            call.flags(),
        );
    }
    0
}

/// symlinkat(text, dfd, link) returns.
#[btf_tracepoint(function = "sys_exit")]
pub fn exit_symlinkat(ctx: BtfTracePointContext) -> i32 {
    let call = Syscall::of(&ctx);
    if call.ret == 0 {
        let link = Name::Asked(Memory::User(call.arg::<2>()), call.arg::<1>() as i32);
        links(
            Memory::User(call.arg::<0>()),
            link,
            Origin::ARGUMENTS,
            call.flags(),
        );
    }
    0
}

#[inline(always)]
fn links(text: Memory, link: Name, origin: Origin, flags: u32) {
    let report = Report {
        kind: EventKind::SYMLINK,
        origin,
        flags,
        ret: 0,
    };
    names::report(&Change::of(Name::Text(text), link), report);
}
