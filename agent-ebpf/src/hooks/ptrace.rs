//! Access to other processes: ptrace(2), process_vm_readv(2) and process_vm_writev(2), pidfd_getfd(2), and with
//! lsm and fentry everything else that the kernel checks alike (/proc/PID/mem, /proc/PID/ns). By tracepoints files of procfs are told that
//! it checks so when they are opened.

use crate::count;
use crate::emit;
use crate::escape;
use crate::global::offset;
use crate::header::{Origin, Report};
use crate::hooks::call::{self, Told};
use crate::hooks::receive;
use crate::kernel::{Kptr, Task, number};
use crate::label;
use crate::policy;
use crate::process::{self, Target};
use crate::procfs;
use crate::syscall::{self, Syscall};
use crate::task::{self, Deed};
use crate::text::Text;
use agent_common::counter::Outcome;
use agent_common::event::{CallName, EventKind, PtraceEvent, PtraceOp, RecordFlags};
use agent_common::policy::Verdict;
use aya_ebpf::macros::{btf_tracepoint, fentry, lsm};
use aya_ebpf::programs::{BtfTracePointContext, FEntryContext, LsmContext};

const KIND: EventKind = EventKind::PTRACE;
const PTRACE_TRACEME: u32 = 0;
const PTRACE_POKETEXT: u32 = 4;
const PTRACE_POKEDATA: u32 = 5;
const PTRACE_POKEUSR: u32 = 6;
/// Not on every architecture.
const PTRACE_SETREGS: u32 = 13;
const PTRACE_SETFPREGS: u32 = 15;
const PTRACE_SETREGSET: u32 = 0x4205;
const PTRACE_ATTACH: u32 = 16;
const PTRACE_SEIZE: u32 = 0x4206;
/// `PTRACE_MODE_ATTACH`; a check without it is for reading what `ps` shows.
const MODE_ATTACH: u32 = 2;
/// `PTRACE_MODE_ATTACH_REALCREDS`: what pidfd_getfd(2) is checked for.
const MODE_GETFD: u32 = 0x12;
/// In `f_mode`: only the path was opened.
const FMODE_PATH: u32 = 0x4000;
/// In a key's access: the attempt failed.
const FAILED: u16 = 0x100;
/// In a key's access: to enter its namespaces.
const ENTERS: u16 = 0x200;
/// setns(2), and of 32-bit programs.
const SETNS: [u32; 2] = if cfg!(bpf_target_arch = "x86_64") {
    [308, 346]
} else {
    [268, 375]
};

/// An access.
#[derive(Clone, Copy)]
struct Access {
    op: PtraceOp,
    request: u32,
    target: Target,
    /// Lineage entry of the target's image; 0: not known.
    exec_id: u64,
    /// By a descriptor of the process, which shows no file of a namespace.
    enters: bool,
}

/// `ptrace_access_check(struct task_struct *child, unsigned int mode)`, all kernels.
#[lsm(hook = "ptrace_access_check")]
pub fn lsm_ptrace(ctx: LsmContext) -> i32 {
    policy::errno(checked(ctx.arg(0), ctx.arg(1), Origin::LSM))
}

/// `security_ptrace_access_check`, the same arguments.
#[fentry(function = "security_ptrace_access_check")]
pub fn fentry_ptrace(ctx: FEntryContext) -> i32 {
    policy::end(checked(ctx.arg(0), ctx.arg(1), Origin::FENTRY));
    0
}

#[inline(always)]
fn checked(child: Task, mode: u32, origin: Origin) -> Verdict {
    // The host's ps asks for each process.
    if label::of(task::current()).is_none() {
        return Verdict::NONE;
    }
    let known = process::described(child);
    let access = Access {
        enters: syscall::is_in(SETNS[0], SETNS[1]),
        op: PtraceOp::ACCESS_CHECK,
        request: mode,
        target: known.target,
        exec_id: known.exec_id,
    };
    let report = Report {
        kind: KIND,
        origin,
        flags: 0,
        ret: 0,
    };
    accessed(&access, report)
}

/// ptrace(request, pid, …): what begins to trace, and what changes who is traced.
#[btf_tracepoint(function = "sys_exit")]
pub fn exit_ptrace(ctx: BtfTracePointContext) -> i32 {
    let call = Syscall::of(&ctx);
    let request = call.arg::<0>() as u32;
    if request == PTRACE_ATTACH || request == PTRACE_SEIZE || changes(request) {
        by_number(&call, PtraceOp::PTRACE, request, call.arg::<1>() as u32);
    } else if request == PTRACE_TRACEME {
        offered(&call);
    }
    0
}

