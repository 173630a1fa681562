//! A file is opened.

use crate::count;
use crate::emit;
use crate::escape;
use crate::file::{self, OpenFile};
use crate::global::offset;
use crate::header::{self, Origin, Report};
use crate::hooks::call;
use crate::hooks::open_attempt;
use crate::hooks::ptrace;
use crate::kernel::{Kptr, Task};
use crate::maps::SYSCALLS;
use crate::path::{self, Location};
use crate::policy;
use crate::procfs;
use crate::syscall::{self, Syscall};
use crate::task::{self, Actor, Deed};
use agent_common::counter::{KernelError, Outcome};
use agent_common::event::{EventKind, FileFlags, FileOpenEvent, RecordFlags, StrRef};
use agent_common::magic::{self, is_kernel_interface};
use agent_common::mode::{FMODE_CREATED, FMODE_WRITE};
use agent_common::policy::Verdict;
use aya_ebpf::macros::{btf_tracepoint, fentry, lsm};
use aya_ebpf::programs::{BtfTracePointContext, FEntryContext, LsmContext};

const KIND: EventKind = EventKind::FILE_OPEN;
const FMODE_PATH: u32 = 0x4000;
/// In `f_flags` while the open goes on. In a key's access, two bits further up.
const O_TRUNC: u32 = 0o1000;
/// overlayfs's own open of the real file: the second report of one open.
const FMODE_NOACCOUNT: u32 = 0x2000_0000;

/// In a key's access, beside the mode: the file is in the upper layer, it was made by this open.
const UPPER: u16 = 0x10;
const CREATED: u16 = 0x100;
/// In `f_flags`: execve's own open of an image, which EXEC reports.
const FMODE_EXEC: u32 = 0x20;

/// `file_open(struct file *file)`, since 4.19: every way to open, io_uring's too. The file is resolved and the access
/// decided, except by its own filesystem.
#[lsm(hook = "file_open")]
pub fn lsm_file_open(ctx: LsmContext) -> i32 {
    let verdict = opening(Kptr(ctx.arg(0)), Origin::LSM);
    escape::mark(task::current(), verdict);
    policy::errno(verdict)
}

/// `security_file_open(struct file *file)`, since 4.19: where LSM programs would not fire.
#[fentry(function = "security_file_open")]
pub fn fentry_file_open(ctx: FEntryContext) -> i32 {
    policy::end(opening(Kptr(ctx.arg(0)), Origin::FENTRY));
    0
}

#[inline(always)]
fn opening(file: Kptr, origin: Origin) -> Verdict {
    let Some(actor) = task::enter(KIND) else {
        return Verdict::NONE;
    };
    let executes = file.read_or_zero::<u32>(offset!(file_f_flags)) & FMODE_EXEC != 0;
    if executes || is_kernels_own(actor.task, file) {
        count::outcome(KIND, Outcome::SUPPRESSED_DUPLICATE, actor.slot());
        return Verdict::NONE;
    }
    let report = Report {
        kind: KIND,
        origin,
        flags: 0,
        ret: 0,
    };
    opened(&actor, file, 0, report)
}

/// An open by overlayfs on behalf of the task, which copies a file up: it acts with the mounter's credentials, on a mount
/// that is in no namespace. Neither alone would do: io_uring lends credentials, and memfds have such a mount.
#[inline(always)]
fn is_kernels_own(task: Task, file: Kptr) -> bool {
    if !task::acts_for_overlay(task) {
        return false;
    }
    let path = file.field(offset!(file_f_path));
    path.and_then(Location::read)
        .is_some_and(|location| location.is_internal())
}

/// open, openat, openat2, creat and open_by_handle_at return: a descriptor, or that the kernel refused.
#[btf_tracepoint(function = "sys_exit")]
pub fn exit_open(ctx: BtfTracePointContext) -> i32 {
    let call = Syscall::of(&ctx);
    if call.ret < 0 {
        if open_attempt::is_telling(&call) {
            open_attempt::report(&call);
        }
        return 0;
    }
    let Some(actor) = task::enter(KIND) else { return 0 };
    let flags = if call.is_compat() { RecordFlags::COMPAT } else { 0 };
    let report = Report {
        kind: KIND,
        origin: Origin::DESCRIPTOR,
        flags,
        ret: call.result(),
    };
    match syscall::file(call.ret as u32) {
        Some(file) => {
            let verdict = opened(&actor, file, open_attempt::asked_flags(&call), report);
            policy::end(ptrace::opened(file, &call));
            policy::end(verdict);
        }
        None => emit::lose(KIND, Outcome::LOST_UNREADABLE, actor.slot()),
    }
    0
}

