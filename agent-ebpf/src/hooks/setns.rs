//! A task enters namespaces. No LSM hook sees it: the call's return, on every kernel.

use crate::emit;
use crate::escape;
use crate::header::{Origin, Report};
use crate::namespaces;
use crate::policy;
use crate::syscall::Syscall;
use crate::task::{self, Deed};
use agent_common::event::{EventKind, RecordFlags, SetnsEvent};
use agent_common::policy::Verdict;
use aya_ebpf::macros::btf_tracepoint;
use aya_ebpf::programs::BtfTracePointContext;

const KIND: EventKind = EventKind::SETNS;

/// setns(fd, nstype) returns: the namespaces are the kernel's own.
#[btf_tracepoint(function = "sys_exit")]
pub fn exit_setns(ctx: BtfTracePointContext) -> i32 {
    let call = Syscall::of(&ctx);
    if call.ret != 0 {
        return 0;
    }
    policy::end(entered(call));
    0
}

#[inline(always)]
fn entered(call: Syscall) -> Verdict {
    let Some(actor) = task::enter(KIND) else {
        return Verdict::NONE;
    };
    let now = namespaces::of_children(actor.task);
    let compared = namespaces::compare(&now, actor.label.slot);
    let deed = Deed {
        access: 0,
        object: [
            namespaces::pair(now.mnt, now.net),
            namespaces::pair(now.pid, now.user),
        ],
        detail: namespaces::pair(compared.host, compared.gained),
    };
    let draft = match emit::draft(&actor, KIND, deed) {
        Ok(draft) => draft,
        Err(verdict) => return verdict,
    };
    let deviation = if compared.gained != 0 {
        RecordFlags::DEVIATION
    } else {
        0
    };
    let report = Report {
        kind: KIND,
        origin: Origin::TRACEPOINT,
        flags: call.flags() | deviation,
        ret: 0,
    };
    let record: *mut SetnsEvent = draft.begin(&actor, report);
    // SAFETY: scratch memory that this program took.
    unsafe {
        (*record).namespaces = now;
        (*record).nstype = call.arg::<1>() as u32;
        (*record).host_mask = compared.host;
        (*record).gained_mask = compared.gained;
        (*record).reserved = 0;
    }
    // Before the task's next instruction: entered is all that it has.
    let verdict = escape::verdict(&actor, || compared.gained != 0);
    draft.submit_judged(verdict, report.origin.means);
    verdict
}
