//! A program that the kernel starts on the host, as root, because of what a container did: a module's loader, a handler of
//! core dumps or keys.

use crate::global::{offset, setting};
use crate::header::Origin;
use crate::hooks::call::{self, Told};
use crate::kernel::{Kptr, Task, load};
use crate::scratch::Memory;
use crate::text::Text;
use agent_common::event::{CallName, RecordFlags};
use aya_ebpf::macros::{btf_tracepoint, fentry};
use aya_ebpf::programs::{BtfTracePointContext, FEntryContext};

/// `call_usermodehelper_exec(struct subprocess_info *sub_info, int wait)`, all kernels; in the container's task. What
/// prepares it has seven arguments, one more than programs could be attached to before 6.6.
#[fentry(function = "call_usermodehelper_exec")]
pub fn fentry_usermodehelper(ctx: FEntryContext) -> i32 {
    starts(Kptr(ctx.arg(0)), Origin::FENTRY);
    0
}

/// `workqueue_queue_work(int req_cpu, struct pool_workqueue *pwq, struct work_struct *work)`, all kernels: the same function leaves
/// the start to a worker, and waits. Still in the container's task: interrupts queue work too, but never this. What runs for every
/// work of the host ends here after two loads.
#[btf_tracepoint(function = "workqueue_queue_work")]
pub fn usermodehelper_queued(ctx: BtfTracePointContext) -> i32 {
    let work: Task = ctx.arg(2);
    // SAFETY: `work_struct` is a BTF pointer.
    let function: u64 = unsafe { load(work, offset!(work_func)) };
    if function == setting!(helper_starter) {
        let place = u64::from(offset!(subprocess_work));
        starts(Kptr((work as u64).wrapping_sub(place)), Origin::TRACEPOINT);
    }
    0
}

/// The path of `struct subprocess_info`.
#[inline(always)]
fn starts(process: Kptr, origin: Origin) {
    // At null, as anywhere that cannot be read, is an empty one. Without a branch: 6.1 took the way of a null pointer for the only one, and
    // left the other out.
    let text = Text::Memory(Memory::Kernel(process.read_or_zero(offset!(subprocess_path))));
    let told = Told {
        call: CallName::USERMODEHELPER,
        args: [0; 4],
        text,
        key: [text.identity(), 0],
    };
    call::report(&told, call::before(origin, RecordFlags::DEVIATION));
}
