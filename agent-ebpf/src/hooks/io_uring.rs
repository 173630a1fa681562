//! Files by io_uring, where everything else rests on tracepoints: rings make no system call for what they do. What is asked
//! for, by the kernel's copy of the name; whether it succeeds is not known here.

use crate::emit;
use crate::global::offset;
use crate::header::{Origin, Report};
use crate::hooks::open_attempt::{self, Asked};
use crate::kernel::Kptr;
use crate::scratch::Memory;
use crate::task;
use agent_common::counter::Outcome;
use agent_common::event::{EventKind, RecordFlags};
use aya_ebpf::macros::btf_tracepoint;
use aya_ebpf::programs::BtfTracePointContext;

const KIND: EventKind = EventKind::FILE_OPEN;
const OPENAT: u8 = 18;
const OPENAT2: u8 = 28;
/// In a key's access: only asked for.
const ASKED: u16 = 0x400;

/// `io_uring_submit_req(struct io_kiocb *req)`, since 6.3: the request is read and checked, and about to be done.
#[btf_tracepoint(function = "io_uring_submit_req")]
pub fn io_uring_submit(ctx: BtfTracePointContext) -> i32 {
    let request = Kptr(ctx.arg(0));
    if matches!(
        request.read_or_zero::<u8>(offset!(io_kiocb_opcode)),
        OPENAT | OPENAT2
    ) {
        opens(request);
    }
    0
}

/// What a request begins with is its operation's own: `struct io_open`.
#[inline(always)]
fn opens(request: Kptr) {
    let Some(actor) = task::enter(KIND) else { return };
    let name = request.follow(offset!(io_open_filename));
    let Some(name) = name.and_then(|name| name.follow(offset!(filename_name))) else {
        return emit::lose(KIND, Outcome::LOST_UNREADABLE, actor.label.slot);
    };
    let asked = Asked {
        directory: request.read_or_zero(offset!(io_open_dfd)),
        path: Memory::Kernel(name.0),
        flags: request.read_or_zero::<u64>(offset!(io_open_how)) as u32,
    };
    let report = Report {
        kind: KIND,
        origin: Origin::ARGUMENTS,
        flags: RecordFlags::IO_URING,
        ret: 0,
    };
    open_attempt::unresolved(&actor, &asked, ASKED, report);
}
