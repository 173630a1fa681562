//! Attributes of files: set-user-ID bits, extended attributes that give rights, times of the caller's choice, lengths.

use crate::count;
use crate::emit;
use crate::file::{self, OpenFile};
use crate::global::offset;
use crate::header::{self, Origin, Report};
use crate::hooks::open_attempt;
use crate::kernel::{Kptr, read_user};
use crate::path::{self, Location};
use crate::scratch::{self, Memory};
use crate::syscall::{self, Syscall};
use crate::task::{self, Actor, Deed};
use crate::text::Text;
use agent_common::counter::Outcome;
use agent_common::event::{AttributeEvent, AttributeOp, EventKind, FileObject, StrRef};
use agent_common::limits::MAX_PATH;
use aya_ebpf::macros::{btf_tracepoint, fentry, lsm};
use aya_ebpf::programs::{BtfTracePointContext, FEntryContext, LsmContext};

const KIND: EventKind = EventKind::SETATTR;
/// `S_ISUID | S_ISGID`.
const SETID_BITS: u64 = 0o6000;
/// `UTIME_NOW` and `UTIME_OMIT` in a time's nanoseconds.
const UTIME_NOW: u64 = 0x3fff_ffff;
const UTIME_OMIT: u64 = 0x3fff_fffe;

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
    Asked { directory: i32, path: u64 },
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
fn gives_rights(name: Option<[u8; 8]>) -> bool {
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
    if let Some(file) = syscall::file(call.arg::<0>() as u32) {
        mode_of(&call, call.arg::<1>(), Subject::Open(file));
    }
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
    if let Some(file) = syscall::file(call.arg::<0>() as u32) {
        attribute_of(&call, call.arg::<1>(), Subject::Open(file));
    }
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
    if call.ret == 0 {
        let subject = asked(open_attempt::AT_FDCWD, call.arg::<0>());
        let change = Change {
            op: AttributeOp::TRUNCATE,
            value: call.arg::<1>(),
            name: Text::Absent,
        };
        change_of(&change, subject, returned(&call, &subject));
    }
    0
}

/// utimensat(directory, path, times, flags): times that the caller chose, not now.
#[btf_tracepoint(function = "sys_exit")]
pub fn exit_utimensat(ctx: BtfTracePointContext) -> i32 {
    let call = Syscall::of(&ctx);
    let times = call.arg::<2>();
    // Two `struct timespec`: of access, and of modification, which begins 16 bytes later.
    let chosen = |at: u64| {
        read_user::<u64>(at).is_some_and(|nanoseconds| !matches!(nanoseconds, UTIME_NOW | UTIME_OMIT))
    };
    if call.ret == 0 && times != 0 && (chosen(times.wrapping_add(8)) || chosen(times.wrapping_add(24))) {
        times_of(&call, call.arg::<0>() as i32, call.arg::<1>());
    }
    0
}

/// utime(path, times) and utimes: null times are now.
#[btf_tracepoint(function = "sys_exit")]
pub fn exit_utimes(ctx: BtfTracePointContext) -> i32 {
    let call = Syscall::of(&ctx);
    if call.ret == 0 && call.arg::<1>() != 0 {
        times_of(&call, open_attempt::AT_FDCWD, call.arg::<0>());
    }
    0
}

/// Without a path it is the descriptor's own file.
#[inline(always)]
fn times_of(call: &Syscall, directory: i32, path: u64) {
    let subject = match syscall::file(directory as u32) {
        Some(file) if path == 0 => Subject::Open(file),
        _ => asked(directory, path),
    };
    let change = Change {
        op: AttributeOp::UTIMES,
        value: 0,
        name: Text::Absent,
    };
    change_of(&change, subject, returned(call, &subject));
}

#[inline(always)]
fn asked(directory: i32, path: u64) -> Subject {
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
            None => emit::lose(KIND, Outcome::LOST_UNREADABLE, actor.label.slot),
        },
        Subject::Asked { directory, path } => of_name(&actor, change, directory, path, report),
    }
}

#[inline(always)]
fn of_place(actor: &Actor, change: &Change, place: Location, report: Report) {
    let object = file::at(place).unwrap_or_default();
    if object.magic != file::OVERLAY && task::has_lent_credentials(actor.task) {
        return count::outcome(KIND, Outcome::SUPPRESSED_DUPLICATE);
    }
    let deed = Deed {
        access: change.op.0 as u16,
        object: [identity(change.op, place, &object), u64::from(object.dev)],
        detail: change.value ^ change.name.identity(),
    };
    let Some(draft) = emit::draft(actor, KIND, deed) else {
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

#[inline(always)]
fn of_name(actor: &Actor, change: &Change, directory: i32, name: u64, report: Report) {
    let from = open_attempt::base(actor, directory, Memory::User(name));
    // As for places: of times the directory only.
    let named = if change.op == AttributeOp::UTIMES {
        0
    } else {
        Text::user(name).identity()
    };
    let deed = Deed {
        access: change.op.0 as u16,
        object: [named, file::place(from.dentry)],
        detail: change.name.identity(),
    };
    let Some(draft) = emit::draft(actor, KIND, deed) else {
        return;
    };
    let record: *mut AttributeEvent = draft.begin(actor, report);
    // SAFETY: scratch memory that this program took.
    unsafe {
        (*record).file = FileObject::default();
        (*record).op = change.op;
        (*record).value = change.value;
        (*record).name = change.name.append(draft.scratch);
        (*record).path = scratch::append_str(draft.scratch, Memory::User(name), MAX_PATH as u32);
        (*record).fs_path = open_attempt::append_base(draft.scratch, actor, from);
    }
    draft.submit();
}
