//! System calls at their return: arguments and descriptors.

use crate::global::{offset, setting};
use crate::header;
use crate::kernel::{Kptr, Task, load, read_user_or_zero};
use crate::task;
use agent_common::event::RecordFlags;
use agent_common::offsets::MISSING;
use agent_common::settings::MAX_SYSCALLS;
use agent_common::x32;
use aya_ebpf::helpers::generated::bpf_task_pt_regs;
use aya_ebpf::programs::BtfTracePointContext;

/// i386's `socketcall(call, arguments)`, which stands for any of the calls on sockets.
pub const SOCKETCALL: u32 = 102;
/// `TS_COMPAT` of x86's `thread_info.status`, `TIF_32BIT` (bit 22) of arm64's `thread_info.flags`.
const COMPAT: u32 = if cfg!(bpf_target_arch = "x86_64") {
    2
} else {
    1 << 22
};

/// A system call that returns.
#[derive(Clone, Copy)]
pub struct Syscall {
    registers: Task,
    compat: bool,
    /// Where the caller's memory has the arguments, 32 bits each; 0: registers have them.
    arguments: u64,
    pub ret: i64,
}

impl Syscall {
    /// From the arguments of `tp_btf/sys_exit`: `(struct pt_regs *regs, long ret)`.
    #[inline(always)]
    pub fn of(ctx: &BtfTracePointContext) -> Self {
        Self {
            registers: ctx.arg(0),
            compat: is_compat(task::current()),
            arguments: 0,
            ret: ctx.arg(1),
        }
    }

    /// The same for a call on a socket: 32-bit programs may make it through `socketcall`.
    #[inline(always)]
    pub fn of_socket(ctx: &BtfTracePointContext) -> Self {
        let mut call = Self::of(ctx);
        if call.is_socketcall() {
            call.arguments = call.arg::<1>();
        }
        call
    }

    #[inline(always)]
    fn is_socketcall(&self) -> bool {
        self.compat && self.number() == SOCKETCALL
    }

    /// Number of the call that it is, also through `socketcall`.
    #[inline(always)]
    pub fn direct_number(&self) -> u32 {
        if self.is_socketcall() {
            direct(self.arg::<0>() as u32)
        } else {
            self.number()
        }
    }

    /// True for a 32-bit call on a 64-bit kernel.
    #[inline(always)]
    pub fn is_compat(&self) -> bool {
        self.compat
    }

    /// Number of the call in its own table: the native one also for x32.
    #[inline(always)]
    pub fn number(&self) -> u32 {
        tabled(self.raw_number())
    }

    #[inline(always)]
    fn raw_number(&self) -> u32 {
        // SAFETY: `pt_regs` is a BTF pointer; the number is its low half on little-endian machines.
        unsafe { load(self.registers, setting!(registers.number)) }
    }

    /// True when the caller's structures hold 32-bit pointers.
    #[inline(always)]
    pub fn has_narrow_pointers(&self) -> bool {
        self.compat || self.raw_number() & x32::BIT != 0
    }

    /// The argument, as it was when the call returned.
    #[inline(always)]
    pub fn arg<const INDEX: usize>(&self) -> u64 {
        if self.arguments != 0 {
            return u64::from(read_user_or_zero::<u32>(self.arguments + 4 * INDEX as u64));
        }
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

    /// The argument at an offset in `pt_regs` that is not known when the program is verified.
    #[inline(always)]
    pub fn arg_at(&self, offset: u32) -> u64 {
        let value: u64 = Kptr(self.registers as u64).read_or_zero(offset);
        if self.compat { value & 0xffff_ffff } else { value }
    }

    /// Place in the table of tail calls, and in others of its kind.
    #[inline(always)]
    pub fn index(&self) -> u32 {
        let base = if self.compat { MAX_SYSCALLS } else { 0 };
        base + self.direct_number()
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

/// i386's own number for a call that `socketcall` knows by another; for those that have a handler.
#[inline(always)]
fn direct(call: u32) -> u32 {
    match call {
        1 => 359,  // socket
        2 => 361,  // bind
        3 => 362,  // connect
        4 => 363,  // listen
        14 => 366, // setsockopt
        17 => 372, // recvmsg
        19 => 337, // recvmmsg
        _ => SOCKETCALL,
    }
}

/// Number of the system call that the current task is in, for hooks that several calls lead to; as [`Syscall::number`].
#[inline(always)]
pub fn current_number() -> u32 {
    // SAFETY: the current task has registers, and they are a BTF pointer.
    tabled(unsafe {
        let registers = bpf_task_pt_regs(task::current().cast()) as Task;
        load(registers, setting!(registers.number))
    })
}

/// The current task is in this call on a socket, by its native number and i386's; otherwise a ring does it.
#[inline(always)]
pub fn is_in(native: u32, compat: u32) -> bool {
    let task = task::current();
    if header::is_ring_worker(Kptr(task as u64)) {
        return false;
    }
    let number = current_number();
    if is_compat(task) {
        number == compat || number == SOCKETCALL
    } else {
        number == native
    }
}

/// A number without x32's bit, and those that only x32 has as the native table counts.
#[inline(always)]
fn tabled(number: u32) -> u32 {
    if number & x32::BIT == 0 {
        return number;
    }
    let number = number & !x32::BIT;
    let own = number.wrapping_sub(x32::FIRST) as usize;
    NATIVE_OF_X32.get(own).map_or(number, |native| u32::from(*native))
}

/// A constant of this program, not copied to the stack of each.
static NATIVE_OF_X32: [u16; x32::NATIVE.len()] = x32::NATIVE;

#[inline(always)]
pub fn is_compat(task: Task) -> bool {
    if offset!(task_status) == MISSING {
        return false;
    }
    // SAFETY: tasks are BTF pointers.
    let status: u32 = unsafe { load(task, offset!(task_status)) };
    status & COMPAT != 0
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
