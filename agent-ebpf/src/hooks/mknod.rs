//! A device node, a FIFO, or a file that is set-user-ID from its beginning is made. See `unlink` for the choice of hooks.

use crate::header::{Origin, Report};
use crate::hooks::names::{self, Change, Name};
use crate::hooks::open_attempt::AT_FDCWD;
use crate::kernel::forget;
use crate::scratch::Memory;
use crate::syscall::Syscall;
use agent_common::event::{EventKind, RecordFlags};
use agent_common::mode::{S_IFBLK, S_IFCHR, S_IFMT, S_IFREG};
use aya_ebpf::macros::{btf_tracepoint, fentry, lsm};
use aya_ebpf::programs::{BtfTracePointContext, FEntryContext, LsmContext};

const S_IFIFO: u16 = 0o010_000;
/// `S_ISUID | S_ISGID`.
const SETID_BITS: u16 = 0o6000;
const EPERM: i64 = -1;
/// In a key's access, below the type: the attempt failed.
const FAILED: u16 = 1;

/// What is made.
#[derive(Clone, Copy)]
struct Node {
    mode: u16,
    /// As mknod(2) takes it.
    number: u32,
}

impl Node {
    /// Whether it is one to be told of: the hook fires for every file that an open makes, too. A character device 0:0 is none,
    /// but how a union of directories marks what is gone.
    #[inline(always)]
    fn is_telling(self) -> bool {
        match self.mode & S_IFMT {
            S_IFBLK | S_IFIFO => true,
            S_IFCHR => self.number != 0,
            0 | S_IFREG => self.mode & SETID_BITS != 0,
            _ => false,
        }
    }

    #[inline(always)]
    fn is_device(self) -> bool {
        matches!(self.mode & S_IFMT, S_IFCHR | S_IFBLK)
    }

    /// Number in the kernel's own encoding (`new_decode_dev`); others have none.
    #[inline(always)]
    fn rdev(self) -> u32 {
        if !self.is_device() {
            return 0;
        }
        let major = (self.number & 0xf_ff00) >> 8;
        let minor = self.number & 0xff | self.number >> 12 & 0xf_ff00;
        major << 20 | minor
    }
}

/// `path_mknod(const struct path *dir, struct dentry *dentry, umode_t mode, unsigned int dev)`, with CONFIG_SECURITY_PATH.
/// Fires before the right to make devices is asked for.
#[lsm(hook = "path_mknod")]
pub fn lsm_mknod(ctx: LsmContext) -> i32 {
    let node = Node {
        mode: ctx.arg(2),
        number: ctx.arg(3),
    };
    if node.is_telling() {
        makes(node, Name::entry(ctx.arg(0), ctx.arg(1)), before(Origin::LSM));
    }
    0
}

/// `security_path_mknod`, the same arguments.
#[fentry(function = "security_path_mknod")]
pub fn fentry_mknod(ctx: FEntryContext) -> i32 {
    let node = Node {
        mode: ctx.arg(2),
        number: ctx.arg(3),
    };
    if node.is_telling() {
        makes(node, Name::entry(ctx.arg(0), ctx.arg(1)), before(Origin::FENTRY));
    }
    0
}

#[inline(always)]
fn before(origin: Origin) -> Report {
    Report {
        kind: EventKind::MKNOD,
        origin,
        flags: 0,
        ret: 0,
    }
}

/// mknod(path, mode, dev) returns.
#[btf_tracepoint(function = "sys_exit")]
pub fn exit_mknod(ctx: BtfTracePointContext) -> i32 {
    let call = Syscall::of(&ctx);
    let node = Node {
        mode: call.arg::<1>() as u16,
        number: call.arg::<2>() as u32,
    };
    made(node, AT_FDCWD, call.arg::<0>(), &call);
    0
}

/// mknodat(dfd, path, mode, dev) returns.
#[btf_tracepoint(function = "sys_exit")]
pub fn exit_mknodat(ctx: BtfTracePointContext) -> i32 {
    let call = Syscall::of(&ctx);
    let node = Node {
        mode: call.arg::<2>() as u16,
        number: call.arg::<3>() as u32,
    };
    made(node, call.arg::<0>() as i32, call.arg::<1>(), &call);
    0
}

/// Of devices the attempts tell, too.
#[inline(always)]
fn made(node: Node, directory: i32, path: u64, call: &Syscall) {
    let refused = call.ret == EPERM && node.is_device();
    if !node.is_telling() || call.ret != 0 && !refused {
        return;
    }
    let report = Report {
        kind: EventKind::MKNOD,
        origin: Origin::ARGUMENTS,
        flags: call.flags(),
        ret: call.result(),
    };
    makes(node, Name::Asked(Memory::User(path), directory), report);
}

/// What of a node is in its record.
#[derive(Clone, Copy, Default)]
#[repr(C)]
struct Made {
    access: u16,
    mode: u16,
    rdev: u32,
    flags: u32,
    ret: i32,
}

/// No container needs devices beside those that its runtime gives it. Of the types of nodes, and of what the call gave, 6.1 would
/// look at each way by itself ("BPF program is too large. Processed 1000001 insn").
#[inline(always)]
fn makes(node: Node, name: Name, report: Report) {
    let failed = if report.ret < 0 { FAILED } else { 0 };
    let urgent = if node.mode & S_IFMT == S_IFIFO {
        0
    } else {
        RecordFlags::DEVIATION
    };
    let made = forget(Made {
        access: (node.mode & S_IFMT) >> 1 | failed,
        mode: node.mode,
        rdev: node.rdev(),
        flags: report.flags | urgent,
        ret: report.ret,
    });
    let change = Change {
        access: made.access,
        mode: made.mode,
        rdev: made.rdev,
        ..Change::of(name, Name::Absent)
    };
    let report = Report {
        flags: made.flags,
        ret: made.ret,
        ..report
    };
    names::report(&change, report);
}
