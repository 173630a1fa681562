//! Memory that may be executed: of a file that is not in the image, or of none. What loads code without an exec.

use crate::count;
use crate::emit;
use crate::file::{self, OpenFile};
use crate::global::offset;
use crate::header::{self, Origin, Report};
use crate::kernel::{Kptr, Task};
use crate::path;
use crate::syscall::{self, Syscall};
use crate::task::{self, Actor, Deed};
use agent_common::counter::Outcome;
use agent_common::event::{EventKind, FileFlags, MmapEvent, MmapOp, RecordFlags, StrRef};
use agent_common::magic;
use aya_ebpf::macros::{btf_tracepoint, fentry, lsm};
use aya_ebpf::programs::{BtfTracePointContext, FEntryContext, LsmContext};

const KIND: EventKind = EventKind::MMAP;
const PROT_WRITE: u32 = 2;
const PROT_EXEC: u32 = 4;
const MAP_ANONYMOUS: u32 = 0x20;
/// Results from here on are errors, not addresses.
const FIRST_ERROR: u64 = -4095_i64 as u64;
const NO_FILE: Kptr = Kptr(0);

/// A change of memory.
#[derive(Clone, Copy)]
struct Mapping {
    op: MmapOp,
    file: Kptr,
    prot: u32,
    flags: u32,
}

/// `mmap_file(struct file *file, unsigned long reqprot, unsigned long prot, unsigned long flags)`, all kernels. The
/// file may be null, which no program may ask before 6.13: what is read through it tells.
#[lsm(hook = "mmap_file")]
pub fn lsm_mmap(ctx: LsmContext) -> i32 {
    mapping(ctx.arg(0), ctx.arg(2), ctx.arg(3), Origin::LSM);
    0
}

/// `security_mmap_file(struct file *file, unsigned long prot, unsigned long flags)`.
#[fentry(function = "security_mmap_file")]
pub fn fentry_mmap(ctx: FEntryContext) -> i32 {
    mapping(ctx.arg(0), ctx.arg(1), ctx.arg(2), Origin::FENTRY);
    0
}

#[inline(always)]
fn mapping(file: u64, prot: u64, flags: u64, origin: Origin) {
    if prot as u32 & PROT_EXEC == 0 {
        return;
    }
    let mapping = Mapping {
        op: MmapOp::MMAP,
        file: Kptr(file),
        prot: prot as u32,
        flags: flags as u32,
    };
    changes(&mapping, report(origin, 0));
}

/// `file_mprotect(struct vm_area_struct *vma, unsigned long reqprot, unsigned long prot)`, all kernels.
#[lsm(hook = "file_mprotect")]
pub fn lsm_mprotect(ctx: LsmContext) -> i32 {
    protecting(ctx.arg(0), ctx.arg(2), Origin::LSM);
    0
}

/// `security_file_mprotect`, the same arguments.
#[fentry(function = "security_file_mprotect")]
pub fn fentry_mprotect(ctx: FEntryContext) -> i32 {
    protecting(ctx.arg(0), ctx.arg(2), Origin::FENTRY);
    0
}

#[inline(always)]
fn protecting(vma: u64, prot: u64, origin: Origin) {
    if prot as u32 & PROT_EXEC == 0 {
        return;
    }
    let mapping = Mapping {
        op: MmapOp::MPROTECT,
        file: Kptr(vma).follow(offset!(vma_file)).unwrap_or(NO_FILE),
        prot: prot as u32,
        flags: 0,
    };
    changes(&mapping, report(origin, 0));
}

/// mmap(address, len, prot, flags, fd, offset).
#[btf_tracepoint(function = "sys_exit")]
pub fn exit_mmap(ctx: BtfTracePointContext) -> i32 {
    let call = Syscall::of(&ctx);
    let prot = call.arg::<2>() as u32;
    if prot & PROT_EXEC == 0 || call.ret as u64 >= FIRST_ERROR {
        return 0;
    }
    let flags = call.arg::<3>() as u32;
    let file = if flags & MAP_ANONYMOUS != 0 {
        None
    } else {
        syscall::file(call.arg::<4>() as u32)
    };
    let mapping = Mapping {
        op: MmapOp::MMAP,
        file: file.unwrap_or(NO_FILE),
        prot,
        flags,
    };
    changes(&mapping, report(Origin::DESCRIPTOR, call.flags()));
    0
}

