//! TCP sockets change state: SYN_SENT is a connection attempt, LISTEN a listener. Both io_uring's too.

use crate::global::offset;
use crate::header::{Origin, Report};
use crate::hooks::{listen, net};
use crate::kernel::Kptr;
use crate::socket::{self, IPPROTO_TCP};
use crate::task;
use agent_common::event::EventKind;
use aya_ebpf::macros::btf_tracepoint;
use aya_ebpf::programs::BtfTracePointContext;

const TCP_SYN_SENT: i32 = 2;
const TCP_LISTEN: i32 = 10;

/// `inet_sock_set_state(const struct sock *sk, const int oldstate, const int newstate)`, since 4.16.
#[btf_tracepoint(function = "inet_sock_set_state")]
pub fn tcp_connect(ctx: BtfTracePointContext) -> i32 {
    if ctx.arg::<i32>(2) != TCP_SYN_SENT {
        return 0;
    }
    let sk = Kptr(ctx.arg(0));
    let Some(actor) = task::enter(EventKind::CONNECT) else {
        return 0;
    };
    let remote = socket::remote(sk);
    let protocol = socket::protocol(sk);
    let operation = net::Operation {
        local: socket::local(sk),
        remote,
        protocol,
        socket_type: socket::kind(sk),
        backlog: 0,
    };
    let report = Report {
        kind: EventKind::CONNECT,
        origin: Origin::TRACEPOINT,
        flags: 0,
        ret: 0,
    };
    net::report(&actor, &operation, report);
    0
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
        return listen::expect_port(task::current());
    }
    if let Some(actor) = task::enter(EventKind::LISTEN) {
        listen::listening(&actor, sk, Origin::TRACEPOINT, 0);
    }
}
