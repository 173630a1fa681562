//! connect(2) returns: what is no TCP, whose sockets say so themselves.

use crate::emit;
use crate::header::{Origin, Report};
use crate::hooks::{connect, unix_connect, unix_refused, vsock};
use crate::socket::{self, AF_UNIX, AF_VSOCK};
use crate::syscall::{self, Syscall};
use agent_common::event::EventKind;
use aya_ebpf::macros::btf_tracepoint;
use aya_ebpf::programs::BtfTracePointContext;

/// connect(fd, address, length).
#[btf_tracepoint(function = "sys_exit")]
pub fn exit_connect(ctx: BtfTracePointContext) -> i32 {
    let call = Syscall::of_socket(&ctx);
    if call.ret != 0 {
        refused(&call);
        return 0;
    }
    let Some(sk) = syscall::file(call.arg::<0>() as u32).and_then(syscall::sock) else {
        emit::lose_unreadable(asked_kind(&call));
        return 0;
    };
    let report = Report {
        kind: EventKind::CONNECT,
        origin: Origin::DESCRIPTOR,
        flags: call.flags(),
        ret: 0,
    };
    if socket::family(sk) == AF_VSOCK {
        vsock::connects(sk, report);
        return 0;
    }
    connect::connected(sk, report);
    unix_connect::connected(sk, report);
    0
}

#[inline(always)]
fn refused(call: &Syscall) {
    if socket::asked_family(call.arg::<1>()) == AF_VSOCK {
        vsock::refused_vsock(call.arg::<0>() as u32, call.flags(), call.result());
        return;
    }
    unix_refused::refused(call);
    connect::refused(call);
}

/// What it would have been, by the address that was asked for.
#[inline(always)]
fn asked_kind(call: &Syscall) -> EventKind {
    if socket::asked_family(call.arg::<1>()) == AF_UNIX {
        EventKind::UNIX_CONNECT
    } else {
        EventKind::CONNECT
    }
}

/// The same beside hooks on objects: those see what the kernel grants.
#[btf_tracepoint(function = "sys_exit")]
pub fn exit_connect_refused(ctx: BtfTracePointContext) -> i32 {
    let call = Syscall::of_socket(&ctx);
    unix_refused::refused(&call);
    0
}
