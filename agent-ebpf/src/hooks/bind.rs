//! A socket is bound to an address.

use crate::count;
use crate::emit;
use crate::global::offset;
use crate::header::{Origin, Report};
use crate::hooks::net;
use crate::kernel::Kptr;
use crate::socket::{self, NO_ADDRESS, Named};
use crate::syscall::{self, Syscall};
use crate::task;
use agent_common::counter::Outcome;
use agent_common::event::{EventKind, RecordFlags};
use aya_ebpf::macros::{btf_tracepoint, fentry, lsm};
use aya_ebpf::programs::{BtfTracePointContext, FEntryContext, LsmContext};

const KIND: EventKind = EventKind::BIND;

/// `socket_bind(struct socket *sock, struct sockaddr *address, int addrlen)`, all kernels. The port is the one asked for.
#[lsm(hook = "socket_bind")]
pub fn lsm_bind(ctx: LsmContext) -> i32 {
    binding(Kptr(ctx.arg(0)), Kptr(ctx.arg(1)), ctx.arg(2), Origin::LSM);
    0
}

/// `security_socket_bind`, with the same arguments.
#[fentry(function = "security_socket_bind")]
pub fn fentry_bind(ctx: FEntryContext) -> i32 {
    binding(Kptr(ctx.arg(0)), Kptr(ctx.arg(1)), ctx.arg(2), Origin::FENTRY);
    0
}

#[inline(always)]
fn binding(socket: Kptr, address: Kptr, len: u32, origin: Origin) {
    let Some(actor) = task::enter(KIND) else { return };
    let Some(sk) = socket.follow(offset!(socket_sk)) else {
        return emit::lose(KIND, Outcome::LOST_UNREADABLE, actor.label.slot);
    };
    let mut operation = net::Operation {
        local: NO_ADDRESS,
        remote: NO_ADDRESS,
        protocol: socket::protocol(sk),
        socket_type: socket::kind(sk),
        backlog: 0,
    };
    if socket::is_inet(sk) {
        socket::read_named(&Named { sk, address, len }, &mut operation.local);
    }
    if operation.local.family == 0 {
        return count::outcome(KIND, Outcome::SUPPRESSED_UNWATCHED);
    }
    let report = Report {
        kind: KIND,
        origin,
        flags: 0,
        ret: 0,
    };
    net::report(&actor, &operation, report);
}

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
        count::outcome(KIND, Outcome::SUPPRESSED_UNWATCHED);
        return 0;
    }
    let protocol = socket::protocol(sk);
    let operation = net::Operation {
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