/// The same beside the hooks on objects, which see the beginning only.
#[btf_tracepoint(function = "sys_exit")]
pub fn exit_traced(ctx: BtfTracePointContext) -> i32 {
    let call = Syscall::of(&ctx);
    let request = call.arg::<0>() as u32;
    if changes(request) {
        by_number(&call, PtraceOp::PTRACE, request, call.arg::<1>() as u32);
    } else if request == PTRACE_TRACEME {
        offered(&call);
    }
    0
}

/// Code, data or registers of another process.
#[inline(always)]
fn changes(request: u32) -> bool {
    matches!(
        request,
        PTRACE_POKETEXT
            | PTRACE_POKEDATA
            | PTRACE_POKEUSR
            | PTRACE_SETREGS
            | PTRACE_SETFPREGS
            | PTRACE_SETREGSET
    )
}

/// The task lets its parent trace it: a debugger's child, or one that keeps debuggers away.
#[inline(always)]
fn offered(syscall: &Syscall) {
    let told = Told {
        call: CallName::PTRACE,
        args: [u64::from(PTRACE_TRACEME), 0, 0, 0],
        text: Text::Absent,
        key: [0; 2],
    };
    call::report(&told, call::returned(syscall, Origin::ARGUMENTS, 0));
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
    let target = process::by_pidfd(call.arg::<0>() as u32);
    policy::end(returned(&call, PtraceOp::ACCESS_CHECK, MODE_GETFD, target));
    if call.ret >= 0 {
        receive::came(call.ret as u32, call.flags());
    }
    0
}

/// The current task has opened a file.
#[inline(always)]
pub fn opened(file: Kptr, call: &Syscall) -> Verdict {
    Verdict(opened_of_process(number(file.0), call.flags(), call.result()))
}

/// Global, as those in [`crate::scratch`]. Own files are most of what is opened in procfs.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn opened_of_process(file: u64, flags: u32, ret: i32) -> u32 {
    let file = Kptr(file);
    let Some(task) = procfs::subject(file) else {
        return 0;
    };
    let target = Target::of_task(task);
    let own = Kptr(task::current() as u64).read_or_zero::<u32>(offset!(task_tgid));
    let path_only = file.read_or_zero::<u32>(offset!(file_f_mode)) & FMODE_PATH != 0;
    if target.tgid == own || path_only {
        return 0;
    }
    let request = procfs::asked(file);
    if request == 0 {
        return 0;
    }
    let access = Access {
        op: PtraceOp::ACCESS_CHECK,
        request,
        target,
        exec_id: 0,
        enters: false,
    };
    let report = Report {
        kind: KIND,
        origin: Origin::DESCRIPTOR,
        flags,
        ret,
    };
    accessed(&access, report).0
}

#[inline(always)]
fn by_number(call: &Syscall, op: PtraceOp, request: u32, number: u32) {
    policy::end(returned(call, op, request, process::by_number(number)));
}

#[inline(always)]
fn returned(call: &Syscall, op: PtraceOp, request: u32, target: Option<Kptr>) -> Verdict {
    let access = Access {
        op,
        request,
        target: target.map_or(Target::UNKNOWN, Target::of_task),
        exec_id: 0,
        enters: false,
    };
    let report = Report {
        kind: KIND,
        origin: Origin::DESCRIPTOR,
        flags: call.flags(),
        ret: call.result(),
    };
    accessed(&access, report)
}

/// Judges and reports it. Another container's process, or the host's, is no profile's business.
#[inline(always)]
fn accessed(access: &Access, report: Report) -> Verdict {
    let Some(actor) = task::enter(KIND) else {
        return Verdict::NONE;
    };
    let own = access.target.is_own(&actor);
    let reads = access.op == PtraceOp::ACCESS_CHECK && access.request & MODE_ATTACH == 0;
    if access.target.tgid == 0 || own && reads {
        count::outcome(KIND, Outcome::SUPPRESSED_UNWATCHED, actor.slot());
        return Verdict::NONE;
    }
    let failed = if report.ret < 0 { FAILED } else { 0 };
    let enters = if access.enters { ENTERS } else { 0 };
    // Reading /proc of every process of the host is one behaviour, attaching to each is not.
    let tgid = if own || reads { 0 } else { access.target.tgid };
    let deed = Deed {
        access: access.op.0 as u16 | failed | enters,
        object: [u64::from(access.target.slot), u64::from(tgid)],
        detail: u64::from(access.request),
    };
    let draft = match emit::draft(&actor, KIND, deed) {
        Ok(draft) => draft,
        Err(verdict) => return verdict,
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
    let verdict = escape::verdict(&actor, || {
        report.ret >= 0 && (!reads || access.enters) && escape::is_of_host(access.target.slot)
    });
    draft.submit_judged(verdict, report.origin.means);
    verdict
}
