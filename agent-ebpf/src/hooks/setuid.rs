//! A task becomes root without an exec: setuid(2) and its relatives. After the call the kernel has forgotten who the task was;
//! where no hook sees both, its label remembers.

use crate::global::offset;
use crate::header::{Origin, Report};
use crate::hooks::credentials::{self, Change, KIND};
use crate::kernel::{Kptr, Task};
use crate::maps::TASKS;
use crate::syscall::Syscall;
use crate::task;
use crate::user;
use agent_common::event::CredentialsOp;
use agent_common::slot::{NO_SLOT, TaskFlags};
use aya_ebpf::macros::{btf_tracepoint, fentry, lsm};
use aya_ebpf::programs::{BtfTracePointContext, FEntryContext, LsmContext};

const ROOT: u32 = 0;
const EPERM: i64 = -1;
/// `LSM_SETID_FS`: setfsuid(2).
const SETID_FS: u32 = 8;

/// `task_fix_setuid(struct cred *new, const struct cred *old, int flags)`, all kernels.
#[lsm(hook = "task_fix_setuid")]
pub fn lsm_setuid(ctx: LsmContext) -> i32 {
    changing(ctx.arg(0), ctx.arg(1), ctx.arg(2), Origin::LSM);
    0
}

/// `security_task_fix_setuid`, the same arguments.
#[fentry(function = "security_task_fix_setuid")]
pub fn fentry_setuid(ctx: FEntryContext) -> i32 {
    changing(ctx.arg(0), ctx.arg(1), ctx.arg(2), Origin::FENTRY);
    0
}

#[inline(always)]
fn changing(new: u64, old: u64, flags: u32, origin: Origin) {
    let field = if flags == SETID_FS {
        offset!(cred_fsuid)
    } else {
        offset!(cred_euid)
    };
    let (old_uid, new_uid) = (Kptr(old).read_or_zero(field), Kptr(new).read_or_zero(field));
    if old_uid == new_uid || new_uid != user::root_of(Kptr(new)) {
        return;
    }
    let change = Change {
        old_uid,
        new_uid,
        ..Change::new(CredentialsOp::SETUID)
    };
    let report = Report {
        kind: KIND,
        origin,
        flags: 0,
        ret: 0,
    };
    credentials::report(&change, report);
}

/// An image begins with these users.
#[btf_tracepoint(function = "sched_process_exec")]
pub fn exec_user(ctx: BtfTracePointContext) -> i32 {
    remember(ctx.arg(0));
    0
}

/// setuid(uid).
#[btf_tracepoint(function = "sys_exit")]
pub fn exit_setuid(ctx: BtfTracePointContext) -> i32 {
    let call = Syscall::of(&ctx);
    returned(&call, call.arg::<0>() as u32);
    0
}

/// setreuid(ruid, euid) and setresuid(ruid, euid, suid).
#[btf_tracepoint(function = "sys_exit")]
pub fn exit_setreuid(ctx: BtfTracePointContext) -> i32 {
    let call = Syscall::of(&ctx);
    returned(&call, call.arg::<1>() as u32);
    0
}

/// setfsuid(fsuid) returns the one before, in any case.
#[btf_tracepoint(function = "sys_exit")]
pub fn exit_setfsuid(ctx: BtfTracePointContext) -> i32 {
    let call = Syscall::of(&ctx);
    if call.arg::<0>() as u32 != ROOT || call.ret as u32 == ROOT {
        return 0;
    }
    let cred = credentials::current();
    let new_uid = cred.read_or_zero(offset!(cred_fsuid));
    if new_uid == user::root_of(cred) {
        became(new_uid, &call);
    }
    0
}

/// setuid(2) beside the hooks on objects: the kernel refuses before it asks a security module.
#[btf_tracepoint(function = "sys_exit")]
pub fn refused_setuid(ctx: BtfTracePointContext) -> i32 {
    let call = Syscall::of(&ctx);
    attempted(&call, call.arg::<0>() as u32);
    0
}

/// setreuid(2) and setresuid(2) beside the hooks on objects.
#[btf_tracepoint(function = "sys_exit")]
pub fn refused_setreuid(ctx: BtfTracePointContext) -> i32 {
    let call = Syscall::of(&ctx);
    attempted(&call, call.arg::<1>() as u32);
    0
}

#[inline(always)]
fn returned(call: &Syscall, asked: u32) {
    if call.ret != 0 {
        return attempted(call, asked);
    }
    let before = remember(task::current());
    let cred = credentials::current();
    let new_uid = user::effective(cred);
    if before & TaskFlags::UNPRIVILEGED != 0 && new_uid == user::root_of(cred) {
        became(new_uid, call);
    }
}

#[inline(always)]
fn attempted(call: &Syscall, asked: u32) {
    if call.ret == EPERM && asked == ROOT {
        let cred = credentials::current();
        let mut change = Change::new(CredentialsOp::SETUID);
        change.old_uid = user::effective(cred);
        change.new_uid = user::root_of(cred);
        credentials::report(&change, report(call, Origin::ARGUMENTS));
    }
}

#[inline(always)]
fn became(new_uid: u32, call: &Syscall) {
    let change = Change {
        new_uid,
        ..Change::new(CredentialsOp::SETUID)
    };
    credentials::report(&change, report(call, Origin::TRACEPOINT));
}

#[inline(always)]
fn report(call: &Syscall, origin: Origin) -> Report {
    Report {
        kind: KIND,
        origin,
        flags: call.flags(),
        ret: if call.ret < 0 { call.result() } else { 0 },
    }
}

/// Keeps in the label whether the current user is root; what it said before.
#[inline(always)]
fn remember(task: Task) -> u32 {
    let Some(label) = TASKS.get(task) else { return 0 };
    // SAFETY: a live map value; only its own task changes it.
    let label = unsafe { &mut *label };
    if label.slot == NO_SLOT {
        return 0;
    }
    let before = label.flags;
    let cred = user::credentials(Kptr(task as u64));
    if user::effective(cred) == user::root_of(cred) {
        label.flags &= !TaskFlags::UNPRIVILEGED;
    } else {
        label.flags |= TaskFlags::UNPRIVILEGED;
    }
    before
}
