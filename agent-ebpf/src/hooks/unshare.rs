//! A container's task makes namespaces, for itself or for a child: the way to rights over parts of the kernel that the
//! container alone does not reach.

use crate::emit;
use crate::global::offset;
use crate::header::{Origin, Report};
use crate::kernel::{Kptr, Task, load};
use crate::namespaces;
use crate::syscall::Syscall;
use crate::task::{self, Deed};
use agent_common::event::{EventKind, Namespaces, RecordFlags, SetnsEvent};
use aya_ebpf::macros::btf_tracepoint;
use aya_ebpf::programs::BtfTracePointContext;

const KIND: EventKind = EventKind::UNSHARE;
const NEWTIME: u32 = 0x80;
const NEWNS: u32 = 0x2_0000;
const NEWCGROUP: u32 = 0x200_0000;
const NEWUTS: u32 = 0x400_0000;
const NEWIPC: u32 = 0x800_0000;
const NEWUSER: u32 = 0x1000_0000;
const NEWPID: u32 = 0x2000_0000;
const NEWNET: u32 = 0x4000_0000;
/// In the order of [`Namespaces::NAMES`].
const FLAGS: [u32; 8] = [NEWNS, NEWPID, NEWNET, NEWIPC, NEWUTS, NEWCGROUP, NEWUSER, NEWTIME];
const ANY: u32 = NEWNS | NEWPID | NEWNET | NEWIPC | NEWUTS | NEWCGROUP | NEWUSER | NEWTIME;
const EPERM: i64 = -1;
/// User namespaces are used up, or switched off.
const ENOSPC: i64 = -28;
/// In a key's access: the attempt failed.
const FAILED: u16 = 0x100;
/// In a key's access: by clone.
const CHILD: u16 = 1;

/// unshare(flags).
#[btf_tracepoint(function = "sys_exit")]
pub fn exit_unshare(ctx: BtfTracePointContext) -> i32 {
    let call = Syscall::of(&ctx);
    let asked = call.arg::<0>() as u32 & ANY;
    if asked == 0 || !matches!(call.ret, 0 | EPERM | ENOSPC) {
        return 0;
    }
    let access = if call.ret < 0 { FAILED } else { 0 };
    let report = Report {
        kind: KIND,
        origin: Origin::TRACEPOINT,
        flags: call.flags(),
        ret: call.result(),
    };
    made(task::current(), asked, access, report);
    0
}

/// A child is born in namespaces of its own: clone(2), clone3(2). Runs for every fork of the host: pointers come first.
#[btf_tracepoint(function = "sched_process_fork")]
pub fn born_in_namespaces(ctx: BtfTracePointContext) -> i32 {
    let (parent, child): (Task, Task) = (ctx.arg(0), ctx.arg(1));
    // SAFETY: tasks are BTF pointers.
    let same = unsafe { load::<u64>(parent, offset!(task_nsproxy)) == load(child, offset!(task_nsproxy)) };
    if same && user_namespace(parent) == user_namespace(child) {
        return 0;
    }
    let before = namespaces::of_children(parent);
    let now = namespaces::of_children(child);
    let report = Report {
        kind: KIND,
        origin: Origin::TRACEPOINT,
        flags: 0,
        ret: 0,
    };
    made(child, differing(&before, &now), CHILD, report);
    0
}

#[inline(always)]
fn user_namespace(task: Task) -> u64 {
    // SAFETY: tasks are BTF pointers.
    let cred = Kptr(unsafe { load(task, offset!(task_real_cred)) });
    cred.read_or_zero(offset!(cred_user_ns))
}

/// `CLONE_NEW*` flags of the namespaces that are not the same.
#[inline(always)]
fn differing(one: &Namespaces, other: &Namespaces) -> u32 {
    let shared = namespaces::shared(one, other);
    let mut flags = 0;
    for (bit, flag) in FLAGS.iter().enumerate() {
        flags |= (!shared >> bit & 1) * flag;
    }
    flags
}

/// Reports it. What the namespaces are is new each time: the behaviour is which ones were asked for.
#[inline(always)]
fn made(whose: Task, asked: u32, access: u16, report: Report) {
    let Some(actor) = task::enter(KIND) else { return };
    let deed = Deed {
        access,
        object: [u64::from(asked), 0],
        detail: report.ret as u64,
    };
    let Ok(draft) = emit::draft(&actor, KIND, deed) else {
        return;
    };
    let report = Report {
        flags: report.flags | RecordFlags::DEVIATION,
        ..report
    };
    let record: *mut SetnsEvent = draft.begin(&actor, report);
    // SAFETY: scratch memory that this program took. Nothing of it stays on the stack: with it 6.12 refuses the program
    // ("combined stack size of 2 calls is 544. Too large").
    unsafe {
        (*record).namespaces = namespaces::of_children(whose);
        let compared = namespaces::compare(&(*record).namespaces, actor.label.slot);
        (*record).nstype = asked;
        (*record).host_mask = compared.host;
        (*record).gained_mask = compared.gained;
        (*record).reserved = 0;
    }
    draft.submit();
}
