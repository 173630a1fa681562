//! A socket is connected. Of a datagram socket that is no contact yet: resolvers sort addresses that way.

use crate::count;
use crate::emit;
use crate::global::offset;
use crate::header::{Origin, Report};
use crate::hooks::{net, vsock};
use crate::kernel::{Kptr, Task, load, read_user_or_zero};
use crate::policy;
use crate::socket::{self, AF_INET, AF_INET6, AF_VSOCK, IPPROTO_TCP, NO_ADDRESS, Named, SOCK_STREAM};
use crate::syscall::{self, Syscall};
use crate::task::{self, Actor};
use agent_common::counter::Outcome;
use agent_common::event::EventKind;
use agent_common::policy::Verdict;
use aya_ebpf::macros::{fentry, lsm};
use aya_ebpf::programs::{FEntryContext, LsmContext};

const KIND: EventKind = EventKind::CONNECT;
/// `MSG_FASTOPEN`: a send that connects.
const MSG_FASTOPEN: u32 = 0x2000_0000;
const SOCKADDR_IN: usize = 16;
const SOCKADDR_IN6: usize = 28;
const EPERM: i64 = -1;
const EACCES: i64 = -13;
const EADDRNOTAVAIL: i64 = -99;
const ENETUNREACH: i64 = -101;
const EHOSTUNREACH: i64 = -113;

/// `socket_connect(struct socket *sock, struct sockaddr *address, int addrlen)`, all kernels.
#[lsm(hook = "socket_connect")]
pub fn lsm_connect(ctx: LsmContext) -> i32 {
    policy::errno(connecting(
        Kptr(ctx.arg(0)),
        Kptr(ctx.arg(1)),
        ctx.arg(2),
        Origin::LSM,
    ))
}

/// `security_socket_connect`, with the same arguments.
#[fentry(function = "security_socket_connect")]
pub fn fentry_connect(ctx: FEntryContext) -> i32 {
    connecting(
        Kptr(ctx.arg(0)),
        Kptr(ctx.arg(1)),
        ctx.arg(2),
        Origin::FENTRY_TOLD,
    );
    0
}

/// `socket_sendmsg(struct socket *sock, struct msghdr *msg, int size)`, all kernels: TCP Fast Open connects here only.
#[lsm(hook = "socket_sendmsg")]
pub fn lsm_fastopen(ctx: LsmContext) -> i32 {
    policy::errno(sending(Kptr(ctx.arg(0)), ctx.arg(1), Origin::LSM))
}

/// `security_socket_sendmsg`, with the same arguments.
#[fentry(function = "security_socket_sendmsg")]
pub fn fentry_fastopen(ctx: FEntryContext) -> i32 {
    sending(Kptr(ctx.arg(0)), ctx.arg(1), Origin::FENTRY_TOLD);
    0
}

#[inline(always)]
fn connecting(socket: Kptr, address: Kptr, len: u32, origin: Origin) -> Verdict {
    let Some(sk) = socket.follow(offset!(socket_sk)) else {
        emit::lose_unreadable(KIND);
        return Verdict::NONE;
    };
    if socket::family(sk) == AF_VSOCK {
        vsock::connects(sk, report(origin));
        return Verdict::NONE;
    }
    let Some(actor) = task::enter(KIND) else {
        return Verdict::NONE;
    };
    // Without a family it is a disconnect.
    if !socket::is_inet(sk) || address.read_or_zero::<u16>(0) == 0 {
        count::outcome(KIND, Outcome::SUPPRESSED_UNWATCHED, actor.slot());
        return Verdict::NONE;
    }
    contact(&actor, Named { sk, address, len }, report(origin))
}

