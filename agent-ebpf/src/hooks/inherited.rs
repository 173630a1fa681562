//! Listeners that a new image finds open: it serves them without a listen(2) of its own.

use crate::global::offset;
use crate::header::Origin;
use crate::hooks::listen::{self, TCP_LISTEN};
use crate::kernel::{Kptr, Task};
use crate::label;
use crate::policy;
use crate::socket;
use crate::syscall;
use crate::task;
use agent_common::event::{EventKind, RecordFlags};
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
    if label::of(task).is_none() {
        return 0;
    }
    let Some((files, mut open)) = descriptors(Kptr(task as u64)) else {
        return 0;
    };
    for _ in 0..MAX_DESCRIPTORS {
        if open == 0 {
            break;
        }
        look(files.0.wrapping_add(u64::from(open.trailing_zeros()) * 8));
        open &= open - 1;
    }
    0
}

/// The array of files, and the first word of the bitmap of descriptors that are open: the table has room for as many.
#[inline(always)]
fn descriptors(task: Kptr) -> Option<(Kptr, u64)> {
    let table = task.follow(offset!(task_files))?.follow(offset!(files_fdt))?;
    let open = table.follow(offset!(fdt_open_fds))?.read(0)?;
    Some((table.follow(offset!(fdt_fd))?, open))
}

/// Reports the file in a place of the current task's table when it is a listener. Global: see `scratch::append_bytes`.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn look(place: u64) -> u32 {
    let Some(sk) = Kptr(place).follow(0).and_then(syscall::sock) else {
        return 0;
    };
    if !socket::is_inet(sk) || sk.read_or_zero::<u8>(offset!(sk_state)) != TCP_LISTEN {
        return 0;
    }
    if let Some(actor) = task::enter(KIND) {
        policy::end(listen::listening(
            &actor,
            sk,
            Origin::TRACEPOINT,
            RecordFlags::INHERITED,
        ));
    }
    0
}