/// open_by_handle_at returns: it asked for a file without a name. openat's handler, whichever that is, says what was opened.
#[btf_tracepoint(function = "sys_exit")]
pub fn exit_open_by_handle(ctx: BtfTracePointContext) -> i32 {
    let call = Syscall::of(&ctx);
    call::tabled(&call);
    // SAFETY: the context is this program's.
    unsafe { SYSCALLS.tail_call(&ctx, open_attempt::openat(&call)) };
    count::error(KernelError::TAIL_CALL);
    0
}

/// Judges and reports an open `struct file`. `asked` are flags of the call that the file has no more.
#[inline(always)]
fn opened(actor: &Actor, file: Kptr, asked: u32, report: Report) -> Verdict {
    let mode = file.read_or_zero::<u32>(offset!(file_f_mode));
    if mode & FMODE_NOACCOUNT != 0 {
        count::outcome(KIND, Outcome::SUPPRESSED_DUPLICATE, actor.slot());
        return Verdict::NONE;
    }
    let Some(open) = OpenFile::read(file) else {
        emit::lose(KIND, Outcome::LOST_UNREADABLE, actor.slot());
        return Verdict::NONE;
    };
    // O_PATH gives no access; listing a directory is no rule's business.
    if mode & FMODE_PATH != 0 || file::is_directory(&open.object) {
        count::outcome(KIND, Outcome::SUPPRESSED_UNWATCHED, actor.slot());
        return Verdict::NONE;
    }
    let open_flags = file.read_or_zero::<u32>(offset!(file_f_flags)) | asked;
    let mut deed = deed(actor, file, &open, mode);
    deed.access |= ((open_flags & O_TRUNC) << 2) as u16;
    let draft = match emit::draft(actor, KIND, deed) {
        Ok(draft) => draft,
        Err(verdict) => return verdict,
    };
    let flags = report.flags | deviation(&open, mode);
    let record: *mut FileOpenEvent = draft.begin(actor, Report { flags, ..report });
    // SAFETY: scratch memory that this program took.
    unsafe {
        (*record).file = open.object;
        (*record).open_flags = open_flags;
        (*record).f_mode = mode;
        (*record).path = StrRef::default();
        (*record).fs_path = StrRef::default();
        if let Some(root) = header::root(Kptr(actor.task as u64)) {
            (*record).path = path::append(draft.scratch, open.location, root);
        }
        // From the record: flags that stay on the stack are constants to the verifier, and it would follow the walk once for
        // each combination.
        let flags = core::ptr::read_volatile(&raw const (*record).file.flags);
        if is_shown_elsewhere(flags, mode) {
            (*record).fs_path = path::append_in_filesystem(draft.scratch, open.location);
        }
    }
    let verdict = if open.object.is_profiled() {
        policy::open(draft.scratch, actor.control.policy)
    } else {
        escape::verdict(actor, || escape::is_open(draft.scratch, open.location.dentry))
    };
    draft.submit_judged(verdict, report.origin.means);
    verdict
}

/// The behaviour: which file, to read or to write, made or not.
#[inline(always)]
fn deed(actor: &Actor, file: Kptr, open: &OpenFile, mode: u32) -> Deed {
    let mut access = (mode & 3) as u16;
    if open.object.flags & FileFlags::UPPER != 0 {
        access |= UPPER;
    }
    if mode & FMODE_CREATED != 0 {
        access |= CREATED | (open.object.flags & FileFlags::SETID) << 8;
    }
    let object = if open.object.magic == magic::PROC {
        procfs::identity(actor.task, open.location.dentry)
    } else {
        file::identity(file, &open.object)
    };
    Deed {
        access,
        object: [object, u64::from(open.object.dev)],
        detail: u64::from(open.object.rdev),
    }
}

/// Universal rules look at writes to the kernel's own filesystems, and at any use of a disk.
#[inline(always)]
fn deviation(open: &OpenFile, mode: u32) -> u32 {
    let writes = mode & FMODE_WRITE != 0;
    if writes && is_kernel_interface(open.object.magic) || file::is_block_device(&open.object) {
        RecordFlags::DEVIATION
    } else {
        0
    }
}

/// Whether the path in the file's own filesystem is wanted: of bind mounts, and of writes to what is not the container's
/// own, for a host's disk may be mounted whole, and its path be a chroot's. One branch, for the verifier follows each.
#[inline(always)]
fn is_shown_elsewhere(flags: u16, mode: u32) -> bool {
    let writes = mode & FMODE_WRITE != 0;
    let overlay = flags & FileFlags::OVERLAY != 0;
    flags & FileFlags::BIND_MOUNT != 0 || (writes & !overlay)
}
