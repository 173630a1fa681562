//! splice(2) of a few bytes of a file that may only be read, into a pipe: the pages in the pipe are the file's own, and more
//! than one hole of the kernel let them be written.

use crate::emit;
use crate::file::{self, OpenFile};
use crate::global::offset;
use crate::header::Origin;
use crate::hooks::call::{self, Told};
use crate::kernel::{Kptr, read_user};
use crate::syscall::{self, Syscall};
use crate::text::Text;
use agent_common::event::{CallName, RecordFlags};
use agent_common::mode::{FMODE_READ, FMODE_WRITE, S_IFMT, S_IFREG};
use aya_ebpf::macros::btf_tracepoint;
use aya_ebpf::programs::BtfTracePointContext;

/// What copies files moves more at once.
const FEW: u64 = 4096;
const S_IFIFO: u16 = 0o010_000;

/// splice(fd_in, off_in, fd_out, off_out, len, flags).
#[btf_tracepoint(function = "sys_exit")]
pub fn exit_splice(ctx: BtfTracePointContext) -> i32 {
    let call = Syscall::of(&ctx);
    if call.ret > 0 && call.arg::<4>() < FEW {
        moved(&call);
    }
    0
}

#[inline(always)]
fn moved(call: &Syscall) {
    let (Some(from), Some(to)) = (
        syscall::file(call.arg::<0>() as u32),
        syscall::file(call.arg::<2>() as u32),
    ) else {
        return emit::lose_unreadable(call::KIND);
    };
    let access = from.read_or_zero::<u32>(offset!(file_f_mode)) & (FMODE_READ | FMODE_WRITE);
    if access != FMODE_READ || kind(from) != S_IFREG || kind(to) != S_IFIFO {
        return;
    }
    let Some(open) = OpenFile::read(from) else { return };
    let told = Told {
        call: CallName::SPLICE,
        args: [
            read_user(call.arg::<1>()).unwrap_or(0),
            0,
            call.arg::<4>(),
            call.arg::<5>(),
        ],
        text: Text::Path(open.location),
        key: [file::identity(from, &open.object), u64::from(open.object.dev)],
    };
    call::report(
        &told,
        call::returned(call, Origin::DESCRIPTOR, RecordFlags::DEVIATION),
    );
}

#[inline(always)]
fn kind(file: Kptr) -> u16 {
    let inode = Kptr(file.read_or_zero(offset!(file_f_inode)));
    inode.read_or_zero::<u16>(offset!(inode_mode)) & S_IFMT
}
