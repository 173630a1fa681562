//! A task enters namespaces. No LSM hook sees it: the call's return, on every kernel.

use crate::emit;
use crate::header::{Origin, Report};
use crate::namespaces;
use crate::syscall::Syscall;
use crate::task::{self, Deed};
use agent_common::event::{EventKind, RecordFlags, SetnsEvent};
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
    entered(call);
    0
}

#[inline(always)]
fn entered(call: Syscall) {
    let Some(actor) = task::enter(KIND) else { return };
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
    let Some(draft) = emit::draft(&actor, KIND, deed) else {
        return;
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
    draft.submit();
}
