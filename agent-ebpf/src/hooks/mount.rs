//! Mounts: what the hooks have in common, and the hooks on the kernel's own objects. The system calls' returns
//! are in `mount_exit`.

use crate::emit::{self, ASKED};
use crate::escape::{self, FAILED};
use crate::file;
use crate::global::offset;
use crate::header::{Origin, Report};
use crate::kernel::{Kptr, forget, number};
use crate::path::Location;
use crate::policy;
use crate::scratch::Memory;
use crate::syscall;
use crate::task::{self, Deed};
use crate::text::Text;
use agent_common::event::{EventKind, FileObject, MountEvent, MountOp, RecordFlags};
use agent_common::policy::Verdict;
use aya_ebpf::macros::{fentry, lsm};
use aya_ebpf::programs::{FEntryContext, LsmContext};

const KIND: EventKind = EventKind::MOUNT;
/// fsconfig(2), the same number everywhere.
const SYS_FSCONFIG: u32 = 431;

/// A change of mounts.
#[derive(Clone, Copy)]
pub struct Operation {
    pub op: MountOp,
    pub flags: u64,
    pub file: FileObject,
    pub source: Text,
    pub target: Text,
    pub fstype: Text,
    /// The filesystem's block device; 0: none, or not known.
    pub device: u64,
}

impl Operation {
    /// With nothing known but what it is.
    #[inline(always)]
    pub fn new(op: MountOp) -> Self {
        Self {
            op,
            flags: 0,
            file: FileObject::default(),
            source: Text::Absent,
            target: Text::Absent,
            fstype: Text::Absent,
            device: 0,
        }
    }

    /// What is mounted, by a place in it.
    #[inline(always)]
    pub fn of(mut self, location: Location) -> Self {
        self.file = file::at(location).unwrap_or_default();
        let superblock = Kptr(Kptr(location.dentry).read_or_zero(offset!(dentry_sb)));
        self.fstype = fstype(superblock);
        self.device = superblock.read_or_zero(offset!(sb_bdev));
        self
    }

    /// It is one of those that are denied.
    #[inline(always)]
    fn is_escape(&self, access: u16) -> bool {
        let (name, user) = self.fstype.address();
        let how = self.op.0 & 0xffff | u32::from(access) << 16;
        escape::is_escape_by_mount(how, self.flags, number(self.device), name, user) != 0
    }
}

/// Name of a superblock's filesystem. Without branches, as the other texts here: of two ways that differ in what a text is 6.1 may
/// look at one only, and then takes what is on the other for dead code.
#[inline(always)]
fn fstype(superblock: Kptr) -> Text {
    let kind = Kptr(superblock.read_or_zero(offset!(sb_type)));
    Text::Memory(Memory::Kernel(kind.read_or_zero(offset!(fs_type_name))))
}

/// Where a record comes from, and what the kernel returned.
#[derive(Clone, Copy)]
pub struct Outcome {
    pub origin: Origin,
    pub flags: u32,
    pub ret: i32,
}

/// Hooks that run before the result.
const LSM: Outcome = Outcome {
    origin: Origin::LSM,
    flags: 0,
    ret: 0,
};
const FENTRY: Outcome = Outcome {
    origin: Origin::FENTRY,
    flags: 0,
    ret: 0,
};

/// Reports it. No profile expects a container to change its mounts.
#[inline(always)]
pub fn report(operation: &Operation, outcome: Outcome) -> Verdict {
    judged(operation, outcome, 0)
}

/// The same; with [`ASKED`] only what is to be denied.
#[inline(always)]
fn judged(operation: &Operation, outcome: Outcome, asked: u16) -> Verdict {
    let Some(actor) = task::enter(KIND) else {
        return Verdict::NONE;
    };
    let failed = if outcome.ret < 0 { FAILED } else { 0 };
    let access = failed | escape::rights(actor.task) | asked;
    let deed = Deed {
        access: operation.op.0 as u16 | access,
        object: [
            operation.source.identity() ^ operation.fstype.identity().rotate_left(32),
            operation.target.identity() ^ operation.file.ino.rotate_left(32),
        ],
        detail: operation.flags,
    };
    let draft = match emit::draft(&actor, KIND, deed) {
        Ok(draft) => draft,
        Err(verdict) => return verdict,
    };
    let report = Report {
        kind: KIND,
        origin: outcome.origin,
        flags: outcome.flags | RecordFlags::DEVIATION,
        ret: outcome.ret,
    };
    let record: *mut MountEvent = draft.begin(&actor, report);
    // SAFETY: scratch memory that this program took.
    unsafe {
        (*record).file = operation.file;
        (*record).mount_flags = operation.flags;
        (*record).op = operation.op;
        (*record).source = operation.source.append(draft.scratch);
        (*record).target = operation.target.append(draft.scratch);
        (*record).fstype = operation.fstype.append(draft.scratch);
    }
    let verdict = escape::verdict(&actor, || operation.is_escape(access));
    if asked == 0 {
        draft.submit_judged(verdict, outcome.origin.means);
    } else {
        draft.submit_asked(verdict, outcome.origin.means);
    }
    verdict
}

