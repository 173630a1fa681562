use super::{EventHeader, FileObject, SocketAddress, StrRef};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// EXEC: a new image was executed.
#[repr(C)]
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct ExecEvent {
    pub header: EventHeader,
    /// Lineage entry of the image that executed this one.
    pub parent_exec_id: u64,
    pub file: FileObject,
    /// What descriptors 0, 1 and 2 are: bits of [`StdioFlags`].
    pub stdio: u32,
    /// Peer of the first of them that is an internet socket.
    pub stdio_peer: SocketAddress,
    /// Absolute path of the executed file in the task's root.
    pub path: StrRef,
    /// The name that was asked for (for a script: the script's, while `path` is its interpreter's).
    pub filename: StrRef,
    /// NUL-separated.
    pub args: StrRef,
    pub cwd: StrRef,
}
const _: () = assert!(size_of::<ExecEvent>() == 232);

/// Bits of [`ExecEvent::stdio`].
#[derive(Debug)]
pub struct StdioFlags;

impl StdioFlags {
    /// Descriptor 0, 1, 2 is an internet socket.
    pub const INET: [u32; 3] = [1, 2, 4];
}

/// PTRACE and its relatives.
#[repr(C)]
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct PtraceEvent {
    pub header: EventHeader,
    pub op: PtraceOp,
    /// `PTRACE_*` request, or the mode of the access check.
    pub request: u32,
    /// Initial pid namespace; 0: not known.
    pub target_tgid: u32,
    /// Container of the target; 0 with `target_tgid` set: the host.
    pub target_slot: u32,
    /// Lineage entry of the target's image; 0: not known.
    pub target_exec_id: u64,
}
const _: () = assert!(size_of::<PtraceEvent>() == 176);

/// What a PTRACE record reports.
#[repr(transparent)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct PtraceOp(pub u32);

impl PtraceOp {
    pub const PTRACE: Self = Self(1);
    pub const PROCESS_VM_READ: Self = Self(2);
    pub const PROCESS_VM_WRITE: Self = Self(3);
    /// An access check by the kernel (/proc/PID/mem, /proc/PID/ns, pidfd_getfd).
    pub const ACCESS_CHECK: Self = Self(4);
}

/// Inode numbers of a task's namespaces.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct Namespaces {
    pub mnt: u32,
    pub pid: u32,
    pub net: u32,
    pub ipc: u32,
    pub uts: u32,
    pub cgroup: u32,
    pub user: u32,
    pub time: u32,
}
const _: () = assert!(size_of::<Namespaces>() == 32);

