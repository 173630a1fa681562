//! The tracepoint backend's one program on system calls: everything else is reached from here by tail calls.

use crate::count;
use crate::kernel::Task;
use crate::label;
use crate::maps::{SYSCALLS, WANTED_SYSCALLS};
use crate::syscall::Syscall;
use crate::task;
use agent_common::counter::KernelError;
use agent_common::settings::MAX_SYSCALLS;
use agent_common::slot::NO_SLOT;
use aya_ebpf::macros::btf_tracepoint;
use aya_ebpf::programs::BtfTracePointContext;

/// `__X32_SYSCALL_BIT`.
const X32: u32 = 0x4000_0000;

/// `sys_exit(struct pt_regs *regs, long ret)`, all kernels. Runs for every system call of the host: the bitmap comes first.
#[btf_tracepoint(function = "sys_exit")]
pub fn sys_exit(ctx: BtfTracePointContext) -> i32 {
    let call = Syscall::of(&ctx);
    // A bit marks calls by the x32 convention; most have the native numbers.
    let number = call.number() & !X32;
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
    if wanted >> (number & 63) & 1 == 0 || !in_container(task::current()) {
        return 0;
    }
    // SAFETY: the context is this program's.
    unsafe { SYSCALLS.tail_call(&ctx, base + number) };
    count::error(KernelError::TAIL_CALL);
    0
}

#[inline(always)]
fn in_container(task: Task) -> bool {
    // SAFETY: a live map value.
    label::of(task).is_some_and(|label| unsafe { (*label).slot != NO_SLOT })
}
