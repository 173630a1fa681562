//! Users and capabilities change without an exec: what the hooks have in common.

use crate::emit;
use crate::header::Report;
use crate::kernel::Kptr;
use crate::task::{self, Deed};
use crate::user;
use agent_common::event::{CredentialsEvent, CredentialsOp, EventKind, RecordFlags};

pub const KIND: EventKind = EventKind::CREDENTIALS;
/// In a key's access: the attempt failed.
const FAILED: u16 = 0x100;

/// A change of credentials.
#[derive(Clone, Copy)]
pub struct Change {
    pub op: CredentialsOp,
    pub old_uid: u32,
    pub new_uid: u32,
    pub before: u64,
    pub after: u64,
    /// What is handed on to images: tells one change from another.
    pub inheritable: u64,
}

impl Change {
    /// With nothing known but what it is.
    #[inline(always)]
    pub fn new(op: CredentialsOp) -> Self {
        Self {
            op,
            old_uid: CredentialsEvent::UNKNOWN,
            new_uid: CredentialsEvent::UNKNOWN,
            before: 0,
            after: 0,
            inheritable: 0,
        }
    }
}

/// Credentials of the current task.
#[inline(always)]
pub fn current() -> Kptr {
    user::credentials(Kptr(task::current() as u64))
}

/// Reports it.
#[inline(always)]
pub fn report(change: &Change, report: Report) {
    let Some(actor) = task::enter(KIND) else { return };
    let failed = if report.ret < 0 { FAILED } else { 0 };
    let deed = Deed {
        access: change.op.0 as u16 | failed,
        object: [
            (u64::from(change.old_uid) << 32 | u64::from(change.new_uid)) ^ change.inheritable,
            change.before,
        ],
        detail: change.after,
    };
    let Ok(draft) = emit::draft(&actor, KIND, deed) else {
        return;
    };
    let report = Report {
        flags: report.flags | RecordFlags::DEVIATION,
        ..report
    };
    let record: *mut CredentialsEvent = draft.begin(&actor, report);
    // SAFETY: scratch memory that this program took.
    unsafe {
        (*record).op = change.op;
        (*record).old_uid = change.old_uid;
        (*record).new_uid = change.new_uid;
        (*record).reserved = 0;
        (*record).before = change.before;
        (*record).after = change.after;
    }
    draft.submit();
}
