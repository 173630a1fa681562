//! An open for writing that the kernel refused. Nothing was resolved: what was asked for is reported, and says so.
//! A file that is simply not there tells nothing; what may not be written does, and a control that this kernel lacks.

use crate::emit;
use crate::escape;
use crate::file;
use crate::global::offset;
use crate::header::{self, Origin, Report};
use crate::kernel::{Kptr, Task, read_user};
use crate::path::{self, Location};
use crate::scratch::{self, Memory, Scratch};
use crate::syscall::{self, Syscall};
use crate::task::{self, Actor, Deed};
use crate::text::Text;
use agent_common::event::{EventKind, FileObject, FileOpenEvent, StrRef};
use agent_common::limits::MAX_PATH;
use agent_common::magic::is_kernel_interface;
use agent_common::settings::MAX_SYSCALLS;
use aya_ebpf::macros::btf_tracepoint;
use aya_ebpf::programs::BtfTracePointContext;

const KIND: EventKind = EventKind::FILE_OPEN;
/// In a key's access: the attempt failed.
const REFUSED: u16 = 0x200;
const EPERM: i64 = -1;
const ENOENT: i64 = -2;
const EACCES: i64 = -13;
const ETXTBSY: i64 = -26;
const EROFS: i64 = -30;
pub const AT_FDCWD: i32 = -100;
/// `O_CREAT | O_WRONLY | O_TRUNC`: what creat(2) stands for.
const CREAT: u32 = 0o1101;
const O_ACCMODE: u32 = 3;
const O_TRUNC: u32 = 0o1000;

/// Numbers of open, creat, openat and openat2, native and of 32-bit calls.
struct Numbers {
    open: u32,
    creat: u32,
    openat: u32,
    openat2: u32,
}

#[cfg(not(bpf_target_arch = "x86_64"))]
const NONE: u32 = u32::MAX;
#[cfg(bpf_target_arch = "x86_64")]
const NATIVE: Numbers = Numbers {
    open: 2,
    creat: 85,
    openat: 257,
    openat2: 437,
};
#[cfg(not(bpf_target_arch = "x86_64"))]
const NATIVE: Numbers = Numbers {
    open: NONE,
    creat: NONE,
    openat: 56,
    openat2: 437,
};
const COMPAT: Numbers = Numbers {
    open: 5,
    creat: 8,
    openat: if cfg!(bpf_target_arch = "x86_64") {
        295
    } else {
        322
    },
    openat2: 437,
};

/// Index of openat's handler, for a call of the same kind.
#[inline(always)]
pub fn openat(call: &Syscall) -> u32 {
    if call.is_compat() {
        MAX_SYSCALLS + COMPAT.openat
    } else {
        NATIVE.openat
    }
}

/// What was asked for.
#[derive(Clone, Copy)]
pub struct Asked {
    pub directory: i32,
    pub path: Memory,
    /// `O_*`.
    pub flags: u32,
}

/// The opening calls fail, beside hooks on objects: they see only what the kernel grants so far.
#[btf_tracepoint(function = "sys_exit")]
pub fn refused_open(ctx: BtfTracePointContext) -> i32 {
    let call = Syscall::of(&ctx);
    if is_telling(&call) && !(call.ret == EPERM && escape::was_told(KIND)) {
        report(&call);
    }
    0
}

/// Refused for what it is, or what may be a control that is not there.
#[inline(always)]
pub fn is_telling(call: &Syscall) -> bool {
    matches!(call.ret, EPERM | ENOENT | EACCES | ETXTBSY | EROFS)
}

/// Reports the attempt when it was one to write.
#[inline(never)]
pub fn report(call: &Syscall) -> u32 {
    let Some(asked) = asked(call) else { return 0 };
    if asked.flags & (O_ACCMODE | O_TRUNC) == 0 {
        return 0;
    }
    if call.ret == ENOENT && !is_control(&asked) {
        return 0;
    }
    let Some(actor) = task::enter(KIND) else { return 0 };
    attempt(&actor, &asked, call);
    0
}

