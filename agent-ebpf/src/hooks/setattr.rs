//! Attributes of files: set-user-ID bits, extended attributes that give rights, lengths.

use crate::count;
use crate::emit;
use crate::file::{self, OpenFile};
use crate::global::offset;
use crate::header::{self, Origin, Report};
use crate::hooks::io_uring::ASKED;
use crate::hooks::open_attempt;
use crate::kernel::{Kptr, read_user};
use crate::path::{self, Location};
use crate::scratch::{self, Memory};
use crate::syscall::{self, Syscall};
use crate::task::{self, Actor, Deed};
use crate::text::Text;
use agent_common::counter::Outcome;
use agent_common::event::{
    AttributeEvent, AttributeOp, EventKind, FileFlags, FileObject, RecordFlags, StrRef,
};
use agent_common::limits::MAX_PATH;
use agent_common::magic;
use aya_ebpf::macros::{btf_tracepoint, fentry, lsm};
use aya_ebpf::programs::{BtfTracePointContext, FEntryContext, LsmContext};

pub const KIND: EventKind = EventKind::SETATTR;
/// `S_ISUID | S_ISGID`.
const SETID_BITS: u64 = 0o6000;

/// A change of an attribute.
#[derive(Clone, Copy)]
pub struct Change {
    pub op: AttributeOp,
    pub value: u64,
    pub name: Text,
}

/// Whose attribute.
#[derive(Clone, Copy)]
pub enum Subject {
    /// The kernel's own.
    Place(Location),
    /// Of a descriptor.
    Open(Kptr),
    /// A name that was asked for, in a directory.
    Asked { directory: i32, path: Memory },
}

/// `path_chmod(const struct path *path, umode_t mode)`, with CONFIG_SECURITY_PATH.
#[lsm(hook = "path_chmod")]
pub fn lsm_chmod(ctx: LsmContext) -> i32 {
    changes_mode(ctx.arg(0), ctx.arg::<u32>(1), Origin::LSM);
    0
}

#[fentry(function = "security_path_chmod")]
pub fn fentry_chmod(ctx: FEntryContext) -> i32 {
    changes_mode(ctx.arg(0), ctx.arg::<u32>(1), Origin::FENTRY);
    0
}

#[inline(always)]
fn changes_mode(path: u64, mode: u32, origin: Origin) {
    // The mode is 16 bits; what stands above them in the register is undefined.
    let mode = u64::from(mode) & 0o7777;
    if mode & SETID_BITS == 0 {
        return;
    }
    if let Some(place) = Location::read(Kptr(path)) {
        let change = Change {
            op: AttributeOp::CHMOD,
            value: mode,
            name: Text::Absent,
        };
        change_of(&change, Subject::Place(place), before(origin));
    }
}

/// `inode_setxattr(struct mnt_idmap *idmap, struct dentry *dentry, const char *name, …)`; a user namespace instead of the
/// first before 6.3.
#[lsm(hook = "inode_setxattr")]
pub fn lsm_setxattr(ctx: LsmContext) -> i32 {
    sets(ctx.arg(1), ctx.arg(2), Origin::LSM);
    0
}

#[fentry(function = "security_inode_setxattr")]
pub fn fentry_setxattr(ctx: FEntryContext) -> i32 {
    sets(ctx.arg(1), ctx.arg(2), Origin::FENTRY);
    0
}

#[inline(always)]
fn sets(dentry: u64, name: u64, origin: Origin) {
    if !gives_rights(Kptr(name).read(0)) {
        return;
    }
    let change = Change {
        op: AttributeOp::SETXATTR,
        value: 0,
        name: Text::kernel(name),
    };
    change_of(
        &change,
        Subject::Place(Location { dentry, mnt: 0 }),
        before(origin),
    );
}

/// `security.` (file capabilities) and `trusted.` attributes.
#[inline(always)]
pub fn gives_rights(name: Option<[u8; 8]>) -> bool {
    name.is_some_and(|name| name == *b"security" || name == *b"trusted.")
}

#[inline(always)]
fn before(origin: Origin) -> Report {
    Report {
        kind: KIND,
        origin,
        flags: 0,
        ret: 0,
    }
}

/// chmod(path, mode).
#[btf_tracepoint(function = "sys_exit")]
pub fn exit_chmod(ctx: BtfTracePointContext) -> i32 {
    let call = Syscall::of(&ctx);
    mode_of(
        &call,
        call.arg::<1>(),
        asked(open_attempt::AT_FDCWD, call.arg::<0>()),
    );
    0
}

/// fchmod(fd, mode).
#[btf_tracepoint(function = "sys_exit")]
pub fn exit_fchmod(ctx: BtfTracePointContext) -> i32 {
    let call = Syscall::of(&ctx);
    mode_of(&call, call.arg::<1>(), open(call.arg::<0>() as u32));
    0
}