/// mprotect(address, len, prot) and pkey_mprotect(address, len, prot, key): whose memory it is stays unknown.
#[btf_tracepoint(function = "sys_exit")]
pub fn exit_mprotect(ctx: BtfTracePointContext) -> i32 {
    let call = Syscall::of(&ctx);
    let prot = call.arg::<2>() as u32;
    if prot & PROT_EXEC == 0 || call.ret != 0 {
        return 0;
    }
    let mapping = Mapping {
        op: MmapOp::MPROTECT,
        file: NO_FILE,
        prot,
        flags: 0,
    };
    changes(&mapping, report(Origin::ARGUMENTS, call.flags()));
    0
}

#[inline(always)]
fn report(origin: Origin, flags: u32) -> Report {
    Report {
        kind: KIND,
        origin,
        flags,
        ret: 0,
    }
}

/// Judges and reports it.
#[inline(always)]
fn changes(mapping: &Mapping, report: Report) {
    let Some(actor) = task::enter(KIND) else { return };
    let open = OpenFile::read(mapping.file);
    if mapping.op == MmapOp::MMAP {
        let own = executable(actor.task);
        if own != 0 && mapping.file.0 == own {
            return count::outcome(KIND, Outcome::SUPPRESSED_DUPLICATE, actor.slot());
        }
        if !is_telling(mapping.prot, &open) {
            return count::outcome(KIND, Outcome::SUPPRESSED_UNWATCHED, actor.slot());
        }
    }
    record(&actor, mapping, &open, report);
}

/// The image's own files are what profiles know anyway; memory of no file must have been writable to hold anything.
#[inline(always)]
fn is_telling(prot: u32, open: &Option<OpenFile>) -> bool {
    const OUTSIDE: u16 = FileFlags::UPPER | FileFlags::UNLINKED;
    match open {
        Some(open) => open.object.flags & (FileFlags::OVERLAY | OUTSIDE) != FileFlags::OVERLAY,
        None => prot & PROT_WRITE != 0,
    }
}

/// The file that the task executes: execve maps it too, and EXEC reports it.
#[inline(always)]
fn executable(task: Task) -> u64 {
    let mm = Kptr(Kptr(task as u64).read_or_zero(offset!(task_mm)));
    mm.read_or_zero(offset!(mm_exe_file))
}

#[inline(always)]
fn record(actor: &Actor, mapping: &Mapping, open: &Option<OpenFile>, report: Report) {
    let Ok(draft) = emit::draft(actor, KIND, deed(mapping, open)) else {
        return;
    };
    let flags = report.flags | deviation(mapping.op, open);
    let record: *mut MmapEvent = draft.begin(actor, Report { flags, ..report });
    // SAFETY: scratch memory that this program took.
    unsafe {
        (*record).prot = mapping.prot;
        (*record).map_flags = mapping.flags;
        (*record).op = mapping.op;
        (*record).path = StrRef::default();
        (*record).fs_path = StrRef::default();
        (*record).reserved = 0;
        (*record).file = open.map_or_else(Default::default, |open| open.object);
        if let Some(open) = open
            && let Some(root) = header::root(Kptr(actor.task as u64))
        {
            (*record).path = path::append(draft.scratch, open.location, root);
            // From the record: see `file_open`.
            let flags = core::ptr::read_volatile(&raw const (*record).file.flags);
            if flags & FileFlags::BIND_MOUNT != 0 {
                (*record).fs_path = path::append_in_filesystem(draft.scratch, open.location);
            }
        }
    }
    draft.submit();
}

/// The behaviour: which file. Compilers at run time protect pages all day: of them only by whom, and whether of a file.
#[inline(always)]
fn deed(mapping: &Mapping, open: &Option<OpenFile>) -> Deed {
    let object = match open {
        Some(_) if mapping.op == MmapOp::MPROTECT => [1, 0],
        Some(open) => [
            file::identity(mapping.file, &open.object),
            u64::from(open.object.dev),
        ],
        None => [0, 0],
    };
    Deed {
        access: mapping.op.0 as u16,
        object,
        detail: 0,
    }
}

/// Code from files that the container wrote.
#[inline(always)]
fn deviation(op: MmapOp, open: &Option<OpenFile>) -> u32 {
    const WRITTEN: u16 = FileFlags::UPPER | FileFlags::UNLINKED | FileFlags::MEMFD;
    match open {
        Some(open)
            if op == MmapOp::MMAP
                && (open.object.flags & WRITTEN != 0 || open.object.magic == magic::TMPFS) =>
        {
            RecordFlags::DEVIATION
        }
        _ => 0,
    }
}