/// connect(2) failed before a packet could leave: no socket changes its state for that.
#[inline(never)]
pub fn refused(call: &Syscall) -> u32 {
    if !matches!(
        call.ret,
        EPERM | EACCES | EADDRNOTAVAIL | ENETUNREACH | EHOSTUNREACH
    ) {
        return 0;
    }
    let Some(sk) = syscall::file(call.arg::<0>() as u32).and_then(syscall::sock) else {
        if matches!(socket::asked_family(call.arg::<1>()), AF_INET | AF_INET6) {
            emit::lose_unreadable(KIND);
        }
        return 0;
    };
    if !socket::is_inet(sk) {
        return 0;
    }
    let Some(actor) = task::enter(KIND) else { return 0 };
    let len = call.arg::<2>() as u32;
    let name = name(call.arg::<1>(), len);
    let address = Kptr(name.as_ptr() as u64);
    let report = Report {
        kind: KIND,
        origin: Origin::ARGUMENTS,
        flags: call.flags(),
        ret: call.result(),
    };
    contact(&actor, Named { sk, address, len }, report);
    0
}

/// A `sockaddr` in the caller's memory, at most as long as one of IPv6.
#[inline(always)]
fn name(address: u64, len: u32) -> [u8; SOCKADDR_IN6] {
    if len as usize >= SOCKADDR_IN6 {
        return read_user_or_zero(address);
    }
    let mut name = [0; SOCKADDR_IN6];
    name[..SOCKADDR_IN].copy_from_slice(&read_user_or_zero::<[u8; SOCKADDR_IN]>(address));
    name
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

/// connect(2) returned. TCP sockets say so themselves; others have a peer now, unless they were disconnected.
#[inline(always)]
pub fn connected(sk: Kptr, report: Report) {
    let protocol = socket::protocol(sk);
    if !socket::is_inet(sk) || protocol == IPPROTO_TCP {
        return;
    }
    let Some(actor) = task::enter(KIND) else { return };
    let mut operation = operation(sk, protocol);
    socket::read_remote(sk, &mut operation.remote);
    if !socket::is_somebody(&operation.remote) {
        return count::outcome(KIND, Outcome::SUPPRESSED_UNWATCHED, actor.slot());
    }
    socket::read_local(sk, &mut operation.local);
    policy::end(net::report(&actor, &operation, report));
}

#[inline(always)]
fn sending(socket: Kptr, message: Task, origin: Origin) -> Verdict {
    // SAFETY: `msghdr` is a BTF pointer. Loaded, not read by the helper: this runs for every send of the host.
    let (flags, name) = unsafe {
        (
            load::<u32>(message, offset!(msghdr_flags)),
            load::<u64>(message, offset!(msghdr_name)),
        )
    };
    if flags & MSG_FASTOPEN == 0 || name == 0 {
        return Verdict::NONE;
    }
    let Some(actor) = task::enter(KIND) else {
        return Verdict::NONE;
    };
    let Some(sk) = socket.follow(offset!(socket_sk)) else {
        emit::lose(KIND, Outcome::LOST_UNREADABLE, actor.slot());
        return Verdict::NONE;
    };
    if socket::kind(sk) != SOCK_STREAM || !socket::is_inet(sk) {
        count::outcome(KIND, Outcome::SUPPRESSED_UNWATCHED, actor.slot());
        return Verdict::NONE;
    }
    let len = Kptr(message as u64).read_or_zero(offset!(msghdr_name_len));
    let address = Kptr(name);
    contact(&actor, Named { sk, address, len }, report(origin))
}

#[inline(always)]
fn contact(actor: &Actor, named: Named, report: Report) -> Verdict {
    let mut operation = operation(named.sk, socket::protocol(named.sk));
    socket::read_named(&named, &mut operation.remote);
    if operation.remote.family == 0 {
        count::outcome(KIND, Outcome::SUPPRESSED_UNWATCHED, actor.slot());
        return Verdict::NONE;
    }
    socket::normalise_peer(&mut operation.remote);
    socket::read_local(named.sk, &mut operation.local);
    net::report(actor, &operation, report)
}

#[inline(always)]
fn operation(sk: Kptr, protocol: u16) -> net::Operation {
    net::Operation {
        local: NO_ADDRESS,
        remote: NO_ADDRESS,
        protocol,
        socket_type: socket::kind(sk),
        backlog: 0,
    }
}
