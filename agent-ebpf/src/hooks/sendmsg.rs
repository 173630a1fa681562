//! A datagram to a named peer: contact without a connection.

use crate::header::{Origin, Report};
use crate::hooks::net;
use crate::socket::{self, AF_INET, AF_INET6, NO_ADDRESS};
use crate::task;
use agent_common::event::{EventKind, SocketAddress};
use aya_ebpf::bindings::bpf_sock_addr;
use aya_ebpf::macros::cgroup_sock_addr;
use aya_ebpf::programs::SockAddrContext;

/// The call goes on.
const ALLOW: i32 = 1;

/// sendmsg(2) and its relatives on unconnected UDP over IPv4, since 4.18.
#[cgroup_sock_addr(sendmsg4)]
pub fn sendmsg4(ctx: SockAddrContext) -> i32 {
    // SAFETY: the context's fields, each read whole.
    let (address, port) = unsafe { ((*ctx.sock_addr).user_ip4, (*ctx.sock_addr).user_port) };
    let remote = SocketAddress {
        addr: socket::mapped(address),
        port: u16::from_be(port as u16),
        family: AF_INET,
    };
    send(ctx.sock_addr, remote);
    ALLOW
}

/// The same over IPv6.
#[cgroup_sock_addr(sendmsg6)]
pub fn sendmsg6(ctx: SockAddrContext) -> i32 {
    // SAFETY: as above.
    let (a, port) = unsafe {
        let context = ctx.sock_addr;
        let words = [
            core::ptr::read_volatile(&raw const (*context).user_ip6[0]),
            core::ptr::read_volatile(&raw const (*context).user_ip6[1]),
            core::ptr::read_volatile(&raw const (*context).user_ip6[2]),
            core::ptr::read_volatile(&raw const (*context).user_ip6[3]),
        ];
        (words, core::ptr::read_volatile(&raw const (*context).user_port))
    };
    // SAFETY: sixteen bytes either way.
    let addr = unsafe { core::mem::transmute::<[u32; 4], [u8; 16]>(a) };
    let remote = SocketAddress {
        addr,
        port: u16::from_be(port as u16),
        family: AF_INET6,
    };
    send(ctx.sock_addr, remote);
    ALLOW
}

#[inline(always)]
fn send(context: *mut bpf_sock_addr, remote: SocketAddress) {
    let Some(actor) = task::enter(EventKind::SEND) else {
        return;
    };
    // SAFETY: the context's fields, each read whole.
    let (protocol, socket_type) = unsafe {
        (
            core::ptr::read_volatile(&raw const (*context).protocol) as u16,
            core::ptr::read_volatile(&raw const (*context).type_) as u16,
        )
    };
    let operation = net::Operation {
        deed: socket::deed(protocol, &remote, remote.port),
        local: NO_ADDRESS,
        remote,
        protocol,
        socket_type,
        backlog: 0,
    };
    let report = Report {
        kind: EventKind::SEND,
        origin: Origin::TRACEPOINT,
        flags: 0,
        ret: 0,
    };
    net::report(&actor, &operation, report);
}