/// A path in the kernel's own filesystems, by where they are mounted or by the directory that a relative one begins at.
#[inline(always)]
fn is_control(asked: &Asked) -> bool {
    let from = base(task::current(), asked.directory, asked.path);
    if from.dentry == 0 {
        let start: [u8; 6] = asked.path.read_or_zero();
        return start == *b"/proc/" || start[..5] == *b"/sys/";
    }
    let superblock = Kptr(Kptr(from.dentry).read_or_zero(offset!(dentry_sb)));
    is_kernel_interface(superblock.read_or_zero::<u64>(offset!(sb_magic)) as u32)
}

/// What open(2) and its kin were asked for; of a resolved file the kernel keeps no O_TRUNC and no O_CREAT.
#[inline(always)]
pub fn asked_flags(call: &Syscall) -> u32 {
    asked(call).map_or(0, |asked| asked.flags)
}

#[inline(always)]
fn asked(call: &Syscall) -> Option<Asked> {
    let numbers = if call.is_compat() { &COMPAT } else { &NATIVE };
    let number = call.number();
    let (first, second) = (call.arg::<0>(), call.arg::<1>());
    if number == numbers.openat || number == numbers.openat2 {
        let third = call.arg::<2>();
        let flags = if number == numbers.openat {
            third as u32
        } else {
            // `struct open_how` begins with its flags.
            read_user::<u64>(third)? as u32
        };
        return Some(Asked {
            directory: first as i32,
            path: Memory::User(second),
            flags,
        });
    }
    let flags = if number == numbers.open {
        second as u32
    } else if number == numbers.creat {
        CREAT
    } else {
        return None;
    };
    Some(Asked {
        directory: AT_FDCWD,
        path: Memory::User(first),
        flags,
    })
}

#[inline(always)]
fn attempt(actor: &Actor, asked: &Asked, call: &Syscall) {
    let report = Report {
        kind: KIND,
        origin: Origin::ARGUMENTS,
        flags: call.flags(),
        ret: call.result(),
    };
    unresolved(actor, asked, REFUSED, report);
}

/// Reports an open of which only the request is known; `how` tells it from others in the key's access.
#[inline(always)]
pub fn unresolved(actor: &Actor, asked: &Asked, how: u16, report: Report) {
    let from = base(actor.task, asked.directory, asked.path);
    let deed = Deed {
        access: how | (asked.flags & O_ACCMODE) as u16 | ((asked.flags & O_TRUNC) << 2) as u16,
        object: [Text::Memory(asked.path).identity(), file::place(from.dentry)],
        detail: i64::from(report.ret) as u64,
    };
    let Ok(draft) = emit::draft(actor, KIND, deed) else {
        return;
    };
    let record: *mut FileOpenEvent = draft.begin(actor, report);
    // SAFETY: scratch memory that this program took.
    unsafe {
        (*record).file = FileObject::default();
        (*record).open_flags = asked.flags;
        // As the kernel makes it of the flags: O_RDONLY 0 reads, O_WRONLY 1 writes, O_RDWR 2 does both.
        (*record).f_mode = (asked.flags + 1) & O_ACCMODE;
        (*record).path = scratch::append_str(draft.scratch, asked.path, MAX_PATH as u32);
        (*record).fs_path = append_base(draft.scratch, actor, from);
    }
    draft.submit();
}

/// Appends the directory that [`base`] gave; nothing for nowhere.
#[inline(always)]
pub fn append_base(scratch: *mut Scratch, actor: &Actor, from: Location) -> StrRef {
    match header::root(Kptr(actor.task as u64)) {
        Some(root) if from.dentry != 0 => path::append(scratch, from, root),
        _ => StrRef::default(),
    }
}

/// The directory that a relative path begins at; nowhere for an absolute one.
#[inline(always)]
pub fn base(task: Task, directory: i32, path: Memory) -> Location {
    const NOWHERE: Location = Location { dentry: 0, mnt: 0 };
    if path.read_or_zero::<u8>() == b'/' {
        return NOWHERE;
    }
    let directory = if directory == AT_FDCWD {
        header::working_directory(Kptr(task as u64))
    } else {
        syscall::file(directory as u32)
            .and_then(|file| file.field(offset!(file_f_path)))
            .and_then(Location::read)
    };
    directory.unwrap_or(NOWHERE)
}
