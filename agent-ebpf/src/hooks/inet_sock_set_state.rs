//! TCP sockets change state: SYN_SENT is a connection attempt, LISTEN a listener. Both io_uring's too.

use crate::global::offset;
use crate::header::{Origin, Report};
use crate::hooks::{listen, net};
use crate::kernel::Kptr;
use crate::policy;
use crate::socket::{self, IPPROTO_TCP};
use crate::task;
use agent_common::event::EventKind;
use aya_ebpf::macros::btf_tracepoint;
use aya_ebpf::programs::BtfTracePointContext;

const TCP_SYN_SENT: i32 = 2;
const TCP_LISTEN: i32 = 10;

/// `inet_sock_set_state(const struct sock *sk, const int oldstate, const int newstate)`, since 4.16: connections and listeners. One program,
/// for a connection changes its state six times.
#[btf_tracepoint(function = "inet_sock_set_state")]
pub fn inet_states(ctx: BtfTracePointContext) -> i32 {
    match ctx.arg::<i32>(2) {
        TCP_SYN_SENT => connects(Kptr(ctx.arg(0))),
        TCP_LISTEN => listens(Kptr(ctx.arg(0))),
        _ => {}
    }
    0
}

/// The same for connections alone.
#[btf_tracepoint(function = "inet_sock_set_state")]
pub fn tcp_connect(ctx: BtfTracePointContext) -> i32 {
    if ctx.arg::<i32>(2) == TCP_SYN_SENT {
        connects(Kptr(ctx.arg(0)));
    }
    0
}

#[inline(always)]
fn connects(sk: Kptr) {
    let Some(actor) = task::enter(EventKind::CONNECT) else {
        return;
    };
    let operation = net::Operation {
        local: socket::local(sk),
        remote: socket::remote(sk),
        protocol: socket::protocol(sk),
        socket_type: socket::kind(sk),
        backlog: 0,
    };
    let report = Report {
        kind: EventKind::CONNECT,
        origin: Origin::TRACEPOINT,
        flags: 0,
        ret: 0,
    };
    policy::end(net::report(&actor, &operation, report));
}

/// The same tracepoint for listeners that were bound; the port of others is not known yet here.
#[btf_tracepoint(function = "inet_sock_set_state")]
pub fn tcp_listen(ctx: BtfTracePointContext) -> i32 {
    if ctx.arg::<i32>(2) == TCP_LISTEN {
        listens(Kptr(ctx.arg(0)));
    }
    0
}

/// The same for SCTP, beside hooks that TCP's listeners pass.
#[btf_tracepoint(function = "inet_sock_set_state")]
pub fn sctp_listen(ctx: BtfTracePointContext) -> i32 {
    if ctx.arg::<i32>(2) == TCP_LISTEN && socket::protocol(Kptr(ctx.arg(0))) != IPPROTO_TCP {
        listens(Kptr(ctx.arg(0)));
    }
    0
}

#[inline(always)]
fn listens(sk: Kptr) {
    // MPTCP's own socket listens by a TCP socket, which says so too.
    if socket::is_mptcp(sk) {
        return;
    }
    if sk.read_or_zero::<u16>(offset!(sk_num)) == 0 {
        listen::expect_port(task::current());
        // A ring's completion need not be posted: better without its port than not at all.
        if listen::is_by_call() {
            return;
        }
    }
    if let Some(actor) = task::enter(EventKind::LISTEN) {
        listen::listening(&actor, sk, Origin::TOLD, 0);
    }
}
