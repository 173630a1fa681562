//! What unlink and rename have in common: only watched names are reported.

use crate::count;
use crate::emit;
use crate::file;
use crate::header::{self, Report};
use crate::kernel::Kptr;
use crate::path::{self, Location};
use crate::scratch::{self, Memory, Scratch};
use crate::task::{Actor, Deed};
use crate::text;
use agent_common::counter::Outcome;
use agent_common::event::{FileObject, NameEvent, RecordFlags, StrRef};
use agent_common::limits::MAX_PATH;

/// A name, and where it stands.
#[derive(Clone, Copy)]
pub enum Name {
    /// RENAME's second name, for UNLINK.
    Absent,
    /// The kernel's own.
    Entry(Location),
    /// The last component of an argument.
    Argument(u64),
}

impl Name {
    /// Of a dentry in the directory whose `struct path` an argument points to.
    #[inline(always)]
    pub fn entry(directory: u64, dentry: u64) -> Self {
        let directory = Location::read(Kptr(directory));
        Self::Entry(Location {
            dentry,
            mnt: directory.map_or(0, |directory| directory.mnt),
        })
    }

    /// `agent_common::name_hash` of it; `None` without scratch memory.
    #[inline(always)]
    fn hash(self) -> Option<u64> {
        match self {
            Self::Absent => Some(0),
            Self::Entry(location) => Some(text::dentry_hash(location.dentry)),
            Self::Argument(address) => {
                let scratch = scratch::take()?;
                let hash = text::base_name_hash(scratch, address);
                scratch::release(scratch);
                Some(hash)
            }
        }
    }

    #[inline(always)]
    fn append(self, scratch: *mut Scratch, root: Location) -> StrRef {
        match self {
            Self::Absent => StrRef::default(),
            Self::Entry(location) => path::append(scratch, location, root),
            Self::Argument(address) => scratch::append_str(scratch, Memory::User(address), MAX_PATH as u32),
        }
    }

    #[inline(always)]
    fn file(self) -> FileObject {
        match self {
            Self::Entry(location) => file::at(location).unwrap_or_default(),
            _ => FileObject::default(),
        }
    }
}

/// Reports that `old` goes, or becomes `new`, when one of them is watched.
#[inline(always)]
pub fn report(actor: &Actor, old: Name, new: Name, report: Report) {
    let (Some(old_hash), Some(new_hash)) = (old.hash(), new.hash()) else {
        return emit::lose(report.kind, Outcome::LOST_SCRATCH_BUSY, actor.label.slot);
    };
    if !text::is_watched(old_hash) && !text::is_watched(new_hash) {
        return count::outcome(report.kind, Outcome::SUPPRESSED_UNWATCHED);
    }
    let file = old.file();
    let deed = Deed {
        access: 0,
        object: [old_hash, new_hash],
        detail: file.ino,
    };
    let Some(draft) = emit::draft(actor, report.kind, deed) else {
        return;
    };
    let report = Report {
        flags: report.flags | RecordFlags::DEVIATION,
        ..report
    };
    let record: *mut NameEvent = draft.begin(actor, report);
    let top = Location { dentry: 0, mnt: 0 };
    let root = header::root(Kptr(actor.task as u64)).unwrap_or(top);
    // SAFETY: scratch memory that this program took.
    unsafe {
        (*record).file = file;
        (*record).directory = FileObject::default();
        (*record).rename_flags = 0;
        (*record).fs_path = StrRef::default();
        (*record).path = old.append(draft.scratch, root);
        (*record).new_path = new.append(draft.scratch, root);
    }
    draft.submit();
}
