//! A socket is bound to an address.

use crate::count;
use crate::emit;
use crate::global::offset;
use crate::header::{Origin, Report};
use crate::hooks::{io_uring, net, unix_bind, vsock};
use crate::kernel::Kptr;
use crate::policy;
use crate::socket::{self, AF_UNIX, AF_VSOCK, NO_ADDRESS, Named};
use crate::syscall::{self, Syscall};
use crate::task::{self, Actor};
use crate::unix::Address;
use agent_common::counter::Outcome;
use agent_common::event::EventKind;
use agent_common::policy::Verdict;
use aya_ebpf::macros::{btf_tracepoint, fentry, lsm};
use aya_ebpf::programs::{BtfTracePointContext, FEntryContext, LsmContext};

const KIND: EventKind = EventKind::BIND;
/// A unix address that is a family and no more: the kernel chooses a name.
const AUTOBIND: u32 = 2;
/// Number of bind(2), native and of i386.
const BIND: u32 = if cfg!(bpf_target_arch = "x86_64") { 49 } else { 200 };
const COMPAT_BIND: u32 = 361;

/// `socket_bind(struct socket *sock, struct sockaddr *address, int addrlen)`, all kernels. The port is the one asked for.
#[lsm(hook = "socket_bind")]
pub fn lsm_bind(ctx: LsmContext) -> i32 {
    policy::errno(binding(
        Kptr(ctx.arg(0)),
        Kptr(ctx.arg(1)),
        ctx.arg(2),
        Origin::LSM,
    ))
}

/// `security_socket_bind`, with the same arguments.
#[fentry(function = "security_socket_bind")]
pub fn fentry_bind(ctx: FEntryContext) -> i32 {
    binding(
        Kptr(ctx.arg(0)),
        Kptr(ctx.arg(1)),
        ctx.arg(2),
        Origin::FENTRY_TOLD,
    );
    0
}

#[inline(always)]
fn binding(socket: Kptr, address: Kptr, len: u32, origin: Origin) -> Verdict {
    let Some(sk) = socket.follow(offset!(socket_sk)) else {
        emit::lose_unreadable(KIND);
        return Verdict::NONE;
    };
    match socket::family(sk) {
        AF_UNIX => {
            binding_unix(&Named { sk, address, len }, origin);
            return Verdict::NONE;
        }
        AF_VSOCK => {
            vsock::binds(sk, of_inet(origin, 0));
            return Verdict::NONE;
        }
        _ => {}
    }
    let Some(actor) = task::enter(KIND) else {
        return Verdict::NONE;
    };
    let mut operation = operation(sk);
    if socket::is_inet(sk) {
        socket::read_named(&Named { sk, address, len }, &mut operation.local);
    }
    report(&actor, &operation, of_inet(origin, 0))
}

/// At the call's return the socket's own address is known; a ring makes no call.
#[inline(always)]
fn binding_unix(named: &Named, origin: Origin) {
    if !is_by_call() && named.len > AUTOBIND {
        let address = Address::given(named.address, named.len);
        unix_bind::bound(named.sk, address, of_unix(origin, 0));
    }
}

/// bind(2) returns: the address is the socket's, not the argument's.
#[btf_tracepoint(function = "sys_exit")]
pub fn exit_bind(ctx: BtfTracePointContext) -> i32 {
    let call = Syscall::of_socket(&ctx);
    if call.ret != 0 {
        return 0;
    }
    let Some(sk) = syscall::file(call.arg::<0>() as u32).and_then(syscall::sock) else {
        emit::lose_unreadable(asked_kind(&call));
        return 0;
    };
    match socket::family(sk) {
        AF_UNIX => {
            bound_unix(sk, &call);
            return 0;
        }
        AF_VSOCK => {
            vsock::binds(sk, of_inet(Origin::DESCRIPTOR, call.flags()));
            return 0;
        }
        _ => {}
    }
    let Some(actor) = task::enter(KIND) else { return 0 };
    let mut operation = operation(sk);
    socket::read_local(sk, &mut operation.local);
    policy::end(report(
        &actor,
        &operation,
        of_inet(Origin::DESCRIPTOR, call.flags()),
    ));
    0
}

/// The same beside hooks on objects: those run before the socket has its name.
#[btf_tracepoint(function = "sys_exit")]
pub fn exit_bind_unix(ctx: BtfTracePointContext) -> i32 {
    let call = Syscall::of_socket(&ctx);
    if call.ret != 0 {
        return 0;
    }
    match syscall::file(call.arg::<0>() as u32).and_then(syscall::sock) {
        Some(sk) if socket::family(sk) == AF_UNIX => bound_unix(sk, &call),
        None if asked_kind(&call) == unix_bind::KIND => emit::lose_unreadable(unix_bind::KIND),
        _ => {}
    }
    0
}

/// A ring was asked to bind: what to is known, and the socket where there is one already.
#[inline(always)]
pub fn asked(sk: Kptr, address: Kptr, len: u32) {
    match address.read_or_zero::<u16>(0) {
        AF_UNIX => {
            if len > AUTOBIND {
                unix_bind::bound(sk, Address::given(address, len), io_uring::asked(unix_bind::KIND));
            }
            return;
        }
        AF_VSOCK => return vsock::binds(sk, io_uring::asked(KIND)),
        _ => {}
    }
    let Some(actor) = task::enter(KIND) else { return };
    let mut operation = operation(sk);
    socket::read_named(&Named { sk, address, len }, &mut operation.local);
    policy::end(report(&actor, &operation, io_uring::asked(KIND)));
}

/// What it would have been, by the address that was asked for.
#[inline(always)]
fn asked_kind(call: &Syscall) -> EventKind {
    if socket::asked_family(call.arg::<1>()) == AF_UNIX {
        unix_bind::KIND
    } else {
        KIND
    }
}

#[inline(always)]
fn bound_unix(sk: Kptr, call: &Syscall) {
    if call.arg::<2>() as u32 > AUTOBIND {
        unix_bind::bound(
            sk,
            Address::of_socket(sk),
            of_unix(Origin::DESCRIPTOR, call.flags()),
        );
    }
}

#[inline(always)]
fn is_by_call() -> bool {
    syscall::is_in(BIND, COMPAT_BIND)
}

#[inline(always)]
fn of_unix(origin: Origin, flags: u32) -> Report {
    Report {
        kind: unix_bind::KIND,
        ..of_inet(origin, flags)
    }
}

#[inline(always)]
fn of_inet(origin: Origin, flags: u32) -> Report {
    Report {
        kind: KIND,
        origin,
        flags,
        ret: 0,
    }
}

#[inline(always)]
fn operation(sk: Kptr) -> net::Operation {
    net::Operation {
        local: NO_ADDRESS,
        remote: NO_ADDRESS,
        protocol: socket::protocol(sk),
        socket_type: socket::kind(sk),
        backlog: 0,
    }
}

#[inline(always)]
fn report(actor: &Actor, operation: &net::Operation, report: Report) -> Verdict {
    if operation.local.family == 0 {
        count::outcome(KIND, Outcome::SUPPRESSED_UNWATCHED, actor.slot());
        return Verdict::NONE;
    }
    net::report(actor, operation, report)
}
