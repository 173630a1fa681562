//! A listener.

use crate::emit;
use crate::global::offset;
use crate::header::{Origin, Report};
use crate::hooks::net;
use crate::kernel::{Kptr, Task};
use crate::maps::TASKS;
use crate::socket::{self, NO_ADDRESS};
use crate::syscall::{self, Syscall};
use crate::task::{self, Actor};
use agent_common::event::EventKind;
use agent_common::policy::Verdict;
use agent_common::slot::TaskFlags;
use aya_ebpf::macros::{btf_tracepoint, fexit};
use aya_ebpf::programs::{BtfTracePointContext, FExitContext};

/// Number of listen(2), native and of i386.
const LISTEN: u32 = if cfg!(bpf_target_arch = "x86_64") { 50 } else { 201 };
const COMPAT_LISTEN: u32 = 363;
/// State of a listening socket.
pub const TCP_LISTEN: u8 = 10;

/// Reports a listening socket. Who may not have it was kept from its bind, or ended for a listener without one.
#[inline(always)]
pub fn listening(actor: &Actor, sk: Kptr, origin: Origin, flags: u32) -> Verdict {
    let local = socket::local(sk);
    let protocol = socket::protocol(sk);
    let operation = net::Operation {
        local,
        remote: NO_ADDRESS,
        protocol,
        socket_type: socket::kind(sk),
        backlog: sk.read_or_zero(offset!(sk_max_ack_backlog)),
    };
    let report = Report {
        kind: EventKind::LISTEN,
        origin,
        flags,
        ret: 0,
    };
    net::report(actor, &operation, report)
}

/// The task is in listen(2); otherwise a ring listens for it.
#[inline(always)]
pub fn is_by_call() -> bool {
    syscall::is_in(LISTEN, COMPAT_LISTEN)
}

/// Notes that the task's listen(2) will choose the port: its return reports it.
#[inline(always)]
pub fn expect_port(task: Task) {
    if let Some(label) = TASKS.get(task) {
        // SAFETY: a live map value; only its own task changes these flags.
        unsafe { (*label).flags |= TaskFlags::LISTEN_PENDING };
    }
}

/// Whether the current task's listener is to be reported with its port; once.
#[inline(always)]
pub fn was_expected() -> bool {
    let Some(label) = TASKS.get(task::current()) else {
        return false;
    };
    // SAFETY: a live map value; only its own task changes these flags.
    unsafe {
        let expected = (*label).flags & TaskFlags::LISTEN_PENDING != 0;
        (*label).flags &= !TaskFlags::LISTEN_PENDING;
        expected
    }
}

/// `int inet_csk_listen_start(struct sock *sk, …)` returns: the port is known, whoever chose it. All kernels; io_uring's
/// and MPTCP's too. Whether it succeeded is read from the socket: the place of the result changed in 5.17.
#[fexit(function = "inet_csk_listen_start")]
pub fn fexit_listen(ctx: FExitContext) -> i32 {
    let sk = Kptr(ctx.arg(0));
    if sk.read_or_zero::<u8>(offset!(sk_state)) != TCP_LISTEN {
        return 0;
    }
    let Some(actor) = task::enter(EventKind::LISTEN) else {
        return 0;
    };
    listening(&actor, sk, Origin::FENTRY_TOLD, 0);
    0
}

/// listen(2) without bind(2) returns: the port is known now.
#[btf_tracepoint(function = "sys_exit")]
pub fn exit_listen(ctx: BtfTracePointContext) -> i32 {
    if !was_expected() {
        return 0;
    }
    let call = Syscall::of_socket(&ctx);
    if call.ret != 0 {
        return 0;
    }
    let Some(sk) = syscall::file(call.arg::<0>() as u32).and_then(syscall::sock) else {
        emit::lose_unreadable(EventKind::LISTEN);
        return 0;
    };
    let Some(actor) = task::enter(EventKind::LISTEN) else {
        return 0;
    };
    listening(&actor, sk, Origin::DESCRIPTOR_TOLD, call.flags());
    0
}
