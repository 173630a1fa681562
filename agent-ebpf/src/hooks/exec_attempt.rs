//! An exec that the kernel refused: on a mount without execution, without permission, of no known format. What was asked
//! for is all there is, with every backend: hooks on objects come after these checks.

use crate::emit;
use crate::file;
use crate::header::{Origin, Report};
use crate::hooks::open_attempt::{self, AT_FDCWD};
use crate::scratch::{self, Memory};
use crate::syscall::Syscall;
use crate::task::{self, Deed};
use crate::text::Text;
use agent_common::event::{AttemptEvent, EventKind, RecordFlags};
use agent_common::limits::MAX_PATH;
use aya_ebpf::macros::btf_tracepoint;
use aya_ebpf::programs::BtfTracePointContext;

const KIND: EventKind = EventKind::EXEC_ATTEMPT;
const EPERM: i64 = -1;
const ENOEXEC: i64 = -8;
const EACCES: i64 = -13;
const ETXTBSY: i64 = -26;
const ELOOP: i64 = -40;

/// execve(path, arguments, environment) fails.
#[btf_tracepoint(function = "sys_exit")]
pub fn refused_execve(ctx: BtfTracePointContext) -> i32 {
    let call = Syscall::of(&ctx);
    if is_telling(&call) {
        attempt(&call, AT_FDCWD, call.arg::<0>());
    }
    0
}

/// execveat(directory, path, arguments, environment, flags) fails.
#[btf_tracepoint(function = "sys_exit")]
pub fn refused_execveat(ctx: BtfTracePointContext) -> i32 {
    let call = Syscall::of(&ctx);
    if is_telling(&call) {
        attempt(&call, call.arg::<0>() as i32, call.arg::<1>());
    }
    0
}

/// Not that there is no such file: shells search their path that way.
#[inline(always)]
fn is_telling(call: &Syscall) -> bool {
    matches!(call.ret, EPERM | ENOEXEC | EACCES | ETXTBSY | ELOOP)
}

#[inline(always)]
fn attempt(call: &Syscall, directory: i32, name: u64) {
    let Some(actor) = task::enter(KIND) else { return };
    let from = open_attempt::base(actor.task, directory, Memory::User(name));
    let deed = Deed {
        access: 0,
        object: [Text::user(name).identity(), file::place(from.dentry)],
        detail: call.ret as u64,
    };
    let Ok(draft) = emit::draft(&actor, KIND, deed) else {
        return;
    };
    let forbidden = matches!(call.ret, EPERM | EACCES);
    let report = Report {
        kind: KIND,
        origin: Origin::ARGUMENTS,
        flags: call.flags() | if forbidden { RecordFlags::DEVIATION } else { 0 },
        ret: call.result(),
    };
    let record: *mut AttemptEvent = draft.begin(&actor, report);
    // SAFETY: scratch memory that this program took.
    unsafe {
        (*record).path = scratch::append_str(draft.scratch, Memory::User(name), MAX_PATH as u32);
        (*record).directory = open_attempt::append_base(draft.scratch, &actor, from);
    }
    draft.submit();
}
