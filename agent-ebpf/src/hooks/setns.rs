//! A task enters namespaces. No LSM hook sees it: the call's return, on every kernel.

use crate::emit;
use crate::global::{offset, setting};
use crate::header::{Origin, Report};
use crate::kernel::{Kptr, Task};
use crate::maps::SLOT_STATE;
use crate::syscall::Syscall;
use crate::task::{self, Deed};
use agent_common::counter::Outcome;
use agent_common::event::{EventKind, Namespaces, RecordFlags, SetnsEvent};
use aya_ebpf::macros::btf_tracepoint;
use aya_ebpf::programs::BtfTracePointContext;

const KIND: EventKind = EventKind::SETNS;

/// setns(fd, nstype) returns: the namespaces are the kernel's own.
#[btf_tracepoint(function = "sys_exit")]
pub fn exit_setns(ctx: BtfTracePointContext) -> i32 {
    let call = Syscall::of(&ctx);
    if call.ret != 0 {
        return 0;
    }
    entered(call);
    0
}

#[inline(always)]
fn entered(call: Syscall) {
    let Some(actor) = task::enter(KIND) else { return };
    let now = of_children(actor.task);
    let Some(state) = SLOT_STATE.get_ptr(actor.label.slot) else {
        return emit::lose(KIND, Outcome::LOST_UNREADABLE, actor.label.slot);
    };
    // SAFETY: a live map value.
    let first = unsafe { (*state).namespaces };
    let host = setting!(host);
    let host_mask = shared(&now, &host);
    // What is not known of the container's start is not called gained.
    let gained = host_mask & !shared(&first, &host) & known(&first);
    let deed = Deed {
        access: 0,
        object: [pair(now.mnt, now.net), pair(now.pid, now.user)],
        detail: pair(host_mask, gained),
    };
    let Some(draft) = emit::draft(&actor, KIND, deed) else {
        return;
    };
    let deviation = if gained != 0 { RecordFlags::DEVIATION } else { 0 };
    let report = Report {
        kind: KIND,
        origin: Origin::TRACEPOINT,
        flags: call.flags() | deviation,
        ret: 0,
    };
    let record: *mut SetnsEvent = draft.begin(&actor, report);
    // SAFETY: scratch memory that this program took.
    unsafe {
        (*record).namespaces = now;
        (*record).nstype = call.arg::<1>() as u32;
        (*record).host_mask = host_mask;
        (*record).gained_mask = gained;
        (*record).reserved = 0;
    }
    draft.submit();
}

/// The task's namespaces; of pid namespaces the one that its children will be in, for its own never changes. Without
/// branches (a null pointer reads as zero): with them 6.1 finds the program too large.
#[inline(always)]
fn of_children(task: Task) -> Namespaces {
    let kernel = Kptr(task as u64);
    let nsproxy = Kptr(kernel.read_or_zero(offset!(task_nsproxy)));
    let cred = Kptr(kernel.read_or_zero(offset!(task_real_cred)));
    let number = |namespace: u32, field: u32| Kptr(nsproxy.read_or_zero(namespace)).read_or_zero(field);
    Namespaces {
        mnt: number(offset!(nsproxy_mnt), offset!(mnt_inum)),
        pid: number(offset!(nsproxy_pid_for_children), offset!(pid_ns_inum)),
        net: number(offset!(nsproxy_net), offset!(net_inum)),
        ipc: number(offset!(nsproxy_ipc), offset!(ipc_inum)),
        uts: number(offset!(nsproxy_uts), offset!(uts_inum)),
        cgroup: number(offset!(nsproxy_cgroup), offset!(cgroup_ns_inum)),
        user: Kptr(cred.read_or_zero(offset!(cred_user_ns))).read_or_zero(offset!(user_inum)),
        time: number(offset!(nsproxy_time), offset!(time_inum)),
    }
}

#[inline(always)]
fn pair(high: u32, low: u32) -> u64 {
    u64::from(high) << 32 | u64::from(low)
}

/// Bits of the namespaces that both have.
#[inline(always)]
fn shared(one: &Namespaces, other: &Namespaces) -> u32 {
    same(one.mnt, other.mnt)
        | same(one.pid, other.pid) << 1
        | same(one.net, other.net) << 2
        | same(one.ipc, other.ipc) << 3
        | same(one.uts, other.uts) << 4
        | same(one.cgroup, other.cgroup) << 5
        | same(one.user, other.user) << 6
        | same(one.time, other.time) << 7
}

/// 1 when equal, without a branch: with one per namespace the verifier follows 2^24 ways ("BPF program is too large.
/// Processed 1000001 insn", 6.1). The borrow of a subtraction, opaque before its sign is taken: what the compiler sees
/// through, a comparison included, becomes a branch again.
#[inline(always)]
fn same(one: u32, other: u32) -> u32 {
    (core::hint::black_box(u64::from(one ^ other).wrapping_sub(1)) >> 63) as u32
}

/// Bits of the namespaces that are known.
#[inline(always)]
fn known(namespaces: &Namespaces) -> u32 {
    !shared(namespaces, &Namespaces::default()) & 0xff
}
