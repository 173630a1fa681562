//! ioctl(2), as far as its command tells by itself. A hot call: the command is looked at first.

use crate::emit;
use crate::header::{Origin, Report};
use crate::hooks::setattr::{self, Change, Subject};
use crate::kernel::read_user;
use crate::syscall::{self, Syscall};
use crate::task::{self, Deed};
use crate::text::Text;
use agent_common::event::{AttributeOp, CallName, EventKind, RecordFlags, StrRef, SyscallEvent};
use aya_ebpf::macros::btf_tracepoint;
use aya_ebpf::programs::BtfTracePointContext;

const FS_IOC_SETFLAGS: u32 = 0x4008_6602;
/// Of 32-bit programs.
const FS_IOC32_SETFLAGS: u32 = 0x4004_6602;
const FS_IOC_FSSETXATTR: u32 = 0x401c_5820;
/// Types into a terminal.
const TIOCSTI: u32 = 0x5412;
const TIOCLINUX: u32 = 0x541c;
/// Makes a network interface.
const TUNSETIFF: u32 = 0x4004_54ca;

/// ioctl(fd, command, argument) returns.
#[btf_tracepoint(function = "sys_exit")]
pub fn exit_ioctl(ctx: BtfTracePointContext) -> i32 {
    let call = Syscall::of(&ctx);
    match call.arg::<1>() as u32 {
        FS_IOC_SETFLAGS | FS_IOC32_SETFLAGS | FS_IOC_FSSETXATTR => sets_flags(&call),
        TIOCSTI | TIOCLINUX | TUNSETIFF => tells(&call),
        _ => {}
    }
    0
}

/// All structures begin with the flags. Refused attempts tell as well.
#[inline(always)]
fn sets_flags(call: &Syscall) {
    let subject = match syscall::file(call.arg::<0>() as u32) {
        Some(file) => Subject::Open(file),
        None if call.ret == 0 => return emit::lose_unreadable(setattr::KIND),
        None => return,
    };
    let flags = u64::from(read_user::<u32>(call.arg::<2>()).unwrap_or(0));
    let extended = call.arg::<1>() as u32 == FS_IOC_FSSETXATTR;
    let change = Change {
        op: AttributeOp::SETFLAGS,
        value: if extended {
            setattr::inode_flags(flags)
        } else {
            flags
        },
        name: Text::Absent,
    };
    setattr::change_of(&change, subject, setattr::returned(call, &subject));
}

#[inline(always)]
fn tells(call: &Syscall) {
    let kind = EventKind::SYSCALL;
    let Some(actor) = task::enter(kind) else { return };
    let command = u64::from(call.arg::<1>() as u32);
    let deed = Deed {
        access: CallName::IOCTL.0 as u16,
        object: [command, 0],
        detail: call.ret as u64,
    };
    let Ok(draft) = emit::draft(&actor, kind, deed) else {
        return;
    };
    let report = Report {
        kind,
        origin: Origin::ARGUMENTS,
        flags: call.flags() | RecordFlags::DEVIATION,
        ret: call.result(),
    };
    let record: *mut SyscallEvent = draft.begin(&actor, report);
    // SAFETY: scratch memory that this program took.
    unsafe {
        (*record).args = [call.arg::<0>(), command, 0, 0];
        (*record).call = CallName::IOCTL;
        (*record).text = StrRef::default();
    }
    draft.submit();
}
