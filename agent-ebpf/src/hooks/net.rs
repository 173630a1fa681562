//! What bind, listen, connect and send have in common.

use crate::emit;
use crate::header::Report;
use crate::task::{Actor, Deed};
use agent_common::event::{NetEvent, SocketAddress};

/// A socket operation.
#[derive(Clone, Copy)]
pub struct Operation {
    pub deed: Deed,
    pub local: SocketAddress,
    pub remote: SocketAddress,
    pub protocol: u16,
    pub socket_type: u16,
    pub backlog: u32,
}

/// Judges and reports it.
#[inline(always)]
pub fn report(actor: &Actor, operation: &Operation, report: Report) {
    let Some(draft) = emit::draft(actor, report.kind, operation.deed) else {
        return;
    };
    let record: *mut NetEvent = draft.begin(actor, report);
    // SAFETY: scratch memory that this program took.
    unsafe {
        (*record).local = operation.local;
        (*record).remote = operation.remote;
        (*record).protocol = operation.protocol;
        (*record).socket_type = operation.socket_type;
        (*record).backlog = operation.backlog;
    }
    draft.submit();
}