impl Namespaces {
    /// Number of the first pid namespace: the same at each boot.
    pub const FIRST_PID: u32 = 0xEFFF_FFFC;
    /// Number of the first cgroup namespace: the same at each boot.
    pub const FIRST_CGROUP: u32 = 0xEFFF_FFFB;
    /// Names in the order of the bits of [`SetnsEvent::host_mask`].
    pub const NAMES: [&'static str; 8] = ["mnt", "pid", "net", "ipc", "uts", "cgroup", "user", "time"];
}

/// SETNS: a container's task entered namespaces. UNSHARE: it, or the child that it makes, has new ones.
#[repr(C)]
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct SetnsEvent {
    pub header: EventHeader,
    /// After the call.
    pub namespaces: Namespaces,
    /// `CLONE_NEW*` flags asked for; 0: any type.
    pub nstype: u32,
    /// Bit i: namespace i (order of [`Namespaces::NAMES`]) is the host's.
    pub host_mask: u32,
    /// Bit i: namespace i is the host's and was not when the container started.
    pub gained_mask: u32,
    pub reserved: u32,
}
const _: () = assert!(size_of::<SetnsEvent>() == 200);

/// MODULE.
#[repr(C)]
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct ModuleEvent {
    pub header: EventHeader,
    pub file: FileObject,
    pub op: ModuleOp,
    /// Path of the file, or the name that was requested.
    pub path: StrRef,
}
const _: () = assert!(size_of::<ModuleEvent>() == 192);

/// What a MODULE record reports.
#[repr(transparent)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct ModuleOp(pub u32);

impl ModuleOp {
    /// init_module(2): from memory.
    pub const INIT: Self = Self(1);
    /// finit_module(2): from a file.
    pub const FINIT: Self = Self(2);
    pub const DELETE: Self = Self(3);
    /// The kernel asks user space for a module.
    pub const REQUEST: Self = Self(4);
}

/// BPF: a bpf(2) command.
#[repr(C)]
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct BpfEvent {
    pub header: EventHeader,
    /// `BPF_*` command.
    pub cmd: u32,
    /// First word of the attributes: map or program type for the commands that create one.
    pub subtype: u32,
}
const _: () = assert!(size_of::<BpfEvent>() == 160);

/// CONTAINER: lifecycle of a slot. Its header names the slot; the task is whoever caused it.
#[repr(C)]
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct ContainerEvent {
    pub header: EventHeader,
    pub op: ContainerOp,
    /// Bits of [`crate::slot::SlotFlags`].
    pub slot_flags: u32,
    /// Container id, or the cgroup's name for candidates.
    pub id: StrRef,
    /// Path of the cgroup in its hierarchy; may be empty.
    pub cgroup: StrRef,
}
const _: () = assert!(size_of::<ContainerEvent>() == 168);

/// What a CONTAINER record reports.
#[repr(transparent)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct ContainerOp(pub u32);

impl ContainerOp {
    /// A slot was given to a new cgroup.
    pub const CREATED: Self = Self(1);
    /// The first exec of the container's own.
    pub const LIVE: Self = Self(2);
    /// The last of its cgroups was removed.
    pub const GONE: Self = Self(3);
    /// A labelled task moved to a cgroup outside its container.
    pub const LEFT: Self = Self(4);
}

/// SIGNAL: to a process outside the container.
#[repr(C)]
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct SignalEvent {
    pub header: EventHeader,
    /// 0: only whether it may be sent.
    pub signal: u32,
    /// Initial pid namespace; 0: not known.
    pub target_tgid: u32,
    /// Container of the target; 0 with `target_tgid` set: the host.
    pub target_slot: u32,
    pub reserved: u32,
    /// Lineage entry of the target's image; 0: not known.
    pub target_exec_id: u64,
}
const _: () = assert!(size_of::<SignalEvent>() == 176);

/// What a CREDENTIALS record reports.
#[repr(transparent)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct CredentialsOp(pub u32);

impl CredentialsOp {
    /// setuid(2) and its relatives.
    pub const SETUID: Self = Self(1);
    /// capset(2). `before` and `after`: effective capabilities.
    pub const CAPSET: Self = Self(2);
    /// An ambient capability. `after`: its bit.
    pub const AMBIENT: Self = Self(3);
}

/// CREDENTIALS.
#[repr(C)]
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct CredentialsEvent {
    pub header: EventHeader,
    pub op: CredentialsOp,
    /// Effective uids in the initial user namespace; [`CredentialsEvent::UNKNOWN`] where it is not known.
    pub old_uid: u32,
    pub new_uid: u32,
    pub reserved: u32,
    /// Bits of capabilities; 0 where they are not known.
    pub before: u64,
    pub after: u64,
}
const _: () = assert!(size_of::<CredentialsEvent>() == 184);

impl CredentialsEvent {
    /// Of a uid.
    pub const UNKNOWN: u32 = u32::MAX;
}

/// CAPABLE: a capability was asked for.
#[repr(C)]
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct CapableEvent {
    pub header: EventHeader,
    /// `CAP_*` number.
    pub capability: u32,
    /// User namespace in which it is wanted.
    pub user_ns: u32,
}
const _: () = assert!(size_of::<CapableEvent>() == 160);
