//! What bind, listen, connect and send have in common.

use crate::emit;
use crate::header::{self, Report};
use crate::kernel::Kptr;
use crate::socket;
use crate::task::Actor;
use agent_common::event::{EventKind, NetEvent, RecordFlags, SocketAddress};

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

/// Judges and reports it.
#[inline(always)]
pub fn report(actor: &Actor, operation: &Operation, report: Report) {
    submit(actor, operation, &report);
}

/// Apart from its callers, whose stacks it would overflow.
#[inline(never)]
fn submit(actor: &Actor, operation: &Operation, report: &Report) -> u32 {
    let protocol = operation.protocol;
    let mut deed = if report.kind == EventKind::BIND || report.kind == EventKind::LISTEN {
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
