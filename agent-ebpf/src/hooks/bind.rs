//! A socket is bound to an address.

use crate::emit;
use crate::header::{Origin, Report};
use crate::hooks::net;
use crate::socket::{self, NO_ADDRESS};
use crate::syscall::{self, Syscall};
use crate::task;
use agent_common::counter::Outcome;
use agent_common::event::{EventKind, RecordFlags};
use aya_ebpf::macros::btf_tracepoint;
use aya_ebpf::programs::BtfTracePointContext;

const KIND: EventKind = EventKind::BIND;

/// bind(2) returns: the address is the socket's, not the argument's.
#[btf_tracepoint(function = "sys_exit")]
pub fn exit_bind(ctx: BtfTracePointContext) -> i32 {
    let call = Syscall::of(&ctx);
    if call.ret != 0 {
        return 0;
    }
    let Some(actor) = task::enter(KIND) else { return 0 };
    let Some(sk) = syscall::file(call.arg::<0>() as u32).and_then(syscall::sock) else {
        emit::lose(KIND, Outcome::LOST_UNREADABLE, actor.label.slot);
        return 0;
    };
    let local = socket::local(sk);
    if local.family == 0 {
        crate::count::outcome(KIND, Outcome::SUPPRESSED_UNWATCHED);
        return 0;
    }
    let protocol = socket::protocol(sk);
    let operation = net::Operation {
        deed: socket::deed(protocol, &local, socket::generalised(local.port)),
        local,
        remote: NO_ADDRESS,
        protocol,
        socket_type: socket::kind(sk),
        backlog: 0,
    };
    let flags = if call.is_compat() { RecordFlags::COMPAT } else { 0 };
    let report = Report {
        kind: KIND,
        origin: Origin::DESCRIPTOR,
        flags,
        ret: 0,
    };
    net::report(&actor, &operation, report);
    0
}
