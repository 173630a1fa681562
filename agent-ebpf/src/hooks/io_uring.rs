//! Files by io_uring, where everything else rests on tracepoints: rings make no system call for what they do. What is asked
//! for, by the kernel's copy of the name; whether it succeeds is not known here.

use crate::emit;
use crate::file;
use crate::global::offset;
use crate::header::{self, Origin, Report};
use crate::hooks::open_attempt;
use crate::kernel::Kptr;
use crate::path;
use crate::scratch::{self, Memory};
use crate::task::{self, Actor, Deed};
use crate::text::Text;
use agent_common::event::{EventKind, FileObject, FileOpenEvent, RecordFlags, StrRef};
use agent_common::limits::MAX_PATH;
use aya_ebpf::macros::btf_tracepoint;
use aya_ebpf::programs::BtfTracePointContext;

const OPENAT: u8 = 18;
const OPENAT2: u8 = 28;
/// In a key's access: only asked for.
const ASKED: u16 = 0x400;
const O_ACCMODE: u32 = 3;

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
    let kind = EventKind::FILE_OPEN;
    let Some(actor) = task::enter(kind) else { return };
    let name = request.follow(offset!(io_open_filename));
    let Some(name) = name.and_then(|name| name.follow(offset!(filename_name))) else {
        return emit::lose(
            kind,
            agent_common::counter::Outcome::LOST_UNREADABLE,
            actor.label.slot,
        );
    };
    let asked = Asked {
        directory: request.read_or_zero(offset!(io_open_dfd)),
        name: name.0,
        flags: request.read_or_zero::<u64>(offset!(io_open_how)) as u32,
    };
    asks(&actor, &asked);
}

/// An open as it was asked for.
struct Asked {
    directory: i32,
    name: u64,
    flags: u32,
}

#[inline(always)]
fn asks(actor: &Actor, asked: &Asked) {
    let from = open_attempt::base(actor, asked.directory, Memory::Kernel(asked.name));
    let deed = Deed {
        access: ASKED | (asked.flags & O_ACCMODE) as u16,
        object: [Text::kernel(asked.name).identity(), file::place(from.dentry)],
        detail: 0,
    };
    let Some(draft) = emit::draft(actor, EventKind::FILE_OPEN, deed) else {
        return;
    };
    let report = Report {
        kind: EventKind::FILE_OPEN,
        origin: Origin::ARGUMENTS,
        flags: RecordFlags::IO_URING,
        ret: 0,
    };
    let record: *mut FileOpenEvent = draft.begin(actor, report);
    // SAFETY: scratch memory that this program took.
    unsafe {
        (*record).file = FileObject::default();
        (*record).open_flags = asked.flags;
        // As the kernel makes it of the flags: O_RDONLY 0 reads, O_WRONLY 1 writes, O_RDWR 2 does both.
        (*record).f_mode = (asked.flags + 1) & O_ACCMODE;
        (*record).path = scratch::append_str(draft.scratch, Memory::Kernel(asked.name), MAX_PATH as u32);
        (*record).fs_path = StrRef::default();
        if from.dentry != 0
            && let Some(root) = header::root(Kptr(actor.task as u64))
        {
            (*record).fs_path = path::append(draft.scratch, from, root);
        }
    }
    draft.submit();
}
