//! A datagram to a named peer: contact without a connection.

use crate::count;
use crate::global::offset;
use crate::header::{Origin, Report};
use crate::hooks::net;
use crate::kernel::{Kptr, Task, load};
use crate::socket::{self, AF_INET, AF_INET6, IPPROTO_UDP, IPPROTO_UDPLITE, NO_ADDRESS, Named};
use crate::task::{self, Actor};
use agent_common::counter::Outcome;
use agent_common::event::{EventKind, SocketAddress};
use aya_ebpf::bindings::bpf_sock_addr;
use aya_ebpf::macros::{cgroup_sock_addr, fentry, lsm};
use aya_ebpf::programs::{FEntryContext, LsmContext, SockAddrContext};

const KIND: EventKind = EventKind::SEND;
/// The call goes on.
const ALLOW: i32 = 1;

/// `socket_sendmsg(struct socket *sock, struct msghdr *msg, int size)`, all kernels.
#[lsm(hook = "socket_sendmsg")]
pub fn lsm_send(ctx: LsmContext) -> i32 {
    sending(Kptr(ctx.arg(0)), ctx.arg(1), Origin::LSM);
    0
}

/// `security_socket_sendmsg`, with the same arguments.
#[fentry(function = "security_socket_sendmsg")]
pub fn fentry_send(ctx: FEntryContext) -> i32 {
    sending(Kptr(ctx.arg(0)), ctx.arg(1), Origin::FENTRY);
    0
}

#[inline(always)]
fn sending(socket: Kptr, message: Task, origin: Origin) {
    // SAFETY: `msghdr` is a BTF pointer. Loaded, not read by the helper: this runs for every send of the host.
    let name: u64 = unsafe { load(message, offset!(msghdr_name)) };
    if name == 0 {
        return;
    }
    let Some(sk) = socket.follow(offset!(socket_sk)) else {
        return;
    };
    let protocol = socket::protocol(sk);
    if !socket::is_inet(sk) || protocol != IPPROTO_UDP && protocol != IPPROTO_UDPLITE {
        return;
    }
    let Some(actor) = task::enter(KIND) else { return };
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
        return count::outcome(KIND, Outcome::SUPPRESSED_UNWATCHED, actor.slot());
    }
    socket::normalise_peer(&mut operation.remote);
    socket::read_local(sk, &mut operation.local);
    report(&actor, &operation, origin);
}

/// sendmsg(2) and its relatives on unconnected UDP over IPv4, since 4.18; with task storage in cgroup programs, newer
/// than 6.12.
#[cgroup_sock_addr(sendmsg4)]
pub fn sendmsg4(ctx: SockAddrContext) -> i32 {
    if let Some(actor) = task::enter(KIND) {
        datagram(&actor, ctx.sock_addr, peer4(ctx.sock_addr));
    }
    ALLOW
}

/// The same over IPv6.
#[cgroup_sock_addr(sendmsg6)]
pub fn sendmsg6(ctx: SockAddrContext) -> i32 {
    if let Some(actor) = task::enter(KIND) {
        datagram(&actor, ctx.sock_addr, peer6(ctx.sock_addr));
    }
    ALLOW
}

/// The same where the task's label cannot be had: the container is the cgroup's, and no exec is known.
#[cgroup_sock_addr(sendmsg4)]
pub fn sendmsg4_by_cgroup(ctx: SockAddrContext) -> i32 {
    if let Some(actor) = task::enter_by_cgroup(KIND) {
        datagram(&actor, ctx.sock_addr, peer4(ctx.sock_addr));
    }
    ALLOW
}

/// The same over IPv6.
#[cgroup_sock_addr(sendmsg6)]
pub fn sendmsg6_by_cgroup(ctx: SockAddrContext) -> i32 {
    if let Some(actor) = task::enter_by_cgroup(KIND) {
        datagram(&actor, ctx.sock_addr, peer6(ctx.sock_addr));
    }
    ALLOW
}

#[inline(always)]
fn peer4(context: *mut bpf_sock_addr) -> SocketAddress {
    // SAFETY: the context's fields, each read whole.
    let (address, port) = unsafe { ((*context).user_ip4, (*context).user_port) };
    SocketAddress {
        addr: socket::mapped(address),
        port: u16::from_be(port as u16),
        family: AF_INET,
    }
}

#[inline(always)]
fn peer6(context: *mut bpf_sock_addr) -> SocketAddress {
    // SAFETY: as above.
    let (words, port) = unsafe {
        let words = [
            core::ptr::read_volatile(&raw const (*context).user_ip6[0]),
            core::ptr::read_volatile(&raw const (*context).user_ip6[1]),
            core::ptr::read_volatile(&raw const (*context).user_ip6[2]),
            core::ptr::read_volatile(&raw const (*context).user_ip6[3]),
        ];
        (words, core::ptr::read_volatile(&raw const (*context).user_port))
    };
    SocketAddress {
        // SAFETY: sixteen bytes either way.
        addr: unsafe { core::mem::transmute::<[u32; 4], [u8; 16]>(words) },
        port: u16::from_be(port as u16),
        family: AF_INET6,
    }
}

#[inline(always)]
fn datagram(actor: &Actor, context: *mut bpf_sock_addr, peer: SocketAddress) {
    // SAFETY: the context's fields, each read whole.
    let (protocol, socket_type) = unsafe {
        (
            core::ptr::read_volatile(&raw const (*context).protocol) as u16,
            core::ptr::read_volatile(&raw const (*context).type_) as u16,
        )
    };
    let mut operation = net::Operation {
        local: NO_ADDRESS,
        remote: peer,
        protocol,
        socket_type,
        backlog: 0,
    };
    socket::normalise_peer(&mut operation.remote);
    report(actor, &operation, Origin::TRACEPOINT);
}

#[inline(always)]
fn report(actor: &Actor, operation: &net::Operation, origin: Origin) {
    let report = Report {
        kind: KIND,
        origin,
        flags: 0,
        ret: 0,
    };
    net::report(actor, operation, report);
}
