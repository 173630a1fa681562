//! Every map, with who writes and who reads it. All are of fixed size; LRU where keys come from workloads.

use crate::dns::Asker;
use crate::quota::Quota;
use crate::scratch::Scratch;
use crate::storage::TaskStorage;
use agent_common::behaviour::{BehaviourKey, BehaviourValue};
use agent_common::counter::{COUNTER_ENTRIES, KernelError, SlotBooks};
use agent_common::limits::{
    ACTIVITY_RING_BYTES, ALERT_RING_BYTES, BEHAVIOUR_ENTRIES, CGROUP_ENTRIES, DEVIATION_ENTRIES,
    LINEAGE_ENTRIES, LONG_LINEAGE_ENTRIES, MAX_CONTAINER_ID, MAX_SLOTS, POLICY_ENTRIES,
    POLICY_NETWORK_ENTRIES, SCRATCH_BUFFERS, SEED_ENTRIES, WATCHED_NAME_ENTRIES,
};
use agent_common::lineage::{LongLineage, Seed, ShortLineage};
use agent_common::policy::{NetworkKey, PolicyEntry, PolicyKey};
use agent_common::settings::{CallRule, SYSCALL_TABLE, SyscallMask};
use agent_common::slot::{CgroupKey, SlotControl, SlotRef, SlotState, TaskLabel};
use aya_ebpf::bindings::{BPF_F_MMAPABLE, BPF_F_NO_PREALLOC, BPF_F_RDONLY_PROG};
use aya_ebpf::btf_maps::{
    Array, HashMap, LpmTrie, LruHashMap, PerCpuArray, ProgramArray, Queue, RingBuf, SkStorage,
};
use aya_ebpf::macros::btf_map;

/// No program, whoever's, writes there. What nobody outside the kernel may write is frozen by the daemon: see its `kernel/seals.rs`.
const READ_ONLY: usize = BPF_F_RDONLY_PROG as usize;

/// The same, and memory is taken as entries come: most hosts have few.
const GROWING: usize = READ_ONLY | BPF_F_NO_PREALLOC as usize;

/// What each task carries. Kernel writes and reads.
#[btf_map]
pub static TASKS: TaskStorage<TaskLabel> = TaskStorage::new();

/// Who asks for names over a socket. Kernel writes and reads.
#[btf_map]
pub static ASKERS: SkStorage<Asker> = SkStorage::new();

/// Which cgroups are a container's own. Kernel writes (the daemon at start, for what ran before it).
#[btf_map]
pub static CGROUPS: HashMap<CgroupKey, SlotRef, { CGROUP_ENTRIES as usize }> = HashMap::new();

/// Container id → slot, so that the hierarchies of one container share it. Kernel writes; the daemon at start.
#[btf_map]
pub static CONTAINER_IDS: HashMap<[u8; MAX_CONTAINER_ID], SlotRef, { MAX_SLOTS as usize }> = HashMap::new();

/// Slots that are free, with the generation to use: those for containers alone. The daemon fills, the kernel takes.
#[btf_map]
pub static FREE_SLOTS: Queue<SlotRef, { MAX_SLOTS as usize }> = Queue::new();

/// The same for candidates, and for containers when there are no others.
#[btf_map]
pub static FREE_CANDIDATES: Queue<SlotRef, { MAX_SLOTS as usize }> = Queue::new();

/// What the kernel knows of each slot. Both sides write, atomically: the daemon maps it into its memory.
#[btf_map]
pub static SLOT_STATE: Array<SlotState, { MAX_SLOTS as usize }, { BPF_F_MMAPABLE as usize }> = Array::new();

/// What the daemon decides about each slot. The daemon writes.
#[btf_map]
pub static SLOT_CONTROL: Array<SlotControl, { MAX_SLOTS as usize }, READ_ONLY> = Array::new();

/// Behaviours that left the kernel. Kernel writes, the daemon reads counts; a program removes keys for it.
#[btf_map]
pub static BEHAVIOURS: LruHashMap<BehaviourKey, BehaviourValue, { BEHAVIOUR_ENTRIES as usize }> =
    LruHashMap::new();

/// Deviations that left the kernel: nothing evicts them, so that their counts are exact. Written and read as `BEHAVIOURS`, where
/// goes what finds no room here.
#[btf_map]
pub static DEVIATIONS: HashMap<BehaviourKey, BehaviourValue, { DEVIATION_ENTRIES as usize }> = HashMap::new();

