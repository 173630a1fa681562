//! Attributes by io_uring, where everything else rests on tracepoints: see `io_uring`. The request has a copy of the attribute's
//! name, and one of the file's or a descriptor: `struct io_xattr`.

use crate::global::offset;
use crate::hooks::io_uring::{self, name, operation, request};
use crate::hooks::open_attempt::AT_FDCWD;
use crate::hooks::setattr::{self, Change, Subject};
use crate::kernel::Kptr;
use crate::scratch::Memory;
use crate::text::Text;
use agent_common::event::{AttributeOp, EventKind};
use aya_ebpf::macros::btf_tracepoint;
use aya_ebpf::programs::BtfTracePointContext;

const FSETXATTR: u8 = 41;
const SETXATTR: u8 = 42;

/// `io_uring_submit_req(struct io_kiocb *req)`: see `io_uring`.
#[btf_tracepoint(function = "io_uring_submit_req")]
pub fn io_uring_setxattr(ctx: BtfTracePointContext) -> i32 {
    let request = request(&ctx);
    if operation(request) == SETXATTR {
        let path = Memory::Kernel(name(request, offset!(io_xattr_filename)));
        let subject = Subject::Asked {
            directory: AT_FDCWD,
            path,
        };
        sets(request, subject);
    }
    0
}

/// The same by a descriptor, which is none of the ring's own.
#[btf_tracepoint(function = "io_uring_submit_req")]
pub fn io_uring_fsetxattr(ctx: BtfTracePointContext) -> i32 {
    let request = request(&ctx);
    if operation(request) == FSETXATTR {
        // Where nothing is behind it yet, that is a loss, and counts as one.
        let file = io_uring::file(request).unwrap_or(Kptr(0));
        sets(request, Subject::Open(file));
    }
    0
}

#[inline(always)]
fn sets(request: Kptr, subject: Subject) {
    let attribute = request.read_or_zero::<u64>(offset!(io_xattr_name));
    if !setattr::gives_rights(Kptr(attribute).read(0)) {
        return;
    }
    let change = Change {
        op: AttributeOp::SETXATTR,
        value: 0,
        name: Text::kernel(attribute),
    };
    setattr::change_of(&change, subject, io_uring::asked(EventKind::SETATTR));
}