/// fchmodat(directory, path, mode), and fchmodat2 since 6.6.
#[btf_tracepoint(function = "sys_exit")]
pub fn exit_fchmodat(ctx: BtfTracePointContext) -> i32 {
    let call = Syscall::of(&ctx);
    mode_of(
        &call,
        call.arg::<2>(),
        asked(call.arg::<0>() as i32, call.arg::<1>()),
    );
    0
}

#[inline(always)]
fn mode_of(call: &Syscall, mode: u64, subject: Subject) {
    if call.ret == 0 && mode & SETID_BITS != 0 {
        let change = Change {
            op: AttributeOp::CHMOD,
            value: mode & 0o7777,
            name: Text::Absent,
        };
        change_of(&change, subject, returned(call, &subject));
    }
}

/// setxattr(path, name, …) and lsetxattr.
#[btf_tracepoint(function = "sys_exit")]
pub fn exit_setxattr(ctx: BtfTracePointContext) -> i32 {
    let call = Syscall::of(&ctx);
    attribute_of(
        &call,
        call.arg::<1>(),
        asked(open_attempt::AT_FDCWD, call.arg::<0>()),
    );
    0
}

/// fsetxattr(fd, name, …).
#[btf_tracepoint(function = "sys_exit")]
pub fn exit_fsetxattr(ctx: BtfTracePointContext) -> i32 {
    let call = Syscall::of(&ctx);
    attribute_of(&call, call.arg::<1>(), open(call.arg::<0>() as u32));
    0
}

/// setxattrat(directory, path, flags, name, …), since 6.13.
#[btf_tracepoint(function = "sys_exit")]
pub fn exit_setxattrat(ctx: BtfTracePointContext) -> i32 {
    let call = Syscall::of(&ctx);
    attribute_of(
        &call,
        call.arg::<3>(),
        asked(call.arg::<0>() as i32, call.arg::<1>()),
    );
    0
}

#[inline(always)]
fn attribute_of(call: &Syscall, name: u64, subject: Subject) {
    if call.ret == 0 && gives_rights(read_user(name)) {
        let change = Change {
            op: AttributeOp::SETXATTR,
            value: 0,
            name: Text::user(name),
        };
        change_of(&change, subject, returned(call, &subject));
    }
}

/// truncate(path, length).
#[btf_tracepoint(function = "sys_exit")]
pub fn exit_truncate(ctx: BtfTracePointContext) -> i32 {
    let call = Syscall::of(&ctx);
    length_of(&call, asked(open_attempt::AT_FDCWD, call.arg::<0>()));
    0
}

/// ftruncate(fd, length).
#[btf_tracepoint(function = "sys_exit")]
pub fn exit_ftruncate(ctx: BtfTracePointContext) -> i32 {
    let call = Syscall::of(&ctx);
    length_of(&call, open(call.arg::<0>() as u32));
    0
}

#[inline(always)]
fn length_of(call: &Syscall, subject: Subject) {
    if call.ret == 0 {
        let change = Change {
            op: AttributeOp::TRUNCATE,
            value: call.arg::<1>(),
            name: Text::Absent,
        };
        change_of(&change, subject, returned(call, &subject));
    }
}

/// file_setattr(directory, path, attributes, size, flags), since 6.17: inode flags by name, as `FS_IOC_FSSETXATTR` has them.
/// They come first in the structure.
#[btf_tracepoint(function = "sys_exit")]
pub fn exit_file_setattr(ctx: BtfTracePointContext) -> i32 {
    let call = Syscall::of(&ctx);
    let subject = asked(call.arg::<0>() as i32, call.arg::<1>());
    let change = Change {
        op: AttributeOp::SETFLAGS,
        value: inode_flags(read_user::<u64>(call.arg::<2>()).unwrap_or(0)),
        name: Text::Absent,
    };
    change_of(&change, subject, returned(&call, &subject));
    0
}

/// Of `FS_XFLAG_*` those that keep a file as it is, which is all that tells, as `FS_IMMUTABLE_FL` and `FS_APPEND_FL`.
#[inline(always)]
pub fn inode_flags(extended: u64) -> u64 {
    const IMMUTABLE_AND_APPEND: u64 = 0x8 | 0x10;
    (extended & IMMUTABLE_AND_APPEND) << 1
}

/// A descriptor's file; nothing, which is no file either, when it is gone.
#[inline(always)]
fn open(fd: u32) -> Subject {
    Subject::Open(syscall::file(fd).unwrap_or(Kptr(0)))
}

#[inline(always)]
pub fn asked(directory: i32, path: u64) -> Subject {
    let path = Memory::User(path);
    Subject::Asked { directory, path }
}

