//! Asked before a new image takes over, where a profile is enforced: execve returns EPERM, and the old image goes on. What may be executed is
//! seen executed by `sched_process_exec`.

use crate::emit::{self, ASKED, Draft};
use crate::file::{self, OpenFile};
use crate::global::offset;
use crate::header::{self, Origin, Report};
use crate::hooks::sched_process_exec::script;
use crate::kernel::Kptr;
use crate::path;
use crate::policy;
use crate::scratch::{self, Memory, Scratch};
use crate::task::{self, Actor, Deed};
use agent_common::counter::Outcome;
use agent_common::event::{EventKind, ExecEvent, SocketAddress, StrRef};
use agent_common::limits::MAX_PATH;
use agent_common::policy::Verdict;
use aya_ebpf::macros::lsm;
use aya_ebpf::programs::LsmContext;

const KIND: EventKind = EventKind::EXEC;

/// `bprm_creds_from_file(struct linux_binprm *bprm, const struct file *file)`, since 5.8: once per execve, of a script for its interpreter,
/// before the point of no return.
#[lsm(hook = "bprm_creds_from_file")]
pub fn lsm_exec(ctx: LsmContext) -> i32 {
    let Some(actor) = task::enter(KIND) else { return 0 };
    let file = Kptr(ctx.arg(1));
    let Some(open) = OpenFile::read(file) else {
        emit::lose(KIND, Outcome::LOST_UNREADABLE, actor.slot());
        return 0;
    };
    let object = [file::identity(file, &open.object), u64::from(open.object.dev)];
    let mut verdict = Verdict::NONE;
    let scratch = record(&actor, &open, Kptr(ctx.arg(0)), &object, &mut verdict);
    if !scratch.is_null() {
        let draft = Draft { scratch };
        verdict = policy::exec(scratch, actor.control.policy);
        draft.submit_asked(verdict, Origin::LSM.means);
    }
    policy::errno(verdict)
}

/// The record, but for its verdict; null: its outcome is booked, and the verdict is known.
#[inline(never)]
fn record(
    actor: &Actor,
    open: &OpenFile,
    bprm: Kptr,
    object: &[u64; 2],
    known: &mut Verdict,
) -> *mut Scratch {
    let deed = Deed {
        access: ASKED,
        object: *object,
        detail: script(actor.task, bprm, actor.label.exec_id),
    };
    let draft = match emit::draft(actor, KIND, deed) {
        Ok(draft) => draft,
        Err(verdict) => {
            *known = verdict;
            return core::ptr::null_mut();
        }
    };
    let report = Report {
        kind: KIND,
        origin: Origin::LSM,
        flags: 0,
        ret: -policy::EPERM,
    };
    let record: *mut ExecEvent = draft.begin(actor, report);
    let task = Kptr(actor.task as u64);
    // SAFETY: scratch memory that this program took.
    unsafe {
        (*record).parent_exec_id = actor.label.exec_id;
        (*record).file = open.object;
        (*record).stdio = 0;
        (*record).stdio_peer = SocketAddress::default();
        (*record).path = StrRef::default();
        (*record).cwd = StrRef::default();
        // They are on the new image's stack, which nothing leads to yet.
        (*record).args = StrRef::default();
        if let Some(root) = header::root(task) {
            (*record).path = path::append(draft.scratch, open.location, root);
            if let Some(cwd) = header::working_directory(task) {
                (*record).cwd = path::append(draft.scratch, cwd, root);
            }
        }
        let name = bprm.follow(offset!(bprm_filename)).map_or(0, |name| name.0);
        (*record).filename = scratch::append_str(draft.scratch, Memory::Kernel(name), MAX_PATH as u32);
    }
    draft.scratch
}
