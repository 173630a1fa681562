//! Asked before a socket is bound or connected, where a profile is enforced: the call returns EPERM. What may be done is seen done by other
//! hooks. Attached while some container's profile enforces its class.

use crate::global::{offset, setting};
use crate::header::{Origin, Report};
use crate::hooks::listen::TCP_LISTEN;
use crate::hooks::net;
use crate::hooks::sock_addr::{self, ALLOW, peer4, peer6};
use crate::kernel::Kptr;
use crate::policy;
use crate::socket::{self, NO_ADDRESS};
use crate::task::{self, Actor};
use agent_common::event::{EventKind, SocketAddress};
use agent_common::policy::Verdict;
use aya_ebpf::bindings::bpf_sock_addr;
use aya_ebpf::macros::{btf_tracepoint, cgroup_sock_addr, lsm};
use aya_ebpf::programs::{BtfTracePointContext, LsmContext, SockAddrContext};

/// bind(2), io_uring's too, over IPv4, since 4.17; with task storage in cgroup programs, newer than 6.12.
#[cgroup_sock_addr(bind4)]
pub fn bind4(ctx: SockAddrContext) -> i32 {
    asked(
        task::enter(EventKind::BIND),
        EventKind::BIND,
        ctx.sock_addr,
        peer4(ctx.sock_addr),
    )
}

/// The same over IPv6.
#[cgroup_sock_addr(bind6)]
pub fn bind6(ctx: SockAddrContext) -> i32 {
    asked(
        task::enter(EventKind::BIND),
        EventKind::BIND,
        ctx.sock_addr,
        peer6(ctx.sock_addr),
    )
}

/// connect(2), io_uring's and TCP Fast Open too, over IPv4, since 4.17; with task storage in cgroup programs, newer than 6.12.
#[cgroup_sock_addr(connect4)]
pub fn connect4(ctx: SockAddrContext) -> i32 {
    asked(
        task::enter(EventKind::CONNECT),
        EventKind::CONNECT,
        ctx.sock_addr,
        peer4(ctx.sock_addr),
    )
}

/// The same over IPv6.
#[cgroup_sock_addr(connect6)]
pub fn connect6(ctx: SockAddrContext) -> i32 {
    asked(
        task::enter(EventKind::CONNECT),
        EventKind::CONNECT,
        ctx.sock_addr,
        peer6(ctx.sock_addr),
    )
}

/// [`bind4`] where the task's label cannot be had: the container is the cgroup's, and no exec is known.
#[cgroup_sock_addr(bind4)]
pub fn bind4_by_cgroup(ctx: SockAddrContext) -> i32 {
    asked(
        task::enter_by_cgroup(EventKind::BIND),
        EventKind::BIND,
        ctx.sock_addr,
        peer4(ctx.sock_addr),
    )
}

/// The same over IPv6.
#[cgroup_sock_addr(bind6)]
pub fn bind6_by_cgroup(ctx: SockAddrContext) -> i32 {
    asked(
        task::enter_by_cgroup(EventKind::BIND),
        EventKind::BIND,
        ctx.sock_addr,
        peer6(ctx.sock_addr),
    )
}

/// [`connect4`] where the task's label cannot be had.
#[cgroup_sock_addr(connect4)]
pub fn connect4_by_cgroup(ctx: SockAddrContext) -> i32 {
    asked(
        task::enter_by_cgroup(EventKind::CONNECT),
        EventKind::CONNECT,
        ctx.sock_addr,
        peer4(ctx.sock_addr),
    )
}

/// The same over IPv6.
#[cgroup_sock_addr(connect6)]
pub fn connect6_by_cgroup(ctx: SockAddrContext) -> i32 {
    asked(
        task::enter_by_cgroup(EventKind::CONNECT),
        EventKind::CONNECT,
        ctx.sock_addr,
        peer6(ctx.sock_addr),
    )
}

