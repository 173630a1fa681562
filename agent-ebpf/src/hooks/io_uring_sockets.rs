//! Sockets that rings make and bind, where everything else rests on tracepoints: see `io_uring`. `struct io_socket`, `io_bind`.

use crate::global::offset;
use crate::hooks::bind;
use crate::hooks::io_uring::{self, operation, request};
use crate::hooks::socket_create::{self, Asked};
use crate::kernel::Kptr;
use crate::syscall;
use agent_common::event::EventKind;
use aya_ebpf::macros::btf_tracepoint;
use aya_ebpf::programs::BtfTracePointContext;

const SOCKET: u8 = 45;
const BIND: u8 = 56;
/// Low bits that no pointer to an allocation has, and every family that matters (1, 2, 10) does.
const ALIGNED: u64 = 7;
/// What stands above is set in each of the kernel's addresses. Without a family (0) no IPv4 address but the wildcard can be bound.
const USER_BITS: u32 = 48;

/// `io_uring_submit_req(struct io_kiocb *req)`: see `io_uring`.
#[btf_tracepoint(function = "io_uring_submit_req")]
pub fn io_uring_socket(ctx: BtfTracePointContext) -> i32 {
    let request = request(&ctx);
    if operation(request) == SOCKET {
        let asked = Asked::new(
            request.read_or_zero(offset!(io_socket_domain)),
            request.read_or_zero(offset!(io_socket_type)),
            request.read_or_zero(offset!(io_socket_protocol)),
        );
        socket_create::created(asked, io_uring::asked(EventKind::SOCKET));
    }
    0
}

/// The same. Kernels that bind by rings (6.11) have copied the address by then. A socket that an earlier request of the chain
/// is yet to make is of no known type.
#[btf_tracepoint(function = "io_uring_submit_req")]
pub fn io_uring_bind(ctx: BtfTracePointContext) -> i32 {
    let request = request(&ctx);
    if operation(request) == BIND
        && let Some(address) = address(request)
    {
        let sk = io_uring::file(request).and_then(syscall::sock).unwrap_or(Kptr(0));
        bind::asked(sk, address, request.read_or_zero(offset!(io_bind_addr_len)));
    }
    0
}

/// The kernel's copy of the address that a request names, where it has one.
#[inline(always)]
pub fn address(request: Kptr) -> Option<Kptr> {
    let data = request.follow(offset!(io_kiocb_async_data))?;
    if is_bare(data) {
        Some(data)
    } else {
        data.field(offset!(io_async_addr))
    }
}

/// The copy stands alone, as later kernels and their stable ones (6.18.44) have it, not in a `struct io_async_msghdr`; types do not
/// tell. That one begins, since 6.15, with the address of something aligned, or null; an address with its family.
#[inline(always)]
fn is_bare(data: Kptr) -> bool {
    if offset!(io_async_vec) != 0 {
        return false;
    }
    let first = data.read_or_zero::<u64>(0);
    first & ALIGNED != 0 || first != 0 && first >> USER_BITS == 0
}
