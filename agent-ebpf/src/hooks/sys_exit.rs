//! The tracepoint backend's one program on system calls: everything else is reached from here by tail calls.

use crate::count;
use crate::heartbeat;
use crate::hooks::setsockopt;
use crate::hooks::socket_create::Asked;
use crate::kernel::Task;
use crate::label;
use crate::maps::{SYSCALLS, WANTED_SYSCALLS};
use crate::syscall::Syscall;
use crate::task;
use agent_common::counter::KernelError;
use agent_common::settings::MAX_SYSCALLS;
use aya_ebpf::macros::btf_tracepoint;
use aya_ebpf::programs::BtfTracePointContext;

/// Numbers of mmap(2) and mprotect(2), whose third arguments are what may be done with the memory, of socket(2) and setsockopt(2).
const MMAP: u32 = native(9, 222);
const MPROTECT: u32 = native(10, 226);
const SOCKET: u32 = native(41, 198);
const SETSOCKOPT: u32 = native(54, 208);
const PROT_EXEC: u32 = 4;

const fn native(x86_64: u32, aarch64: u32) -> u32 {
    if cfg!(bpf_target_arch = "x86_64") {
        x86_64
    } else {
        aarch64
    }
}

/// `sys_exit(struct pt_regs *regs, long ret)`, all kernels. Runs for every system call of the host: the bitmap comes first.
#[btf_tracepoint(function = "sys_exit")]
pub fn sys_exit(ctx: BtfTracePointContext) -> i32 {
    let call = Syscall::of(&ctx);
    let number = call.direct_number();
    if number >= MAX_SYSCALLS {
        return 0;
    }
    let Some(mask) = WANTED_SYSCALLS.get(0) else {
        return 0;
    };
    let word = (number >> 6) as usize & 7;
    let (wanted, base) = if call.is_compat() {
        (mask.compat[word], MAX_SYSCALLS)
    } else {
        (mask.native[word], 0)
    };
    if wanted >> (number & 63) & 1 == 0 {
        return 0;
    }
    if tells_nothing(&call, number) {
        return 0;
    }
    if !in_container(task::current()) && !heartbeat::may_have_returned(&call, number) {
        return 0;
    }
    // SAFETY: the context is this program's.
    unsafe { SYSCALLS.tail_call(&ctx, base + number) };
    count::error(KernelError::TAIL_CALL);
    0
}

/// What programs do all day, by its arguments: mappings that execute nothing, ordinary sockets and their options. Before anybody asks
/// who does it.
#[inline(always)]
fn tells_nothing(call: &Syscall, number: u32) -> bool {
    if call.is_compat() {
        return false;
    }
    match number {
        MMAP | MPROTECT => call.arg::<2>() as u32 & PROT_EXEC == 0,
        SOCKET => !Asked::of(call).is_unusual(),
        SETSOCKOPT => !setsockopt::attaches(call),
        _ => false,
    }
}

#[inline(always)]
fn in_container(task: Task) -> bool {
    label::of(task).is_some()
}