/// sendmsg(2) and its relatives on unconnected UDP over IPv4, since 4.18, where no cgroup program reports them.
#[cgroup_sock_addr(sendmsg4)]
pub fn asked_send4(ctx: SockAddrContext) -> i32 {
    asked(
        task::enter(EventKind::SEND),
        EventKind::SEND,
        ctx.sock_addr,
        peer4(ctx.sock_addr),
    )
}

/// The same over IPv6.
#[cgroup_sock_addr(sendmsg6)]
pub fn asked_send6(ctx: SockAddrContext) -> i32 {
    asked(
        task::enter(EventKind::SEND),
        EventKind::SEND,
        ctx.sock_addr,
        peer6(ctx.sock_addr),
    )
}

/// [`asked_send4`] where the task's label cannot be had.
#[cgroup_sock_addr(sendmsg4)]
pub fn asked_send4_by_cgroup(ctx: SockAddrContext) -> i32 {
    asked(
        task::enter_by_cgroup(EventKind::SEND),
        EventKind::SEND,
        ctx.sock_addr,
        peer4(ctx.sock_addr),
    )
}

/// The same over IPv6.
#[cgroup_sock_addr(sendmsg6)]
pub fn asked_send6_by_cgroup(ctx: SockAddrContext) -> i32 {
    asked(
        task::enter_by_cgroup(EventKind::SEND),
        EventKind::SEND,
        ctx.sock_addr,
        peer6(ctx.sock_addr),
    )
}

#[inline(always)]
fn asked(actor: Option<Actor>, kind: EventKind, context: *mut bpf_sock_addr, address: SocketAddress) -> i32 {
    let Some(actor) = actor else { return ALLOW };
    let operation = if kind == EventKind::BIND {
        sock_addr::operation(context, address, NO_ADDRESS)
    } else {
        let mut operation = sock_addr::operation(context, NO_ADDRESS, address);
        socket::normalise_peer(&mut operation.remote);
        operation
    };
    policy::permission(net::ask(&actor, &operation, report(kind)))
}

#[inline(always)]
fn report(kind: EventKind) -> Report {
    Report {
        kind,
        origin: Origin::CGROUP,
        flags: 0,
        ret: -policy::EPERM,
    }
}

/// `socket_listen(struct socket *sock, int backlog)`, all kernels: the exact question, where LSM programs fire.
#[lsm(hook = "socket_listen")]
pub fn lsm_listen(ctx: LsmContext) -> i32 {
    let sk = Kptr(ctx.arg(0)).follow(offset!(socket_sk));
    sk.map_or(0, |sk| policy::errno(listening(sk, Origin::LSM)))
}

/// `inet_sock_set_state(const struct sock *sk, const int oldstate, const int newstate)`, since 4.16: a listener that was never bound, which
/// no other hook can deny.
#[btf_tracepoint(function = "inet_sock_set_state")]
pub fn end_unbound_listener(ctx: BtfTracePointContext) -> i32 {
    let sk = Kptr(ctx.arg(0));
    let listens = ctx.arg::<i32>(2) == i32::from(TCP_LISTEN);
    if listens && sk.read_or_zero::<u16>(offset!(sk_num)) == 0 {
        policy::end(listening(sk, Origin::TRACEPOINT));
    }
    0
}

/// Without a port it will be given one.
#[inline(always)]
fn listening(sk: Kptr, origin: Origin) -> Verdict {
    if !socket::is_inet(sk) {
        return Verdict::NONE;
    }
    let Some(actor) = task::enter(EventKind::LISTEN) else {
        return Verdict::NONE;
    };
    let mut operation = net::Operation {
        local: socket::local(sk),
        remote: NO_ADDRESS,
        protocol: socket::protocol(sk),
        socket_type: socket::kind(sk),
        backlog: 0,
    };
    if operation.local.port == 0 {
        operation.local.port = setting!(ephemeral_low) as u16;
    }
    let report = Report {
        origin,
        ..report(EventKind::LISTEN)
    };
    net::ask(&actor, &operation, report)
}
