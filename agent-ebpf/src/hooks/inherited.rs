//! Listeners that a new image finds open: it serves them without a listen(2) of its own.

use crate::global::offset;
use crate::header::Origin;
use crate::hooks::listen::{self, TCP_LISTEN};
use crate::kernel::{Kptr, Task};
use crate::label;
use crate::socket;
use crate::syscall;
use crate::task;
use agent_common::event::{EventKind, RecordFlags};
use agent_common::slot::NO_SLOT;
use aya_ebpf::macros::btf_tracepoint;
use aya_ebpf::programs::BtfTracePointContext;

const KIND: EventKind = EventKind::LISTEN;
/// Descriptors that are looked at, the lowest open ones: most images begin with three.
const MAX_DESCRIPTORS: u32 = 16;

/// `sched_process_exec(struct task_struct *p, pid_t old_pid, struct linux_binprm *bprm)`, all kernels. In a program of its own
/// behind the one that labels the task: both in one exceed the stack. What closes on exec is closed.
#[btf_tracepoint(function = "sched_process_exec")]
pub fn inherited_listen(ctx: BtfTracePointContext) -> i32 {
    let task: Task = ctx.arg(0);
    // SAFETY: a live map value.
    if !label::of(task).is_some_and(|label| unsafe { (*label).slot != NO_SLOT }) {
        return 0;
    }
    let mut open = open_descriptors(Kptr(task as u64)).unwrap_or(0);
    for _ in 0..MAX_DESCRIPTORS {
        if open == 0 {
            break;
        }
        look(open.trailing_zeros());
        open &= open - 1;
    }
    0
}

/// The first word of the bitmap of open descriptors.
#[inline(always)]
fn open_descriptors(task: Kptr) -> Option<u64> {
    task.follow(offset!(task_files))?
        .follow(offset!(files_fdt))?
        .follow(offset!(fdt_open_fds))?
        .read(0)
}

/// Reports a descriptor of the current task when it is a listener. Global: see `scratch::append_bytes`.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn look(fd: u32) -> u32 {
    let Some(sk) = syscall::file(fd).and_then(syscall::sock) else {
        return 0;
    };
    if !socket::is_inet(sk) || sk.read_or_zero::<u8>(offset!(sk_state)) != TCP_LISTEN {
        return 0;
    }
    if let Some(actor) = task::enter(KIND) {
        listen::listening(&actor, sk, Origin::TRACEPOINT, RecordFlags::INHERITED);
    }
    0
}
