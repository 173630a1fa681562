//! Connections by io_uring, where everything else rests on tracepoints: see `io_uring`. The submission tells the unix socket that
//! was asked for, by its name; nothing hides that. The completion tells the peer, unless none was to be posted.

use crate::global::offset;
use crate::header::{Origin, Report};
use crate::hooks::io_uring::{self, ASKED, has, operation, request};
use crate::hooks::io_uring_sockets;
use crate::hooks::listen::{self, TCP_LISTEN};
use crate::hooks::unix_refused::{self, Attempt};
use crate::hooks::{connect, unix_connect, vsock};
use crate::kernel::{Kptr, read_user_or_zero};
use crate::socket::{AF_UNIX, AF_VSOCK};
use crate::syscall;
use crate::task;
use crate::unix::Address;
use agent_common::event::{EventKind, RecordFlags};
use agent_common::offsets::MISSING;
use aya_ebpf::macros::btf_tracepoint;
use aya_ebpf::programs::BtfTracePointContext;

const CONNECT: u8 = 16;
const LISTEN: u8 = 57;
/// `IOSQE_CQE_SKIP_SUCCESS`: no completion is posted when it succeeds.
const SILENT: u32 = 1 << 6;

/// `io_uring_submit_req(struct io_kiocb *req)`: see `io_uring`.
#[btf_tracepoint(function = "io_uring_submit_req")]
pub fn io_uring_connect(ctx: BtfTracePointContext) -> i32 {
    let request = request(&ctx);
    if operation(request) == CONNECT {
        connects(request);
    }
    0
}

/// Kernels before 6.10 copy the address later.
#[inline(always)]
fn connects(request: Kptr) {
    let len = request.read_or_zero::<u32>(offset!(io_connect_addr_len));
    if let Some(address) = io_uring_sockets::address(request) {
        match address.read_or_zero::<u16>(0) {
            AF_UNIX => asks(request, Address::given(address, len)),
            AF_VSOCK => asks_vsock(request),
            _ => {}
        }
        return;
    }
    let address = request.read_or_zero::<u64>(offset!(io_connect_addr));
    match read_user_or_zero::<u16>(address) {
        AF_UNIX => asks(request, Address::asked(address, len)),
        AF_VSOCK => asks_vsock(request),
        _ => {}
    }
}

#[inline(always)]
fn asks_vsock(request: Kptr) {
    let sk = io_uring::file(request).and_then(syscall::sock).unwrap_or(Kptr(0));
    vsock::connects(sk, io_uring::asked(EventKind::SOCKET));
}

/// Who lets no completion be posted hides whose socket it was: that is urgent, whatever its name.
#[inline(always)]
fn asks(request: Kptr, address: Address) {
    let mut report = io_uring::asked(EventKind::UNIX_CONNECT);
    report.flags |= unix_refused::urgent(has(request, SILENT));
    unix_refused::attempted(&Attempt {
        address,
        access: ASKED,
        report,
    });
}

/// `io_uring_complete(struct io_ring_ctx *ctx, void *req, …)`, since 6.0: the request is done, and has its file still.
#[btf_tracepoint(function = "io_uring_complete")]
pub fn io_uring_connected(ctx: BtfTracePointContext) -> i32 {
    if let Some(request) = completed(&ctx, CONNECT)
        && request.read_or_zero::<i32>(offset!(io_kiocb_result)) == 0
        && let Some(sk) = request.follow(offset!(io_kiocb_file)).and_then(syscall::sock)
    {
        let report = Report {
            kind: EventKind::CONNECT,
            origin: Origin::TRACEPOINT,
            flags: RecordFlags::IO_URING,
            ret: 0,
        };
        connect::connected(sk, report);
        unix_connect::connected(sk, report);
    }
    if completed(&ctx, LISTEN).is_some() && listen::was_expected() {
        listened(Kptr(ctx.arg(1)));
    }
    0
}

/// A listener that was not bound has its port now.
#[inline(always)]
fn listened(request: Kptr) {
    if let Some(sk) = request.follow(offset!(io_kiocb_file)).and_then(syscall::sock)
        && sk.read_or_zero::<u8>(offset!(sk_state)) == TCP_LISTEN
        && let Some(actor) = task::enter(EventKind::LISTEN)
    {
        let flags = RecordFlags::IO_URING;
        listen::listening(&actor, sk, Origin::TOLD, flags);
    }
}

/// The request that is done, when it is one of these. What a request gives again and again has none.
#[inline(always)]
pub fn completed(ctx: &BtfTracePointContext, wanted: u8) -> Option<Kptr> {
    if offset!(io_kiocb_cmd) == MISSING {
        return None;
    }
    let request = Kptr(ctx.arg(1));
    (operation(request) == wanted).then_some(request)
}
