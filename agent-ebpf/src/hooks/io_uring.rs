//! Rings, where everything else rests on tracepoints: they make no system call for what they do. What is asked for, by the
//! kernel's copy of it; whether it succeeds is not known here. Files are opened here; `io_uring_*` have the other operations.

use crate::global::offset;
use crate::header::{Origin, Report};
use crate::hooks::open_attempt::{self, Asked};
use crate::kernel::Kptr;
use crate::scratch::Memory;
use crate::syscall;
use crate::task;
use agent_common::event::{EventKind, RecordFlags};
use agent_common::offsets::MISSING;
use aya_ebpf::macros::btf_tracepoint;
use aya_ebpf::programs::BtfTracePointContext;

const KIND: EventKind = EventKind::FILE_OPEN;
/// `REQ_F_FIXED_FILE`, which is `IOSQE_FIXED_FILE`: the descriptor is a place among the ring's own files.
const FIXED_FILE: u32 = 1;
/// What the pointer to one of those has of its own in its low bits.
const FILE_FLAGS: u64 = 7;
const OPENAT: u8 = 18;
const OPENAT2: u8 = 28;
/// In a key's access: only asked for.
pub const ASKED: u16 = 0x400;

/// `io_uring_submit_req(struct io_kiocb *req)`, since 6.3: the request is read and checked, and about to be done.
#[btf_tracepoint(function = "io_uring_submit_req")]
pub fn io_uring_submit(ctx: BtfTracePointContext) -> i32 {
    let request = request(&ctx);
    if matches!(operation(request), OPENAT | OPENAT2) {
        opens(request);
    }
    0
}

/// Before 6.3 the tracepoint is `io_uring_submit_sqe(struct io_kiocb *req, bool force_nonblock)`; before 6.0, when requests had
/// no room of one kind for all operations, `(void *ctx, void *req, …)`. The verifier does not look at the branch not taken.
#[inline(always)]
pub fn request(ctx: &BtfTracePointContext) -> Kptr {
    if offset!(io_kiocb_cmd) == MISSING {
        Kptr(ctx.arg(1))
    } else {
        Kptr(ctx.arg(0))
    }
}

/// Address of the kernel's copy of a name, which a request points to; 0 reads as an empty one. Without branches: the verifier
/// would look at what follows once for each.
#[inline(always)]
pub fn name(request: Kptr, field: u32) -> u64 {
    Kptr(request.read_or_zero::<u64>(field)).read_or_zero(offset!(filename_name))
}

/// `IORING_OP_*`.
#[inline(always)]
pub fn operation(request: Kptr) -> u8 {
    request.read_or_zero(offset!(io_kiocb_opcode))
}

/// Whether these bits are set: the lowest eight are those of the submission, `IOSQE_*`.
#[inline(always)]
pub fn has(request: Kptr, flags: u32) -> bool {
    request.read_or_zero::<u32>(offset!(io_kiocb_flags)) & flags != 0
}

/// The file that a request's descriptor stands for as it is submitted. The kernel looks it up later: an earlier request of the
/// same chain may be what puts it there.
#[inline(always)]
pub fn file(request: Kptr) -> Option<Kptr> {
    let fd = request.read_or_zero::<u32>(offset!(io_kiocb_fd));
    if has(request, FIXED_FILE) {
        registered(request.follow(offset!(io_kiocb_ring))?, fd)
    } else {
        syscall::file(fd)
    }
}

/// One of the files that a ring has for itself.
#[inline(always)]
fn registered(ring: Kptr, index: u32) -> Option<Kptr> {
    if index >= ring.read_or_zero::<u32>(offset!(ring_files_count)) {
        return None;
    }
    let place = Kptr(ring.follow(offset!(ring_files))?.0 + u64::from(index) * 8);
    let pointer = if offset!(ring_node_file) == MISSING {
        place.read_or_zero::<u64>(0)
    } else {
        place.follow(0)?.read_or_zero::<u64>(offset!(ring_node_file))
    };
    match pointer & !FILE_FLAGS {
        0 => None,
        file => Some(Kptr(file)),
    }
}

/// What is said of a request: it was asked for.
#[inline(always)]
pub fn asked(kind: EventKind) -> Report {
    Report {
        kind,
        origin: Origin::ARGUMENTS,
        flags: RecordFlags::IO_URING,
        ret: 0,
    }
}

/// What a request begins with is its operation's own: `struct io_open`.
#[inline(always)]
fn opens(request: Kptr) {
    let Some(actor) = task::enter(KIND) else { return };
    let wanted = Asked {
        directory: request.read_or_zero(offset!(io_open_dfd)),
        path: Memory::Kernel(name(request, offset!(io_open_filename))),
        flags: request.read_or_zero::<u64>(offset!(io_open_how)) as u32,
    };
    open_attempt::unresolved(&actor, &wanted, ASKED, asked(KIND));
}
