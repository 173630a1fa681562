//! Mounts at the return of the system calls: strings are the arguments', descriptors are resolved.

use crate::global::offset;
use crate::header::Origin;
use crate::hooks::mount::{self, Operation, Outcome};
use crate::kernel::{Kptr, read_user};
use crate::path::Location;
use crate::policy;
use crate::syscall::{self, Syscall};
use crate::text::Text;
use agent_common::event::MountOp;
use aya_ebpf::macros::btf_tracepoint;
use aya_ebpf::programs::BtfTracePointContext;

const OPEN_TREE_CLONE: u64 = 1;
const COMPAT_UMOUNT: u32 = 22;
/// A magic number in the upper half of the flags, from before 2.4: the kernel drops it.
const MS_MGC_VAL: u64 = 0xc0ed_0000;
const MS_MGC_MSK: u64 = 0xffff_0000;
const MOVE_MOUNT_F_EMPTY_PATH: u64 = 4;

/// mount(source, target, fstype, flags, data).
#[btf_tracepoint(function = "sys_exit")]
pub fn exit_mount(ctx: BtfTracePointContext) -> i32 {
    let call = Syscall::of(&ctx);
    let mut flags = call.arg::<3>();
    if flags & MS_MGC_MSK == MS_MGC_VAL {
        flags &= !MS_MGC_MSK;
    }
    let operation = Operation {
        flags,
        source: Text::user(call.arg::<0>()),
        target: Text::user(call.arg::<1>()),
        fstype: Text::user(call.arg::<2>()),
        ..Operation::new(MountOp::MOUNT)
    };
    policy::end(mount::report(&operation, outcome(&call, Origin::ARGUMENTS)));
    0
}

/// umount2(target, flags), and i386's umount(target).
#[btf_tracepoint(function = "sys_exit")]
pub fn exit_umount(ctx: BtfTracePointContext) -> i32 {
    let call = Syscall::of(&ctx);
    let flags = if call.is_compat() && call.number() == COMPAT_UMOUNT {
        0
    } else {
        call.arg::<1>()
    };
    let operation = Operation {
        flags,
        target: Text::user(call.arg::<0>()),
        ..Operation::new(MountOp::UMOUNT)
    };
    mount::report(&operation, outcome(&call, Origin::ARGUMENTS));
    0
}

/// pivot_root(new_root, put_old).
#[btf_tracepoint(function = "sys_exit")]
pub fn exit_pivot_root(ctx: BtfTracePointContext) -> i32 {
    let call = Syscall::of(&ctx);
    let operation = Operation {
        source: Text::user(call.arg::<1>()),
        target: Text::user(call.arg::<0>()),
        ..Operation::new(MountOp::PIVOT_ROOT)
    };
    mount::report(&operation, outcome(&call, Origin::ARGUMENTS));
    0
}

/// move_mount(from_dfd, from_path, to_dfd, to_path, flags).
#[btf_tracepoint(function = "sys_exit")]
pub fn exit_move_mount(ctx: BtfTracePointContext) -> i32 {
    let call = Syscall::of(&ctx);
    let mut operation = Operation {
        source: Text::user(call.arg::<1>()),
        target: Text::user(call.arg::<3>()),
        ..Operation::new(MountOp::MOVE_MOUNT)
    };
    if call.arg::<4>() & MOVE_MOUNT_F_EMPTY_PATH != 0
        && let Some(location) = location(call.arg::<0>() as u32)
    {
        operation = operation.of(location);
    }
    mount::report(&operation, outcome(&call, Origin::ARGUMENTS));
    0
}

/// fsmount(fs_fd, flags, attributes) returns a mount that is attached nowhere.
#[btf_tracepoint(function = "sys_exit")]
pub fn exit_fsmount(ctx: BtfTracePointContext) -> i32 {
    let call = Syscall::of(&ctx);
    let mut operation = Operation {
        flags: call.arg::<2>(),
        ..Operation::new(MountOp::FSMOUNT)
    };
    if call.ret < 0 {
        mount::report(&operation, outcome(&call, Origin::ARGUMENTS));
        return 0;
    }
    if let Some(location) = location(call.ret as u32) {
        operation = operation.of(location);
    }
    policy::end(mount::report(&operation, outcome(&call, Origin::DESCRIPTOR)));
    0
}

/// open_tree(dfd, path, flags): a copy of a mount, attached nowhere. The argument only: with the returned descriptor
/// resolved as well, 6.1 finds the program too large.
#[btf_tracepoint(function = "sys_exit")]
pub fn exit_open_tree(ctx: BtfTracePointContext) -> i32 {
    let call = Syscall::of(&ctx);
    if call.arg::<2>() & OPEN_TREE_CLONE == 0 {
        return 0;
    }
    let operation = Operation {
        flags: call.arg::<2>(),
        source: Text::user(call.arg::<1>()),
        ..Operation::new(MountOp::OPEN_TREE)
    };
    mount::report(&operation, outcome(&call, Origin::ARGUMENTS));
    0
}

/// mount_setattr(dfd, path, flags, attributes, size), since 5.12. No hook on objects sees it.
#[btf_tracepoint(function = "sys_exit")]
pub fn exit_mount_setattr(ctx: BtfTracePointContext) -> i32 {
    let call = Syscall::of(&ctx);
    // `struct mount_attr` begins with what is set and what is cleared.
    let [set, cleared] = read_user::<[u64; 2]>(call.arg::<3>()).unwrap_or_default();
    let operation = Operation {
        flags: set & 0xffff_ffff | cleared << 32,
        target: Text::user(call.arg::<1>()),
        ..Operation::new(MountOp::SETATTR)
    };
    mount::report(&operation, outcome(&call, Origin::ARGUMENTS));
    0
}

/// Where a descriptor leads.
#[inline(always)]
fn location(fd: u32) -> Option<Location> {
    Location::read(syscall::file(fd).and_then(|file: Kptr| file.field(offset!(file_f_path)))?)
}

#[inline(always)]
fn outcome(call: &Syscall, origin: Origin) -> Outcome {
    Outcome {
        origin,
        flags: call.flags(),
        ret: call.result(),
    }
}