#[inline(always)]
pub fn returned(call: &Syscall, subject: &Subject) -> Report {
    let origin = match subject {
        Subject::Asked { .. } => Origin::ARGUMENTS,
        _ => Origin::DESCRIPTOR,
    };
    Report {
        kind: KIND,
        origin,
        flags: call.flags(),
        ret: call.result(),
    }
}

/// Reports it.
#[inline(always)]
pub fn change_of(change: &Change, subject: Subject, report: Report) {
    let Some(actor) = task::enter(KIND) else { return };
    match subject {
        Subject::Place(place) => of_place(&actor, change, place, report),
        Subject::Open(file) => match OpenFile::read(file) {
            Some(open) => of_place(&actor, change, open.location, report),
            None => emit::lose(KIND, Outcome::LOST_UNREADABLE, actor.slot()),
        },
        Subject::Asked { directory, path } => of_name(&actor, change, directory, path, report),
    }
}

#[inline(always)]
fn of_place(actor: &Actor, change: &Change, place: Location, report: Report) {
    let object = file::at(place).unwrap_or_default();
    // Memory gets its length so.
    if change.op == AttributeOp::TRUNCATE && object.flags & (FileFlags::MEMFD | FileFlags::UNLINKED) != 0 {
        return count::outcome(KIND, Outcome::SUPPRESSED_UNWATCHED, actor.slot());
    }
    if object.magic != magic::OVERLAY && task::acts_for_overlay(actor.task) {
        return count::outcome(KIND, Outcome::SUPPRESSED_DUPLICATE, actor.slot());
    }
    let deed = Deed {
        access: change.op.0 as u16 | asked_only(&report),
        object: [identity(change.op, place, &object), u64::from(object.dev)],
        detail: change.value ^ change.name.identity(),
    };
    let Ok(draft) = emit::draft(actor, KIND, deed) else {
        return;
    };
    let record: *mut AttributeEvent = draft.begin(actor, report);
    // SAFETY: scratch memory that this program took.
    unsafe {
        (*record).file = object;
        (*record).op = change.op;
        (*record).value = change.value;
        (*record).fs_path = StrRef::default();
        (*record).name = change.name.append(draft.scratch);
        (*record).path = match header::root(Kptr(actor.task as u64)) {
            Some(root) if place.mnt != 0 => path::append(draft.scratch, place, root),
            // The hook does not tell the mount.
            _ => path::append_in_filesystem(draft.scratch, place),
        };
    }
    draft.submit();
}

/// Which file. Of times the directory only: an archive that is unpacked sets those of each file.
#[inline(always)]
fn identity(op: AttributeOp, place: Location, object: &FileObject) -> u64 {
    let dentry = Kptr(place.dentry);
    if op == AttributeOp::UTIMES {
        return file::place(dentry.read_or_zero(offset!(dentry_parent)));
    }
    file::identity_of_inode(Kptr(dentry.read_or_zero(offset!(dentry_inode))), object)
}

/// What a ring was asked for may fail: the deed itself is another behaviour.
#[inline(always)]
fn asked_only(report: &Report) -> u16 {
    if report.flags & RecordFlags::IO_URING != 0 {
        ASKED
    } else {
        0
    }
}

/// A file that is shortened again is no other behaviour; one that becomes set-user-ID after it was set-group-ID is.
#[inline(always)]
fn value_in_key(change: &Change) -> u64 {
    if matches!(change.op, AttributeOp::CHMOD | AttributeOp::SETFLAGS) {
        change.value
    } else {
        0
    }
}

#[inline(always)]
fn of_name(actor: &Actor, change: &Change, directory: i32, name: Memory, report: Report) {
    let from = open_attempt::base(actor.task, directory, name);
    // As for places: of times the directory only.
    let named = if change.op == AttributeOp::UTIMES {
        0
    } else {
        Text::Memory(name).identity()
    };
    let deed = Deed {
        access: change.op.0 as u16 | asked_only(&report),
        object: [named, file::place(from.dentry)],
        detail: value_in_key(change) ^ change.name.identity(),
    };
    let Ok(draft) = emit::draft(actor, KIND, deed) else {
        return;
    };
    let record: *mut AttributeEvent = draft.begin(actor, report);
    // SAFETY: scratch memory that this program took.
    unsafe {
        (*record).file = FileObject::default();
        (*record).op = change.op;
        (*record).value = change.value;
        (*record).name = change.name.append(draft.scratch);
        (*record).path = scratch::append_str(draft.scratch, name, MAX_PATH as u32);
        (*record).fs_path = open_attempt::append_base(draft.scratch, actor, from);
    }
    draft.submit();
}
