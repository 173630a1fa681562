//! Namespaces of a task, and which of them the host or the container's start had.
//!
//! Nothing here branches: with a branch per namespace the verifier follows 2^24 ways ("BPF program is too large.
//! Processed 1000001 insn", 6.1).

use crate::global::{offset, setting};
use crate::kernel::{Kptr, Task};
use crate::maps::SLOT_STATE;
use agent_common::event::Namespaces;

/// Namespaces beside others: bits in the order of [`Namespaces::NAMES`].
#[derive(Clone, Copy)]
pub struct Compared {
    /// The host's.
    pub host: u32,
    /// The host's, and not the container's when it started.
    pub gained: u32,
}

/// Compares them with the host's and with those of the slot's start.
#[inline(always)]
pub fn compare(now: &Namespaces, slot: u32) -> Compared {
    // An admitted actor's slot has a state.
    // SAFETY: a live map value.
    let first = SLOT_STATE
        .get_ptr(slot)
        .map_or(Namespaces::default(), |state| unsafe { (*state).namespaces });
    let host = setting!(host);
    let shared_now = shared(now, &host);
    Compared {
        host: shared_now,
        // What is not known of the container's start is not called gained.
        gained: shared_now & !shared(&first, &host) & known(&first),
    }
}

/// The task's namespaces; of pid namespaces the one that its children will be in, for its own never changes. A null
/// pointer reads as zero.
#[inline(always)]
pub fn of_children(task: Task) -> Namespaces {
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

/// Two numbers in one word of a key.
#[inline(always)]
pub fn pair(high: u32, low: u32) -> u64 {
    u64::from(high) << 32 | u64::from(low)
}

/// Bits of the namespaces that both have.
#[inline(always)]
pub fn shared(one: &Namespaces, other: &Namespaces) -> u32 {
    same(one.mnt, other.mnt)
        | same(one.pid, other.pid) << 1
        | same(one.net, other.net) << 2
        | same(one.ipc, other.ipc) << 3
        | same(one.uts, other.uts) << 4
        | same(one.cgroup, other.cgroup) << 5
        | same(one.user, other.user) << 6
        | same(one.time, other.time) << 7
}

/// 1 when equal. The borrow of a subtraction, opaque before its sign is taken: what the compiler sees through, a
/// comparison included, becomes a branch again.
#[inline(always)]
fn same(one: u32, other: u32) -> u32 {
    (core::hint::black_box(u64::from(one ^ other).wrapping_sub(1)) >> 63) as u32
}

/// Bits of the namespaces that are known.
#[inline(always)]
fn known(namespaces: &Namespaces) -> u32 {
    !shared(namespaces, &Namespaces::default()) & 0xff
}