/// The `struct path` that an argument points to.
#[inline(always)]
fn place(path: u64) -> Location {
    let path = Kptr(path);
    Location {
        dentry: path.read_or_zero(offset!(path_dentry)),
        mnt: path.read_or_zero(offset!(path_mnt)),
    }
}

#[inline(always)]
fn mounted(source: u64, target: u64, fstype: u64, flags: u64, outcome: Outcome) -> Verdict {
    let operation = Operation {
        flags,
        source: Text::kernel(source),
        target: Text::Path(place(target)),
        fstype: Text::kernel(fstype),
        ..Operation::new(MountOp::MOUNT)
    };
    report(&operation, outcome)
}

#[inline(always)]
fn moved(from: u64, to: u64, outcome: Outcome) {
    let location = place(from);
    let mut operation = Operation::new(MountOp::MOVE_MOUNT).of(location);
    operation.source = Text::Path(location);
    operation.target = Text::Path(place(to));
    report(&operation, outcome);
}

#[inline(always)]
fn unmounted(mnt: u64, flags: u64, outcome: Outcome) {
    let location = Location {
        dentry: Kptr(mnt).read_or_zero(offset!(vfsmount_root)),
        mnt,
    };
    let mut operation = Operation::new(MountOp::UMOUNT).of(location);
    operation.flags = flags;
    operation.target = Text::Path(location);
    report(&operation, outcome);
}

#[inline(always)]
fn pivoted(put_old: u64, new_root: u64, outcome: Outcome) {
    let mut operation = Operation::new(MountOp::PIVOT_ROOT);
    operation.source = Text::Path(place(put_old));
    operation.target = Text::Path(place(new_root));
    report(&operation, outcome);
}

/// fsconfig(2) made a superblock. mount(2) comes here too, and has its own hook, which knows types of filesystems by their names only.
#[inline(always)]
fn made(superblock: u64, outcome: Outcome) -> Verdict {
    let mut asked = 0;
    if syscall::current_number() != SYS_FSCONFIG {
        if Kptr(superblock).read_or_zero::<u64>(offset!(sb_bdev)) == 0 {
            return Verdict::NONE;
        }
        asked = ASKED;
    }
    let asked = forget(asked);
    let operation = Operation::new(MountOp::FSMOUNT).of(Location {
        dentry: Kptr(superblock).read_or_zero(offset!(sb_root)),
        mnt: 0,
    });
    judged(&operation, outcome, asked)
}

/// `sb_mount(const char *dev_name, const struct path *path, const char *type, unsigned long flags, void *data)`.
#[lsm(hook = "sb_mount")]
pub fn lsm_sb_mount(ctx: LsmContext) -> i32 {
    policy::errno(mounted(ctx.arg(0), ctx.arg(1), ctx.arg(2), ctx.arg(3), LSM))
}

#[fentry(function = "security_sb_mount")]
pub fn fentry_sb_mount(ctx: FEntryContext) -> i32 {
    policy::end(mounted(ctx.arg(0), ctx.arg(1), ctx.arg(2), ctx.arg(3), FENTRY));
    0
}

/// `move_mount(const struct path *from_path, const struct path *to_path)`, since 5.2.
#[lsm(hook = "move_mount")]
pub fn lsm_move_mount(ctx: LsmContext) -> i32 {
    moved(ctx.arg(0), ctx.arg(1), LSM);
    0
}

#[fentry(function = "security_move_mount")]
pub fn fentry_move_mount(ctx: FEntryContext) -> i32 {
    moved(ctx.arg(0), ctx.arg(1), FENTRY);
    0
}

/// `sb_umount(struct vfsmount *mnt, int flags)`.
#[lsm(hook = "sb_umount")]
pub fn lsm_sb_umount(ctx: LsmContext) -> i32 {
    unmounted(ctx.arg(0), u64::from(ctx.arg::<u32>(1)), LSM);
    0
}

#[fentry(function = "security_sb_umount")]
pub fn fentry_sb_umount(ctx: FEntryContext) -> i32 {
    unmounted(ctx.arg(0), u64::from(ctx.arg::<u32>(1)), FENTRY);
    0
}

/// `sb_pivotroot(const struct path *old_path, const struct path *new_path)`: old is where the old root goes.
#[lsm(hook = "sb_pivotroot")]
pub fn lsm_sb_pivotroot(ctx: LsmContext) -> i32 {
    pivoted(ctx.arg(0), ctx.arg(1), LSM);
    0
}

#[fentry(function = "security_sb_pivotroot")]
pub fn fentry_sb_pivotroot(ctx: FEntryContext) -> i32 {
    pivoted(ctx.arg(0), ctx.arg(1), FENTRY);
    0
}

/// `sb_kern_mount(struct super_block *sb)`.
#[lsm(hook = "sb_kern_mount")]
pub fn lsm_sb_kern_mount(ctx: LsmContext) -> i32 {
    policy::errno(made(ctx.arg(0), LSM))
}

#[fentry(function = "security_sb_kern_mount")]
pub fn fentry_sb_kern_mount(ctx: FEntryContext) -> i32 {
    policy::end(made(ctx.arg(0), FENTRY));
    0
}
