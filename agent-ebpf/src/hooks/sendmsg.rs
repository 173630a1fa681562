//! A datagram to a named peer: contact without a connection.

use crate::count;
use crate::global::offset;
use crate::header::{Origin, Report};
use crate::hooks::net;
use crate::hooks::sock_addr::{self, ALLOW, peer4, peer6};
use crate::kernel::{Kptr, Task, load};
use crate::policy;
use crate::socket::{self, IPPROTO_UDP, IPPROTO_UDPLITE, NO_ADDRESS, Named};
use crate::task::{self, Actor};
use agent_common::counter::Outcome;
use agent_common::event::{EventKind, SocketAddress};
use agent_common::policy::Verdict;
use aya_ebpf::bindings::bpf_sock_addr;
use aya_ebpf::macros::{cgroup_sock_addr, fentry, lsm};
use aya_ebpf::programs::{FEntryContext, LsmContext, SockAddrContext};

const KIND: EventKind = EventKind::SEND;

/// `socket_sendmsg(struct socket *sock, struct msghdr *msg, int size)`, all kernels.
#[lsm(hook = "socket_sendmsg")]
pub fn lsm_send(ctx: LsmContext) -> i32 {
    policy::errno(sending(Kptr(ctx.arg(0)), ctx.arg(1), Origin::LSM))
}

/// `security_socket_sendmsg`, with the same arguments.
#[fentry(function = "security_socket_sendmsg")]
pub fn fentry_send(ctx: FEntryContext) -> i32 {
    sending(Kptr(ctx.arg(0)), ctx.arg(1), Origin::FENTRY_TOLD);
    0
}

#[inline(always)]
fn sending(socket: Kptr, message: Task, origin: Origin) -> Verdict {
    // SAFETY: `msghdr` is a BTF pointer. Loaded, not read by the helper: this runs for every send of the host.
    let name: u64 = unsafe { load(message, offset!(msghdr_name)) };
    if name == 0 {
        return Verdict::NONE;
    }
    let Some(sk) = socket.follow(offset!(socket_sk)) else {
        return Verdict::NONE;
    };
    let protocol = socket::protocol(sk);
    if !socket::is_inet(sk) || protocol != IPPROTO_UDP && protocol != IPPROTO_UDPLITE {
        return Verdict::NONE;
    }
    let Some(actor) = task::enter(KIND) else {
        return Verdict::NONE;
    };
    let len = Kptr(message as u64).read_or_zero(offset!(msghdr_name_len));
    let address = Kptr(name);
    let mut operation = net::Operation {
        local: NO_ADDRESS,
        remote: NO_ADDRESS,
        protocol,
        socket_type: socket::kind(sk),
        backlog: 0,
    };
    socket::read_named(&Named { sk, address, len }, &mut operation.remote);
    if operation.remote.family == 0 {
        count::outcome(KIND, Outcome::SUPPRESSED_UNWATCHED, actor.slot());
        return Verdict::NONE;
    }
    socket::normalise_peer(&mut operation.remote);
    socket::read_local(sk, &mut operation.local);
    net::report(&actor, &operation, report(origin))
}

/// sendmsg(2) and its relatives on unconnected UDP over IPv4, since 4.18; with task storage in cgroup programs, newer
/// than 6.12.
#[cgroup_sock_addr(sendmsg4)]
pub fn sendmsg4(ctx: SockAddrContext) -> i32 {
    match task::enter(KIND) {
        Some(actor) => datagram(&actor, ctx.sock_addr, peer4(ctx.sock_addr)),
        None => ALLOW,
    }
}

/// The same over IPv6.
#[cgroup_sock_addr(sendmsg6)]
pub fn sendmsg6(ctx: SockAddrContext) -> i32 {
    match task::enter(KIND) {
        Some(actor) => datagram(&actor, ctx.sock_addr, peer6(ctx.sock_addr)),
        None => ALLOW,
    }
}

/// The same where the task's label cannot be had: the container is the cgroup's, and no exec is known.
#[cgroup_sock_addr(sendmsg4)]
pub fn sendmsg4_by_cgroup(ctx: SockAddrContext) -> i32 {
    match task::enter_by_cgroup(KIND) {
        Some(actor) => datagram(&actor, ctx.sock_addr, peer4(ctx.sock_addr)),
        None => ALLOW,
    }
}

/// The same over IPv6.
#[cgroup_sock_addr(sendmsg6)]
pub fn sendmsg6_by_cgroup(ctx: SockAddrContext) -> i32 {
    match task::enter_by_cgroup(KIND) {
        Some(actor) => datagram(&actor, ctx.sock_addr, peer6(ctx.sock_addr)),
        None => ALLOW,
    }
}

#[inline(always)]
fn datagram(actor: &Actor, context: *mut bpf_sock_addr, peer: SocketAddress) -> i32 {
    let mut operation = sock_addr::operation(context, NO_ADDRESS, peer);
    socket::normalise_peer(&mut operation.remote);
    policy::permission(net::report(actor, &operation, report(Origin::CGROUP)))
}

#[inline(always)]
fn report(origin: Origin) -> Report {
    Report {
        kind: KIND,
        origin,
        flags: 0,
        ret: 0,
    }
}
