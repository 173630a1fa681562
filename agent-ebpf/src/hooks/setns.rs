//! A task enters namespaces. No LSM hook sees it: fexit where trampolines load, else the call's return.

use crate::emit;
use crate::global::{offset, setting};
use crate::header::{Origin, Report};
use crate::kernel::{Kptr, Task};
use crate::maps::SLOT_STATE;
use crate::syscall::{self, Syscall};
use crate::task::{self, Deed};
use agent_common::counter::Outcome;
use agent_common::event::{EventKind, Namespaces, RecordFlags, SetnsEvent};
use aya_ebpf::macros::{btf_tracepoint, fexit};
use aya_ebpf::programs::{BtfTracePointContext, FExitContext};

const KIND: EventKind = EventKind::SETNS;
#[cfg(bpf_target_arch = "x86_64")]
const SYS_SETNS: [u32; 2] = [308, 346];
#[cfg(not(bpf_target_arch = "x86_64"))]
const SYS_SETNS: [u32; 2] = [268, 268];

/// `switch_task_namespaces(struct task_struct *tsk, struct nsproxy *new)`, all kernels: the task has the new ones when it
/// returns. unshare(2) and exit come here too, and enter nothing that was there before.
#[fexit(function = "switch_task_namespaces")]
pub fn fexit_setns(ctx: FExitContext) -> i32 {
    let number = syscall::current_number();
    let compat = syscall::is_compat(task::current());
    if ctx.arg::<u64>(1) == 0 || number != SYS_SETNS[usize::from(compat)] {
        return 0;
    }
    let flags = if compat { RecordFlags::COMPAT } else { 0 };
    entered(0, Origin::FENTRY, flags);
    0
}

/// setns(fd, nstype) returns: the namespaces are the kernel's own.
#[btf_tracepoint(function = "sys_exit")]
pub fn exit_setns(ctx: BtfTracePointContext) -> i32 {
    let call = Syscall::of(&ctx);
    if call.ret != 0 {
        return 0;
    }
    entered(call.arg::<1>() as u32, Origin::TRACEPOINT, call.flags());
    0
}

#[inline(always)]
fn entered(nstype: u32, origin: Origin, flags: u32) {
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
        origin,
        flags: flags | deviation,
        ret: 0,
    };
    let record: *mut SetnsEvent = draft.begin(&actor, report);
    // SAFETY: scratch memory that this program took.
    unsafe {
        (*record).namespaces = now;
        (*record).nstype = nstype;
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
/// Processed 1000001 insn", 6.18). Opaque, or the compiler makes branches of it again.
#[inline(always)]
fn same(one: u32, other: u32) -> u32 {
    let difference = one ^ other;
    core::hint::black_box(difference | difference.wrapping_neg()) >> 31 ^ 1
}

/// Bits of the namespaces that are known.
#[inline(always)]
fn known(namespaces: &Namespaces) -> u32 {
    !shared(namespaces, &Namespaces::default()) & 0xff
}