/// Exec id → what was executed: by containers, and by those of the host that something of a container descends from. Kernel writes (the
/// daemon at start); the daemon reads.
#[btf_map]
pub static LINEAGE: LruHashMap<u64, ShortLineage, { LINEAGE_ENTRIES as usize }> = LruHashMap::new();

/// The same with all of its text, for those whose text is cut there.
#[btf_map]
pub static LONG_LINEAGE: LruHashMap<u64, LongLineage, { LONG_LINEAGE_ENTRIES as usize }> = LruHashMap::new();

/// Process → exec id, for processes that ran before the sensor. The daemon writes once; memory is taken for those there are.
#[btf_map]
pub static SEED: HashMap<u32, Seed, { SEED_ENTRIES as usize }, { BPF_F_NO_PREALLOC as usize }> =
    HashMap::new();

/// Since when every fork of the host is seen, and no label was lost (boot clock, ns); 0: not yet. The daemon writes once, then programs.
#[btf_map]
pub static FORKS_SEEN_SINCE: Array<u64, 1> = Array::new();

/// What profiles allow, but for networks: see `agent_common::policy`. The daemon writes.
#[btf_map]
pub static POLICIES: HashMap<PolicyKey, PolicyEntry, { POLICY_ENTRIES as usize }, GROWING> = HashMap::new();

/// Networks that profiles allow, and the containers' own addresses. The daemon writes.
#[btf_map]
pub static POLICY_NETWORKS: LpmTrie<NetworkKey, u64, { POLICY_NETWORK_ENTRIES as usize }, GROWING> =
    LpmTrie::new();

/// Deviations and container lifecycle: read at once.
#[btf_map]
pub static ALERTS: RingBuf<u8, { ALERT_RING_BYTES as usize }> = RingBuf::new();

/// What each slot has sent over the rings lately, and its share of `DEVIATIONS`. Kernel writes and reads.
#[btf_map]
pub static QUOTAS: Array<Quota, { MAX_SLOTS as usize }> = Array::new();

/// Expected behaviour, and every event of watched containers: polled.
#[btf_map]
pub static ACTIVITY: RingBuf<u8, { ACTIVITY_RING_BYTES as usize }> = RingBuf::new();

/// The books: see `agent_common::counter`. Kernel writes, the daemon reads.
#[btf_map]
pub static COUNTERS: PerCpuArray<u64, { COUNTER_ENTRIES as usize }> = PerCpuArray::new();

/// The books of each container. Kernel writes, the daemon reads, and opens new ones when a slot becomes free.
#[btf_map]
pub static SLOT_BOOKS: Array<SlotBooks, { MAX_SLOTS as usize }> = Array::new();

/// Errors inside programs by cause. Kernel writes, the daemon reads.
#[btf_map]
pub static ERRORS: PerCpuArray<u64, { KernelError::COUNT as usize }> = PerCpuArray::new();

/// Scratch memory: records and paths do not fit the stack.
#[btf_map]
pub static SCRATCH: PerCpuArray<Scratch, { SCRATCH_BUFFERS as usize }> = PerCpuArray::new();

/// Index 0: the CPU's last exec number; 1: when it last woke the daemon (boot clock, ns).
#[btf_map]
pub static CPU_STATE: PerCpuArray<u64, 2> = PerCpuArray::new();

/// Hashes of the base names that UNLINK and RENAME report. The daemon writes.
#[btf_map]
pub static WATCHED_NAMES: HashMap<u64, u32, { WATCHED_NAME_ENTRIES as usize }, READ_ONLY> = HashMap::new();

/// Handlers of the tracepoint backend: native numbers, then compat ones. The daemon writes at load.
#[btf_map]
pub static SYSCALLS: ProgramArray<{ SYSCALL_TABLE as usize }> = ProgramArray::new();

/// Which system calls have a handler: one entry. The daemon writes at load.
#[btf_map]
pub static WANTED_SYSCALLS: Array<SyscallMask, 1, READ_ONLY> = Array::new();

/// How the calls that tell by themselves are reported, by the same index as `SYSCALLS`. The daemon writes at load.
#[btf_map]
pub static CALLS: Array<CallRule, { SYSCALL_TABLE as usize }, READ_ONLY> = Array::new();
