//! A signal to a process outside the container. Within it they are its own business.

use crate::count;
use crate::emit;
use crate::global::offset;
use crate::header::{Origin, Report};
use crate::kernel::{Kptr, Task, read_user_or_zero};
use crate::process::{self, Known, Target};
use crate::syscall::Syscall;
use crate::task::{self, Actor, Deed};
use agent_common::counter::Outcome;
use agent_common::event::{EventKind, RecordFlags, SignalEvent};
use aya_ebpf::macros::{btf_tracepoint, fentry, lsm};
use aya_ebpf::programs::{BtfTracePointContext, FEntryContext, LsmContext};

const KIND: EventKind = EventKind::SIGNAL;
const EPERM: i64 = -1;
/// In a key's access: the attempt failed.
const FAILED: u16 = 0x100;
/// `si_code` of what processes send is 0 or less; by rt_sigqueueinfo(2) and its like they choose it. Two of these the kernel raises
/// in interrupts, whoever is current then: a timer's and a USB transfer's.
const SI_USER: i32 = 0;
const SI_TIMER: i32 = -2;
const SI_ASYNCIO: i32 = -4;
/// Where `siginfo_t` has it.
const CODE: u64 = 8;

/// `task_kill(struct task_struct *p, struct kernel_siginfo *info, int sig, const struct cred *cred)`, all kernels: only
/// what processes send.
#[lsm(hook = "task_kill")]
pub fn lsm_kill(ctx: LsmContext) -> i32 {
    sending(ctx.arg(0), ctx.arg(2), Origin::LSM);
    0
}

/// `security_task_kill`, the same arguments.
#[fentry(function = "security_task_kill")]
pub fn fentry_kill(ctx: FEntryContext) -> i32 {
    sending(ctx.arg(0), ctx.arg(2), Origin::FENTRY);
    0
}

/// `signal_generate(int sig, struct kernel_siginfo *info, struct task_struct *task, int group, int result)`, all kernels.
/// The kernel's own have no information behind the pointer, or another code: a child's end is nobody's deed.
#[btf_tracepoint(function = "signal_generate")]
pub fn signal_generate(ctx: BtfTracePointContext) -> i32 {
    let code = Kptr(ctx.arg(1)).read::<i32>(offset!(siginfo_code));
    if code.is_some_and(|code| code <= SI_USER && !is_raised_anywhere(code)) {
        sending(ctx.arg(2), ctx.arg(0), Origin::TRACEPOINT);
    }
    0
}

#[inline(always)]
fn is_raised_anywhere(code: i32) -> bool {
    matches!(code, SI_TIMER | SI_ASYNCIO)
}

#[inline(always)]
fn sending(to: Task, signal: u32, origin: Origin) {
    let Some(actor) = task::enter(KIND) else { return };
    let report = Report {
        kind: KIND,
        origin,
        flags: 0,
        ret: 0,
    };
    sent(&actor, &process::described(to), signal, report);
}

/// kill(pid, sig) and tkill(tid, sig): what was never generated.
#[btf_tracepoint(function = "sys_exit")]
pub fn exit_kill(ctx: BtfTracePointContext) -> i32 {
    let call = Syscall::of(&ctx);
    let signal = call.arg::<1>() as u32;
    if refused(&call) || probed(&call, signal) {
        by_number(&call, call.arg::<0>() as u32, signal);
    }
    0
}

/// tgkill(pid, tid, sig).
#[btf_tracepoint(function = "sys_exit")]
pub fn exit_tgkill(ctx: BtfTracePointContext) -> i32 {
    let call = Syscall::of(&ctx);
    let signal = call.arg::<2>() as u32;
    if refused(&call) || probed(&call, signal) {
        by_number(&call, call.arg::<1>() as u32, signal);
    }
    0
}

/// rt_sigqueueinfo(pid, sig, info).
#[btf_tracepoint(function = "sys_exit")]
pub fn exit_sigqueue(ctx: BtfTracePointContext) -> i32 {
    let call = Syscall::of(&ctx);
    let signal = call.arg::<1>() as u32;
    if refused(&call) || probed(&call, signal) || disguised(&call, call.arg::<2>()) {
        by_number(&call, call.arg::<0>() as u32, signal);
    }
    0
}

