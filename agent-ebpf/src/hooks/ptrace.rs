//! Access to other processes: ptrace(2), process_vm_readv(2) and process_vm_writev(2), pidfd_getfd(2), and with
//! lsm and fentry everything else that the kernel checks alike (/proc/PID/mem, /proc/PID/ns).

use crate::count;
use crate::emit;
use crate::global::offset;
use crate::header::{Origin, Report};
use crate::kernel::{Kptr, Task};
use crate::maps::TASKS;
use crate::process::{self, Target};
use crate::syscall::{self, Syscall};
use crate::task::{self, Deed};
use agent_common::counter::Outcome;
use agent_common::event::{EventKind, PtraceEvent, PtraceOp, RecordFlags};
use agent_common::slot::NO_SLOT;
use aya_ebpf::macros::{btf_tracepoint, fentry, lsm};
use aya_ebpf::programs::{BtfTracePointContext, FEntryContext, LsmContext};

const KIND: EventKind = EventKind::PTRACE;
const PTRACE_ATTACH: u32 = 16;
const PTRACE_SEIZE: u32 = 0x4206;
/// `PTRACE_MODE_ATTACH`; a check without it is for reading what `ps` shows.
const MODE_ATTACH: u32 = 2;
/// `PTRACE_MODE_ATTACH_REALCREDS`: what pidfd_getfd(2) is checked for.
const MODE_GETFD: u32 = 0x12;
/// In a key's access: the attempt failed.
const FAILED: u16 = 0x100;

/// An access.
#[derive(Clone, Copy)]
struct Access {
    op: PtraceOp,
    request: u32,
    target: Target,
    /// Lineage entry of the target's image; 0: not known.
    exec_id: u64,
}

/// `ptrace_access_check(struct task_struct *child, unsigned int mode)`, all kernels.
#[lsm(hook = "ptrace_access_check")]
pub fn lsm_ptrace(ctx: LsmContext) -> i32 {
    checked(ctx.arg(0), ctx.arg(1), Origin::LSM);
    0
}

/// `security_ptrace_access_check`, the same arguments.
#[fentry(function = "security_ptrace_access_check")]
pub fn fentry_ptrace(ctx: FEntryContext) -> i32 {
    checked(ctx.arg(0), ctx.arg(1), Origin::FENTRY);
    0
}

#[inline(always)]
fn checked(child: Task, mode: u32, origin: Origin) {
    let mut access = Access {
        op: PtraceOp::ACCESS_CHECK,
        request: mode,
        target: Target::of_task(Kptr(child as u64)),
        exec_id: 0,
    };
    if let Some(label) = TASKS.get(child) {
        // SAFETY: a live map value.
        unsafe {
            access.exec_id = (*label).exec_id;
            if (*label).slot != NO_SLOT {
                access.target.slot = (*label).slot;
            }
        }
    }
    let report = Report {
        kind: KIND,
        origin,
        flags: 0,
        ret: 0,
    };
    accessed(&access, report);
}

/// ptrace(request, pid, …): only what begins to trace another process.
#[btf_tracepoint(function = "sys_exit")]
pub fn exit_ptrace(ctx: BtfTracePointContext) -> i32 {
    let call = Syscall::of(&ctx);
    let request = call.arg::<0>() as u32;
    if request == PTRACE_ATTACH || request == PTRACE_SEIZE {
        by_number(&call, PtraceOp::PTRACE, request, call.arg::<1>() as u32);
    }
    0
}

/// process_vm_readv(pid, …).
#[btf_tracepoint(function = "sys_exit")]
pub fn exit_process_vm_readv(ctx: BtfTracePointContext) -> i32 {
    let call = Syscall::of(&ctx);
    by_number(&call, PtraceOp::PROCESS_VM_READ, 0, call.arg::<0>() as u32);
    0
}

/// process_vm_writev(pid, …).
#[btf_tracepoint(function = "sys_exit")]
pub fn exit_process_vm_writev(ctx: BtfTracePointContext) -> i32 {
    let call = Syscall::of(&ctx);
    by_number(&call, PtraceOp::PROCESS_VM_WRITE, 0, call.arg::<0>() as u32);
    0
}

/// pidfd_getfd(pidfd, …), since 5.6.
#[btf_tracepoint(function = "sys_exit")]
pub fn exit_pidfd_getfd(ctx: BtfTracePointContext) -> i32 {
    let call = Syscall::of(&ctx);
    let target = syscall::file(call.arg::<0>() as u32)
        .and_then(pid_of)
        .and_then(process::task_of);
    returned(&call, PtraceOp::ACCESS_CHECK, MODE_GETFD, target);
    0
}

/// The `struct pid` of a pidfd: the inode's since pidfs (6.9), the file's before.
#[inline(always)]
fn pid_of(file: Kptr) -> Option<Kptr> {
    file.follow(offset!(file_private_data))
        .or_else(|| file.follow(offset!(file_f_inode))?.follow(offset!(inode_private)))
}

#[inline(always)]
fn by_number(call: &Syscall, op: PtraceOp, request: u32, number: u32) {
    returned(call, op, request, process::by_number(number));
}

#[inline(always)]
fn returned(call: &Syscall, op: PtraceOp, request: u32, target: Option<Kptr>) {
    let access = Access {
        op,
        request,
        target: target.map_or(Target::UNKNOWN, Target::of_task),
        exec_id: 0,
    };
    let report = Report {
        kind: KIND,
        origin: Origin::DESCRIPTOR,
        flags: call.flags(),
        ret: call.result(),
    };
    accessed(&access, report);
}

/// Judges and reports it. Another container's process, or the host's, is no profile's business.
#[inline(always)]
fn accessed(access: &Access, report: Report) {
    let Some(actor) = task::enter(KIND) else { return };
    let own = access.target.slot == actor.label.slot;
    let reads = access.op == PtraceOp::ACCESS_CHECK && access.request & MODE_ATTACH == 0;
    if access.target.tgid == 0 || own && reads {
        return count::outcome(KIND, Outcome::SUPPRESSED_UNWATCHED);
    }
    let failed = if report.ret < 0 { FAILED } else { 0 };
    // Reading /proc of every process of the host is one behaviour, attaching to each is not.
    let tgid = if own || reads { 0 } else { access.target.tgid };
    let deed = Deed {
        access: access.op.0 as u16 | failed,
        object: [u64::from(access.target.slot), u64::from(tgid)],
        detail: u64::from(access.request),
    };
    let Some(draft) = emit::draft(&actor, KIND, deed) else {
        return;
    };
    let deviation = if own || reads { 0 } else { RecordFlags::DEVIATION };
    let report = Report {
        flags: report.flags | deviation,
        ..report
    };
    let record: *mut PtraceEvent = draft.begin(&actor, report);
    // SAFETY: scratch memory that this program took.
    unsafe {
        (*record).op = access.op;
        (*record).request = access.request;
        (*record).target_tgid = access.target.tgid;
        (*record).target_slot = access.target.slot;
        (*record).target_exec_id = access.exec_id;
    }
    draft.submit();
}
