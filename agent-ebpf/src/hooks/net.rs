//! What bind, listen, connect and send have in common.

use crate::emit;
use crate::header::Report;
use crate::socket;
use crate::task::Actor;
use agent_common::event::{EventKind, NetEvent, SocketAddress};

/// A socket operation.
#[derive(Clone, Copy)]
pub struct Operation {
    pub local: SocketAddress,
    pub remote: SocketAddress,
    pub protocol: u16,
    pub socket_type: u16,
    pub backlog: u32,
}

/// Judges and reports it.
#[inline(always)]
pub fn report(actor: &Actor, operation: &Operation, report: Report) {
    submit(actor, operation, &report);
}

/// Apart from its callers, whose stacks it would overflow.
#[inline(never)]
fn submit(actor: &Actor, operation: &Operation, report: &Report) -> u32 {
    let protocol = operation.protocol;
    let deed = if report.kind == EventKind::BIND || report.kind == EventKind::LISTEN {
        let local = &operation.local;
        socket::deed(protocol, local, socket::generalised(local.port))
    } else {
        socket::deed(protocol, &operation.remote, operation.remote.port)
    };
    let Some(draft) = emit::draft(actor, report.kind, deed) else {
        return 0;
    };
    let record: *mut NetEvent = draft.begin(actor, *report);
    // SAFETY: scratch memory that this program took.
    unsafe {
        (*record).local = operation.local;
        (*record).remote = operation.remote;
        (*record).protocol = operation.protocol;
        (*record).socket_type = operation.socket_type;
        (*record).backlog = operation.backlog;
    }
    draft.submit();
    0
}