/// rt_tgsigqueueinfo(pid, tid, sig, info).
#[btf_tracepoint(function = "sys_exit")]
pub fn exit_tgsigqueue(ctx: BtfTracePointContext) -> i32 {
    let call = Syscall::of(&ctx);
    let signal = call.arg::<2>() as u32;
    if refused(&call) || probed(&call, signal) || disguised(&call, call.arg::<3>()) {
        by_number(&call, call.arg::<1>() as u32, signal);
    }
    0
}

/// pidfd_send_signal(pidfd, sig, info, flags), since 5.1.
#[btf_tracepoint(function = "sys_exit")]
pub fn exit_pidfd_signal(ctx: BtfTracePointContext) -> i32 {
    let call = Syscall::of(&ctx);
    let signal = call.arg::<1>() as u32;
    if refused(&call) || probed(&call, signal) || disguised(&call, call.arg::<2>()) {
        unseen(&call, process::by_pidfd(call.arg::<0>() as u32), signal);
    }
    0
}

/// kill(2) and its like beside the hooks on objects: the kernel refuses before it asks a security module.
#[btf_tracepoint(function = "sys_exit")]
pub fn refused_kill(ctx: BtfTracePointContext) -> i32 {
    let call = Syscall::of(&ctx);
    if refused(&call) {
        by_number(&call, call.arg::<0>() as u32, call.arg::<1>() as u32);
    }
    0
}

/// tgkill(2) beside the hooks on objects.
#[btf_tracepoint(function = "sys_exit")]
pub fn refused_tgkill(ctx: BtfTracePointContext) -> i32 {
    let call = Syscall::of(&ctx);
    if refused(&call) {
        by_number(&call, call.arg::<1>() as u32, call.arg::<2>() as u32);
    }
    0
}

/// pidfd_send_signal(2) beside the hooks on objects.
#[btf_tracepoint(function = "sys_exit")]
pub fn refused_pidfd_signal(ctx: BtfTracePointContext) -> i32 {
    let call = Syscall::of(&ctx);
    if refused(&call) {
        let target = process::by_pidfd(call.arg::<0>() as u32);
        unseen(&call, target, call.arg::<1>() as u32);
    }
    0
}

#[inline(always)]
fn refused(call: &Syscall) -> bool {
    call.ret == EPERM
}

/// Signal 0 only asks; none is generated.
#[inline(always)]
fn probed(call: &Syscall, signal: u32) -> bool {
    call.ret == 0 && signal == 0
}

/// Sent with a code of the kernel's own, which no tracepoint tells from the kernel's.
#[inline(always)]
fn disguised(call: &Syscall, info: u64) -> bool {
    call.ret == 0 && info != 0 && is_raised_anywhere(read_user_or_zero(info + CODE))
}

/// Groups (0 and below) are looked up nowhere.
#[inline(always)]
fn by_number(call: &Syscall, number: u32, signal: u32) {
    if number as i32 > 0 {
        unseen(call, process::by_number(number), signal);
    }
}

#[inline(always)]
fn unseen(call: &Syscall, target: Option<Kptr>, signal: u32) {
    let Some(target) = target else { return };
    let Some(actor) = task::enter(KIND) else { return };
    let report = Report {
        kind: KIND,
        origin: Origin::DESCRIPTOR,
        flags: call.flags(),
        ret: call.result(),
    };
    let known = Known {
        target: Target::of_task(target),
        exec_id: 0,
    };
    sent(&actor, &known, signal, report);
}

#[inline(always)]
fn sent(actor: &Actor, to: &Known, signal: u32, report: Report) {
    let target = to.target;
    if target.tgid == 0 || target.is_own(actor) {
        return count::outcome(KIND, Outcome::SUPPRESSED_UNWATCHED, actor.slot());
    }
    let deed = Deed {
        access: if report.ret < 0 { FAILED } else { 0 },
        object: [u64::from(target.slot), u64::from(target.tgid)],
        detail: u64::from(signal),
    };
    let Ok(draft) = emit::draft(actor, KIND, deed) else {
        return;
    };
    let report = Report {
        flags: report.flags | RecordFlags::DEVIATION,
        ..report
    };
    let record: *mut SignalEvent = draft.begin(actor, report);
    // SAFETY: scratch memory that this program took.
    unsafe {
        (*record).signal = signal;
        (*record).target_tgid = target.tgid;
        (*record).target_slot = target.slot;
        (*record).reserved = 0;
        (*record).target_exec_id = to.exec_id;
    }
    draft.submit();
}
