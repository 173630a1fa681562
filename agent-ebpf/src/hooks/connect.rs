//! A stream socket is connected. Attempts on datagram sockets are no contact: resolvers sort addresses that way.

use crate::count;
use crate::emit;
use crate::global::offset;
use crate::header::{Origin, Report};
use crate::hooks::net;
use crate::kernel::{Kptr, Task, load};
use crate::socket::{self, NO_ADDRESS, Named, SOCK_STREAM};
use crate::task::{self, Actor};
use agent_common::counter::Outcome;
use agent_common::event::EventKind;
use aya_ebpf::macros::{fentry, lsm};
use aya_ebpf::programs::{FEntryContext, LsmContext};

const KIND: EventKind = EventKind::CONNECT;
/// `MSG_FASTOPEN`: a send that connects.
const MSG_FASTOPEN: u32 = 0x2000_0000;

/// `socket_connect(struct socket *sock, struct sockaddr *address, int addrlen)`, all kernels.
#[lsm(hook = "socket_connect")]
pub fn lsm_connect(ctx: LsmContext) -> i32 {
    connecting(Kptr(ctx.arg(0)), Kptr(ctx.arg(1)), ctx.arg(2), Origin::LSM);
    0
}

/// `security_socket_connect`, with the same arguments.
#[fentry(function = "security_socket_connect")]
pub fn fentry_connect(ctx: FEntryContext) -> i32 {
    connecting(Kptr(ctx.arg(0)), Kptr(ctx.arg(1)), ctx.arg(2), Origin::FENTRY);
    0
}

/// `socket_sendmsg(struct socket *sock, struct msghdr *msg, int size)`, all kernels: TCP Fast Open connects here only.
#[lsm(hook = "socket_sendmsg")]
pub fn lsm_fastopen(ctx: LsmContext) -> i32 {
    sending(Kptr(ctx.arg(0)), ctx.arg(1), Origin::LSM);
    0
}

/// `security_socket_sendmsg`, with the same arguments.
#[fentry(function = "security_socket_sendmsg")]
pub fn fentry_fastopen(ctx: FEntryContext) -> i32 {
    sending(Kptr(ctx.arg(0)), ctx.arg(1), Origin::FENTRY);
    0
}

#[inline(always)]
fn connecting(socket: Kptr, address: Kptr, len: u32, origin: Origin) {
    let Some(actor) = task::enter(KIND) else { return };
    let Some(sk) = socket.follow(offset!(socket_sk)) else {
        return emit::lose(KIND, Outcome::LOST_UNREADABLE, actor.label.slot);
    };
    // Without a family it is a disconnect.
    if socket::kind(sk) != SOCK_STREAM || !socket::is_inet(sk) || address.read_or_zero::<u16>(0) == 0 {
        return count::outcome(KIND, Outcome::SUPPRESSED_UNWATCHED);
    }
    contact(&actor, Named { sk, address, len }, origin);
}

#[inline(always)]
fn sending(socket: Kptr, message: Task, origin: Origin) {
    // SAFETY: `msghdr` is a BTF pointer. Loaded, not read by the helper: this runs for every send of the host.
    let (flags, name) = unsafe {
        (
            load::<u32>(message, offset!(msghdr_flags)),
            load::<u64>(message, offset!(msghdr_name)),
        )
    };
    if flags & MSG_FASTOPEN == 0 || name == 0 {
        return;
    }
    let Some(actor) = task::enter(KIND) else { return };
    let Some(sk) = socket.follow(offset!(socket_sk)) else {
        return emit::lose(KIND, Outcome::LOST_UNREADABLE, actor.label.slot);
    };
    if socket::kind(sk) != SOCK_STREAM || !socket::is_inet(sk) {
        return count::outcome(KIND, Outcome::SUPPRESSED_UNWATCHED);
    }
    let len = Kptr(message as u64).read_or_zero(offset!(msghdr_name_len));
    let address = Kptr(name);
    contact(&actor, Named { sk, address, len }, origin);
}

#[inline(always)]
fn contact(actor: &Actor, named: Named, origin: Origin) {
    let mut operation = net::Operation {
        local: NO_ADDRESS,
        remote: NO_ADDRESS,
        protocol: socket::protocol(named.sk),
        socket_type: SOCK_STREAM,
        backlog: 0,
    };
    socket::read_named(&named, &mut operation.remote);
    if operation.remote.family == 0 {
        return count::outcome(KIND, Outcome::SUPPRESSED_UNWATCHED);
    }
    socket::normalise_peer(&mut operation.remote);
    socket::read_local(named.sk, &mut operation.local);
    let report = Report {
        kind: KIND,
        origin,
        flags: 0,
        ret: 0,
    };
    net::report(actor, &operation, report);
}
