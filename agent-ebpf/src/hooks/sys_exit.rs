//! The tracepoint backend's one program on system calls: everything else is reached from here by tail calls.

use crate::count;
use crate::heartbeat;
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
    if !in_container(task::current()) && !heartbeat::may_have_returned(&call, number) {
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
