//! System calls at their return: arguments and descriptors.

use crate::global::{offset, setting};
use crate::kernel::{Kptr, Task, load};
use crate::task;
use agent_common::event::RecordFlags;
use agent_common::offsets::MISSING;
use aya_ebpf::helpers::generated::bpf_task_pt_regs;
use aya_ebpf::programs::BtfTracePointContext;

/// `TS_COMPAT` of x86's `thread_info.status`.
const TS_COMPAT: u32 = 2;

/// A system call that returns.
#[derive(Clone, Copy)]
pub struct Syscall {
    registers: Task,
    compat: bool,
    pub ret: i64,
}

impl Syscall {
    /// From the arguments of `tp_btf/sys_exit`: `(struct pt_regs *regs, long ret)`.
    #[inline(always)]
    pub fn of(ctx: &BtfTracePointContext) -> Self {
        Self {
            registers: ctx.arg(0),
            compat: is_compat(task::current()),
            ret: ctx.arg(1),
        }
    }

    /// True for a 32-bit call on a 64-bit kernel.
    #[inline(always)]
    pub fn is_compat(&self) -> bool {
        self.compat
    }

    /// Number of the call in its own table.
    #[inline(always)]
    pub fn number(&self) -> u32 {
        // SAFETY: `pt_regs` is a BTF pointer; the number is its low half on little-endian machines.
        unsafe { load(self.registers, setting!(registers.number)) }
    }

    /// The argument, as it was when the call returned.
    #[inline(always)]
    pub fn arg<const INDEX: usize>(&self) -> u64 {
        // SAFETY: `pt_regs` is a BTF pointer.
        unsafe {
            if self.compat {
                if setting!(registers.compat_args[INDEX]) == MISSING {
                    return 0;
                }
                return u64::from(load::<u32>(
                    self.registers,
                    setting!(registers.compat_args[INDEX]),
                ));
            }
            load(self.registers, setting!(registers.args[INDEX]))
        }
    }

    /// Bits of a record's flags.
    #[inline(always)]
    pub fn flags(&self) -> u32 {
        if self.compat { RecordFlags::COMPAT } else { 0 }
    }

    /// The result or error as records carry it.
    #[inline(always)]
    pub fn result(&self) -> i32 {
        self.ret as i32
    }
}

/// Number of the system call that the current task is in, for hooks that several calls lead to.
#[inline(always)]
pub fn current_number() -> u32 {
    // SAFETY: the current task has registers, and they are a BTF pointer.
    unsafe {
        let registers = bpf_task_pt_regs(task::current().cast()) as Task;
        load(registers, setting!(registers.number))
    }
}

#[inline(always)]
pub fn is_compat(task: Task) -> bool {
    if offset!(task_status) == MISSING {
        return false;
    }
    // SAFETY: tasks are BTF pointers.
    let status: u32 = unsafe { load(task, offset!(task_status)) };
    status & TS_COMPAT != 0
}

/// The `struct file` behind a descriptor of the current task.
#[inline(always)]
pub fn file(fd: u32) -> Option<Kptr> {
    let table = Kptr(task::current() as u64)
        .follow(offset!(task_files))?
        .follow(offset!(files_fdt))?;
    if fd >= table.read::<u32>(offset!(fdt_max_fds))? {
        return None;
    }
    let files = table.follow(offset!(fdt_fd))?;
    Kptr(files.0.wrapping_add(u64::from(fd) * 8)).follow(0)
}

/// The `struct sock` behind a descriptor; `None` when it is no socket.
#[inline(always)]
pub fn sock(file: Kptr) -> Option<Kptr> {
    const S_IFSOCK: u16 = 0o140_000;
    let inode = file.follow(offset!(file_f_inode))?;
    if inode.read::<u16>(offset!(inode_mode))? & 0o170_000 != S_IFSOCK {
        return None;
    }
    file.follow(offset!(file_private_data))?
        .follow(offset!(socket_sk))
}
