//! bpf(2) from a container.

use crate::emit;
use crate::escape;
use crate::header::{Origin, Report};
use crate::heartbeat;
use crate::kernel::{Kptr, read_user};
use crate::policy;
use crate::syscall::Syscall;
use crate::task::{self, Deed};
use agent_common::escape::is_denied_command;
use agent_common::event::{BpfEvent, EventKind, RecordFlags};
use agent_common::policy::Verdict;
use aya_ebpf::macros::{btf_tracepoint, fentry, lsm};
use aya_ebpf::programs::{BtfTracePointContext, FEntryContext, LsmContext};

const KIND: EventKind = EventKind::BPF;
const MAP_CREATE: u32 = 0;
/// Commands on elements of a map that one has: BPF_MAP_LOOKUP_ELEM to BPF_MAP_GET_NEXT_KEY.
const ELEMENTS: core::ops::RangeInclusive<u32> = 1..=4;
const PROG_LOAD: u32 = 5;
const EPERM: i64 = 1;
/// In a key's access: the attempt failed.
const FAILED: u16 = 0x100;

/// `bpf(int cmd, union bpf_attr *attr, unsigned int size)`, all kernels (6.15 adds an argument).
#[lsm(hook = "bpf")]
pub fn lsm_bpf(ctx: LsmContext) -> i32 {
    let verdict = before(ctx.arg(0), ctx.arg(1), Origin::LSM);
    escape::mark(task::current(), verdict);
    policy::errno(verdict)
}

/// `security_bpf`, the same arguments.
#[fentry(function = "security_bpf")]
pub fn fentry_bpf(ctx: FEntryContext) -> i32 {
    policy::end(before(ctx.arg(0), ctx.arg(1), Origin::FENTRY));
    0
}

#[inline(always)]
fn before(cmd: u32, attributes: u64, origin: Origin) -> Verdict {
    if heartbeat::is_called(cmd, || Kptr(attributes).read_or_zero(0)) {
        heartbeat::answer(origin);
        return Verdict::NONE;
    }
    let report = Report {
        kind: KIND,
        origin,
        flags: 0,
        ret: 0,
    };
    commanded(cmd, Kptr(attributes).read_or_zero(0), report)
}

/// bpf(cmd, attributes, size) returns.
#[btf_tracepoint(function = "sys_exit")]
pub fn exit_bpf(ctx: BtfTracePointContext) -> i32 {
    let call = Syscall::of(&ctx);
    if heartbeat::has_returned(&call) {
        heartbeat::answer(Origin::ARGUMENTS);
    } else {
        policy::end(returned(&call));
    }
    0
}

/// The same beside the hooks on objects: the kernel refuses before it asks a security module.
#[btf_tracepoint(function = "sys_exit")]
pub fn refused_bpf(ctx: BtfTracePointContext) -> i32 {
    let call = Syscall::of(&ctx);
    if heartbeat::has_returned(&call) {
        heartbeat::answer(Origin::ARGUMENTS);
    } else if call.ret == -EPERM && !escape::was_told(KIND) {
        returned(&call);
    }
    0
}

#[inline(always)]
fn returned(call: &Syscall) -> Verdict {
    let report = Report {
        kind: KIND,
        origin: Origin::ARGUMENTS,
        flags: call.flags(),
        ret: call.result(),
    };
    let subtype = read_user::<u32>(call.arg::<1>()).unwrap_or(0);
    commanded(call.arg::<0>() as u32, subtype, report)
}

#[inline(always)]
fn commanded(cmd: u32, subtype: u32, report: Report) -> Verdict {
    let Some(actor) = task::enter(KIND) else {
        return Verdict::NONE;
    };
    let failed = if report.ret < 0 { FAILED } else { 0 };
    // Other commands begin with a descriptor or an id.
    let creates = matches!(cmd, MAP_CREATE | PROG_LOAD);
    let deed = Deed {
        access: failed,
        object: [u64::from(cmd), if creates { u64::from(subtype) } else { 0 }],
        detail: 0,
    };
    let draft = match emit::draft(&actor, KIND, deed) {
        Ok(draft) => draft,
        Err(verdict) => return verdict,
    };
    let deviation = if ELEMENTS.contains(&cmd) {
        0
    } else {
        RecordFlags::DEVIATION
    };
    let report = Report {
        flags: report.flags | deviation,
        ..report
    };
    let record: *mut BpfEvent = draft.begin(&actor, report);
    // SAFETY: scratch memory that this program took.
    unsafe {
        (*record).cmd = cmd;
        (*record).subtype = subtype;
    }
    let verdict = escape::verdict(&actor, || failed == 0 && is_denied_command(cmd, subtype));
    draft.submit_judged(verdict, report.origin.means);
    verdict
}
