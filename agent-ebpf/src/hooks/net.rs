//! What bind, listen, connect and send have in common.

use crate::emit::{self, ASKED, Draft};
use crate::header::{self, Report};
use crate::kernel::Kptr;
use crate::policy;
use crate::scratch::Scratch;
use crate::socket;
use crate::task::{Actor, Deed};
use agent_common::event::{EventKind, NetEvent, RecordFlags, SocketAddress};
use agent_common::policy::Verdict;

/// A socket operation.
#[derive(Clone, Copy)]
pub struct Operation {
    pub local: SocketAddress,
    pub remote: SocketAddress,
    pub protocol: u16,
    pub socket_type: u16,
    pub backlog: u32,
}

/// In a key's access: see [`RecordFlags::INHERITED`]. A listener of the image's own is another behaviour.
const INHERITED: u16 = 0x4000;
/// The same: what failed and then succeeds is another behaviour.
const REFUSED: u16 = 0x2000;
/// The same: nobody knows the port yet. With it the listener is told again.
const PORTLESS: u16 = 0x0800;

/// Judges and reports it. What the policy denies is the hook's to deny, or to end the process for.
#[inline(always)]
pub fn report(actor: &Actor, operation: &Operation, report: Report) -> Verdict {
    let draft = match draft(actor, operation, &report, 0) {
        Ok(draft) => draft,
        Err(verdict) => return verdict,
    };
    let verdict = policy::net(draft.scratch, actor.control.policy);
    draft.submit_judged(verdict, report.origin.means);
    verdict
}

/// Judges what is asked for, and reports it when it is to be denied. Otherwise another hook sees it done.
#[inline(always)]
pub fn ask(actor: &Actor, operation: &Operation, report: Report) -> Verdict {
    let draft = match draft(actor, operation, &report, ASKED) {
        Ok(draft) => draft,
        Err(verdict) => return verdict,
    };
    let verdict = policy::net(draft.scratch, actor.control.policy);
    draft.submit_asked(verdict, report.origin.means);
    verdict
}

/// The record, but for the verdict.
#[inline(always)]
fn draft(actor: &Actor, operation: &Operation, report: &Report, access: u16) -> Result<Draft, Verdict> {
    let mut known = Verdict::NONE;
    let scratch = record(actor, operation, report, access, &mut known);
    if scratch.is_null() {
        Err(known)
    } else {
        Ok(Draft { scratch })
    }
}

/// Apart from its callers, whose stacks it would overflow.
#[inline(never)]
fn record(
    actor: &Actor,
    operation: &Operation,
    report: &Report,
    access: u16,
    known: &mut Verdict,
) -> *mut Scratch {
    let mut asked = Deed::default();
    deed(actor, operation, report, &mut asked);
    asked.access |= access;
    // A verdict is that of the very port.
    if access & ASKED != 0 {
        asked.detail |= u64::from(operation.local.port | operation.remote.port);
    }
    match emit::draft(actor, report.kind, asked) {
        Ok(draft) => {
            fill(&draft, actor, operation, report);
            draft.scratch
        }
        Err(verdict) => {
            *known = verdict;
            core::ptr::null_mut()
        }
    }
}

/// Apart from [`record`], whose stack its temporaries would overflow.
#[inline(never)]
fn deed(actor: &Actor, operation: &Operation, report: &Report, deed: &mut Deed) -> u32 {
    let protocol = operation.protocol;
    *deed = if report.kind == EventKind::BIND || report.kind == EventKind::LISTEN {
        let local = &operation.local;
        socket::deed(protocol, local, socket::generalised(local.port))
    } else {
        socket::deed(protocol, &operation.remote, operation.remote.port)
    };
    // The same address is another host's in another network.
    deed.detail |= u64::from(header::network_namespace(Kptr(actor.task as u64))) << 32;
    if report.flags & RecordFlags::INHERITED != 0 {
        deed.access |= INHERITED;
    }
    if report.ret < 0 {
        deed.access |= REFUSED;
    }
    if report.kind == EventKind::LISTEN && operation.local.port == 0 {
        deed.access |= PORTLESS;
    }
    0
}

#[inline(always)]
fn fill(draft: &Draft, actor: &Actor, operation: &Operation, report: &Report) {
    let record: *mut NetEvent = draft.begin(actor, *report);
    // SAFETY: scratch memory that this program took.
    unsafe {
        (*record).local = operation.local;
        (*record).remote = operation.remote;
        (*record).protocol = operation.protocol;
        (*record).socket_type = operation.socket_type;
        (*record).backlog = operation.backlog;
    }
}
