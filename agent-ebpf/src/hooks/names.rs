//! What all changes of a directory have in common. The first change in a directory by an executable leaves the kernel, and the
//! first of each watched name in it; the rest is counted: to remove 10,000 files of a directory is one behaviour.

use crate::directory::Entry;
use crate::emit;
use crate::file;
use crate::global::offset;
use crate::header::{self, Report};
use crate::hooks::open_attempt;
use crate::kernel::Kptr;
use crate::path::{self, Location};
use crate::scratch::{self, Memory, Scratch};
use crate::task::{self, Actor, Deed};
use agent_common::counter::Outcome;
use agent_common::event::{FileFlags, FileObject, NameEvent, RecordFlags, StrRef};
use agent_common::limits::MAX_PATH;

const NOWHERE: Location = Location { dentry: 0, mnt: 0 };

/// A name, and where it stands.
#[derive(Clone, Copy)]
pub enum Name {
    /// The second name of what has one only.
    Absent,
    /// The kernel's own.
    Entry(Location),
    /// What was asked for: a text, and the directory that a relative one begins at.
    Asked(Memory, i32),
    /// The text of a symbolic link.
    Text(Memory),
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

    /// `None` without scratch memory.
    #[inline(always)]
    fn in_key(self, actor: &Actor) -> Option<Entry> {
        match self {
            Self::Absent => Some(Entry::default()),
            Self::Entry(location) => Some(Entry::of(location.dentry)),
            Self::Asked(name, from) => {
                let from = open_attempt::base(actor.task, from, name);
                Entry::asked(name, from.dentry)
            }
            Self::Text(text) => Entry::asked(text, 0),
        }
    }

    #[inline(always)]
    fn append(self, scratch: *mut Scratch, root: Location) -> StrRef {
        match self {
            Self::Absent => StrRef::default(),
            Self::Entry(location) => path::append(scratch, location, root),
            Self::Asked(text, _) | Self::Text(text) => scratch::append_str(scratch, text, MAX_PATH as u32),
        }
    }

    /// What it stands for.
    #[inline(always)]
    fn file(self) -> FileObject {
        match self {
            Self::Entry(location) => file::at(location).unwrap_or_default(),
            _ => FileObject::default(),
        }
    }

    /// The directory that it stands in.
    #[inline(always)]
    fn directory(self) -> FileObject {
        let Self::Entry(location) = self else {
            return FileObject::default();
        };
        let parent = Kptr(location.dentry).follow(offset!(dentry_parent));
        let parent = parent.map(|parent| Location {
            dentry: parent.0,
            ..location
        });
        parent.and_then(file::at).unwrap_or_default()
    }
}

/// A change of a directory.
#[derive(Clone, Copy)]
pub struct Change {
    /// The name as it was; where a name is made that has no other, that one.
    pub old: Name,
    /// The name that it becomes.
    pub new: Name,
    /// In the behaviour's key.
    pub access: u16,
    /// `RENAME_*` flags.
    pub rename_flags: u32,
    /// Of a device node: type and number.
    pub mode: u16,
    pub rdev: u32,
}

impl Change {
    #[inline(always)]
    pub fn of(old: Name, new: Name) -> Self {
        Self {
            old,
            new,
            access: 0,
            rename_flags: 0,
            mode: 0,
            rdev: 0,
        }
    }

    /// The name whose directory changes.
    #[inline(always)]
    fn changed(&self) -> Name {
        match self.new {
            Name::Absent => self.old,
            new => new,
        }
    }
}

/// Reports it, for a container. Rules judge most of these by the directory, as they do opens to write; watched names are urgent.
#[inline(always)]
pub fn report(change: &Change, report: Report) {
    let Some(actor) = task::enter(report.kind) else {
        return;
    };
    let (Some(old), Some(new)) = (change.old.in_key(&actor), change.new.in_key(&actor)) else {
        return emit::lose(report.kind, Outcome::LOST_SCRATCH_BUSY, actor.slot());
    };
    let deed = Deed {
        access: change.access,
        object: [old.number(), new.number()],
        detail: u64::from(change.rdev),
    };
    let Ok(draft) = emit::draft(&actor, report.kind, deed) else {
        return;
    };
    let urgent = if old.is_watched() || new.is_watched() {
        RecordFlags::DEVIATION
    } else {
        0
    };
    let report = Report {
        flags: report.flags | urgent,
        ..report
    };
    let record: *mut NameEvent = draft.begin(&actor, report);
    fill(record, draft.scratch, change, &actor);
    draft.submit();
}

#[inline(always)]
fn fill(record: *mut NameEvent, scratch: *mut Scratch, change: &Change, actor: &Actor) {
    let root = header::root(Kptr(actor.task as u64)).unwrap_or(NOWHERE);
    let changed = change.changed();
    // SAFETY: scratch memory that this program took.
    unsafe {
        (*record).file = change.old.file();
        (*record).directory = changed.directory();
        if change.mode != 0 {
            (*record).file.mode = change.mode;
            (*record).file.rdev = change.rdev;
        }
        (*record).rename_flags = change.rename_flags;
        (*record).path = change.old.append(scratch, root);
        (*record).new_path = change.new.append(scratch, root);
        (*record).fs_path = StrRef::default();
        match changed {
            Name::Entry(location) => {
                // From the record: see `file_open`.
                let flags = core::ptr::read_volatile(&raw const (*record).directory.flags);
                if is_shown_elsewhere(flags) {
                    (*record).fs_path = path::append_in_filesystem(scratch, location);
                }
            }
            Name::Asked(text, from) => {
                let from = open_attempt::base(actor.task, from, text);
                if from.dentry != 0 {
                    (*record).fs_path = path::append(scratch, from, root);
                }
            }
            Name::Absent | Name::Text(_) => {}
        }
    }
}

/// A bind mount, or what is not the container's own: a host's disk may be mounted whole, and its path be a chroot's.
#[inline(always)]
pub fn is_shown_elsewhere(flags: u16) -> bool {
    flags & (FileFlags::BIND_MOUNT | FileFlags::OVERLAY) != FileFlags::OVERLAY
}
