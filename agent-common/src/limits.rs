//! Bounds of what crosses from the kernel, each with its reason.

/// Containers known at once. Slot 0 means "no container"; the table is an array indexed by slot.
pub const MAX_SLOTS: u32 = 4096;
/// Slots for cgroups whose name is no id, most of which never become a container: however many a host makes, the other slots are left
/// to those that are one.
pub const CANDIDATE_SLOTS: u32 = 1024;
/// Longest path in a record, bytes: the kernel's own PATH_MAX.
pub const MAX_PATH: usize = 4096;
/// Argument bytes in an exec record; longer ones are cut and flagged.
pub const MAX_ARGS: usize = 4096;
/// Bytes of a DNS message that are looked at: more than a datagram without extensions may have.
pub const MAX_DNS_MESSAGE: usize = 1024;
/// Components of a walked path; deeper ones are cut and flagged. Bounds the verifier's work.
pub const MAX_PATH_DEPTH: u32 = 48;
/// Path bytes kept of an image. What the maps take together is in docs/performance.md.
pub const LINEAGE_PATH: usize = 256;
/// Argument bytes kept of an image.
pub const LINEAGE_ARGS: usize = 256;
/// Working directory bytes kept of an image.
pub const LINEAGE_CWD: usize = 128;
/// Bytes of these in an entry of the lineage map: more than most need.
pub const LINEAGE_TEXT: u16 = 168;
/// Bytes of these where all of them are kept.
pub const LINEAGE_LONG_TEXT: usize = LINEAGE_PATH + LINEAGE_ARGS + LINEAGE_CWD;
/// Entries of the lineage map (LRU).
pub const LINEAGE_ENTRIES: u32 = 8192;
/// Entries with all of their text (LRU).
pub const LONG_LINEAGE_ENTRIES: u32 = 384;
/// Entries of the behaviour cache (LRU): an evicted behaviour merely leaves the kernel again.
pub const BEHAVIOUR_ENTRIES: u32 = 28_672;
/// Entries of the table of deviations: twice as many as alerts can be open.
pub const DEVIATION_ENTRIES: u32 = 4096;
/// Entries of it that one container can have: sixteen containers have to misbehave at once before there is none for another.
pub const DEVIATIONS_PER_SLOT: u64 = 256;
/// Bytes of a container id or cgroup name that are kept; `cri-containerd-<64 hex>.scope` has 85.
pub const MAX_CONTAINER_ID: usize = 128;
/// Largest record, bytes: a power of two, so that the programs bound their cursor by a mask. A path of the
/// largest size fits beside arguments of almost 4 KiB; what does not fit is cut and flagged.
pub const MAX_RECORD: usize = 8192;
/// Longest path component, bytes (the kernel's NAME_MAX and a separator).
pub const MAX_NAME: usize = 256;
/// Entries of the cgroup index: one per container and hierarchy, of which a host has two at most. Where it has one, as many again are
/// left for those that share a slot.
pub const CGROUP_ENTRIES: u32 = 8192;
/// Directories that are looked at on the way from a cgroup up to its container's. Systemd, Docker and Kubernetes inside a container
/// nest some ten deep.
pub const MAX_CGROUP_DEPTH: u32 = 32;
/// How long a runtime's work in a container's cgroup is taken for the runtime's, in units of 2^30 ns: about two minutes, the longest that a
/// kubelet waits for it. What still runs then has been hijacked, or waits for a person.
pub const RUNTIME_TICKS: u32 = 112;
/// Names that UNLINK and RENAME report.
pub const WATCHED_NAME_ENTRIES: u32 = 256;
/// Processes that ran before the sensor.
pub const SEED_ENTRIES: u32 = 16_384;
/// Scratch buffers per CPU: a program that is preempted holds one.
pub const SCRATCH_BUFFERS: u32 = 3;
/// Ring of deviations and container lifecycle, bytes.
pub const ALERT_RING_BYTES: u32 = 1 << 20;
/// Ring of activity, bytes.
pub const ACTIVITY_RING_BYTES: u32 = 1 << 22;
/// Longest link of ancestors that the daemon follows.
pub const MAX_ANCESTORS: usize = 32;
/// Bytes of a base name that its hash covers.
pub const HASHED_NAME: usize = 64;
/// Entries of all policies: 100 profiles of 1,000 entries, and some of them twice for a while when they change. More would double the
/// table of buckets, 2 MiB.
pub const POLICY_ENTRIES: u32 = 131_072;
/// Networks of all policies, and addresses of containers.
pub const POLICY_NETWORK_ENTRIES: u32 = 65_536;
/// Policies at once: one per profile, and as many again while they change.
pub const MAX_POLICIES: u16 = 2_048;
