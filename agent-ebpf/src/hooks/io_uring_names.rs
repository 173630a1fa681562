//! Names by io_uring, where everything else rests on tracepoints: see `io_uring`. What a request begins with is its operation's
//! own: `struct io_unlink`, `io_rename`, `io_link`.

use crate::global::offset;
use crate::hooks::io_uring::{self, ASKED, name, operation, request};
use crate::hooks::names::{self, Change, Name};
use crate::kernel::Kptr;
use crate::scratch::Memory;
use agent_common::event::EventKind;
use aya_ebpf::macros::btf_tracepoint;
use aya_ebpf::programs::BtfTracePointContext;

const RENAMEAT: u8 = 35;
const UNLINKAT: u8 = 36;
const SYMLINKAT: u8 = 38;
const LINKAT: u8 = 39;
const AT_REMOVEDIR: u32 = 0x200;

/// `io_uring_submit_req(struct io_kiocb *req)`: see `io_uring`. A program for each operation: of all in one 6.18 says "BPF program
/// is too large. Processed 1000001 insn".
#[btf_tracepoint(function = "io_uring_submit_req")]
pub fn io_uring_unlink(ctx: BtfTracePointContext) -> i32 {
    let request = request(&ctx);
    if operation(request) == UNLINKAT
        && request.read_or_zero::<u32>(offset!(io_unlink_flags)) & AT_REMOVEDIR == 0
    {
        let name = asked(request, offset!(io_unlink_filename), offset!(io_unlink_dfd));
        report(EventKind::UNLINK, Change::of(name, Name::Absent));
    }
    0
}

#[btf_tracepoint(function = "io_uring_submit_req")]
pub fn io_uring_rename(ctx: BtfTracePointContext) -> i32 {
    let request = request(&ctx);
    if operation(request) == RENAMEAT {
        let old = asked(request, offset!(io_rename_oldpath), offset!(io_rename_old_dfd));
        let new = asked(request, offset!(io_rename_newpath), offset!(io_rename_new_dfd));
        let rename_flags = request.read_or_zero::<u32>(offset!(io_rename_flags));
        let change = Change {
            access: rename_flags as u16 & 0xff,
            rename_flags,
            ..Change::of(old, new)
        };
        report(EventKind::RENAME, change);
    }
    0
}

#[btf_tracepoint(function = "io_uring_submit_req")]
pub fn io_uring_link(ctx: BtfTracePointContext) -> i32 {
    let request = request(&ctx);
    if operation(request) == LINKAT {
        let old = asked(request, offset!(io_link_oldpath), offset!(io_link_old_dfd));
        let new = asked(request, offset!(io_link_newpath), offset!(io_link_new_dfd));
        report(EventKind::LINK, Change::of(old, new));
    }
    0
}

#[btf_tracepoint(function = "io_uring_submit_req")]
pub fn io_uring_symlink(ctx: BtfTracePointContext) -> i32 {
    let request = request(&ctx);
    if operation(request) == SYMLINKAT {
        let text = Memory::Kernel(name(request, offset!(io_link_oldpath)));
        let link = asked(request, offset!(io_link_newpath), offset!(io_link_new_dfd));
        report(EventKind::SYMLINK, Change::of(Name::Text(text), link));
    }
    0
}

/// A name as the request has it.
#[inline(always)]
fn asked(request: Kptr, path: u32, directory: u32) -> Name {
    Name::Asked(
        Memory::Kernel(name(request, path)),
        request.read_or_zero(directory),
    )
}

#[inline(always)]
fn report(kind: EventKind, change: Change) {
    let change = Change {
        access: change.access | ASKED,
        ..change
    };
    names::report(&change, io_uring::asked(kind));
}
