//! The root and the working directory of a task. When the calls return, both are the kernel's own; io_uring has neither.

use crate::count;
use crate::directory;
use crate::emit;
use crate::file;
use crate::header::{self, Origin, Report};
use crate::kernel::Kptr;
use crate::path::{self, Location};
use crate::scratch::{self, Memory};
use crate::syscall::Syscall;
use crate::task::{self, Actor, Deed};
use crate::text::Text;
use agent_common::counter::Outcome;
use agent_common::event::{DirectoryEvent, EventKind, FileObject, RecordFlags, StrRef};
use agent_common::limits::MAX_PATH;
use aya_ebpf::macros::btf_tracepoint;
use aya_ebpf::programs::BtfTracePointContext;

const EPERM: i64 = -1;
/// In a key's access: refused.
const REFUSED: u16 = 0x200;
/// The top of a mount namespace.
const TOP: Location = Location { dentry: 0, mnt: 0 };

/// chroot(path) returns.
#[btf_tracepoint(function = "sys_exit")]
pub fn exit_chroot(ctx: BtfTracePointContext) -> i32 {
    let call = Syscall::of(&ctx);
    if call.ret == EPERM {
        refused(&call);
    } else if call.ret == 0
        && let Some(actor) = task::enter(EventKind::CHROOT)
    {
        let task = Kptr(actor.task as u64);
        match (header::root(task), header::working_directory(task)) {
            (Some(root), Some(directory)) => {
                let outside = path::is_outside(directory, root);
                report(&actor, EventKind::CHROOT, root, outside, call.flags());
            }
            _ => emit::lose(EventKind::CHROOT, Outcome::LOST_UNREADABLE, actor.slot()),
        }
    }
    0
}

/// chdir(path) and fchdir(fd) return: only directories outside the root are reported.
#[btf_tracepoint(function = "sys_exit")]
pub fn exit_chdir(ctx: BtfTracePointContext) -> i32 {
    let call = Syscall::of(&ctx);
    if call.ret != 0 {
        return 0;
    }
    let Some(actor) = task::enter(EventKind::CHDIR) else {
        return 0;
    };
    let task = Kptr(actor.task as u64);
    let (Some(root), Some(directory)) = (header::root(task), header::working_directory(task)) else {
        emit::lose(EventKind::CHDIR, Outcome::LOST_UNREADABLE, actor.slot());
        return 0;
    };
    if !path::is_outside(directory, root) {
        count::outcome(EventKind::CHDIR, Outcome::SUPPRESSED_UNWATCHED, actor.slot());
        return 0;
    }
    report(&actor, EventKind::CHDIR, directory, true, call.flags());
    0
}

#[inline(always)]
fn report(actor: &Actor, kind: EventKind, location: Location, outside: bool, flags: u32) {
    let deed = Deed {
        access: u16::from(outside),
        object: [directory::number(location.dentry), 0],
        detail: 0,
    };
    let Ok(draft) = emit::draft(actor, kind, deed) else {
        return;
    };
    let report = Report {
        kind,
        origin: Origin::TRACEPOINT,
        flags: flags | RecordFlags::DEVIATION,
        ret: 0,
    };
    let record: *mut DirectoryEvent = draft.begin(actor, report);
    // SAFETY: scratch memory that this program took.
    unsafe {
        (*record).file = file::at(location).unwrap_or_default();
        (*record).outside = u32::from(outside);
        (*record).reserved = 0;
        (*record).path = path::append(draft.scratch, location, TOP);
        (*record).fs_path = path::append_in_filesystem(draft.scratch, location);
    }
    draft.submit();
}

/// What was asked for.
#[inline(always)]
fn refused(call: &Syscall) {
    let kind = EventKind::CHROOT;
    let Some(actor) = task::enter(kind) else { return };
    let name = call.arg::<0>();
    let deed = Deed {
        access: REFUSED,
        object: [Text::user(name).identity(), 0],
        detail: 0,
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
    let record: *mut DirectoryEvent = draft.begin(&actor, report);
    // SAFETY: scratch memory that this program took.
    unsafe {
        (*record).file = FileObject::default();
        (*record).outside = 0;
        (*record).reserved = 0;
        (*record).path = scratch::append_str(draft.scratch, Memory::User(name), MAX_PATH as u32);
        (*record).fs_path = StrRef::default();
    }
    draft.submit();
}
