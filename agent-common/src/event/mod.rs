//! Ring records. Each begins with an [`EventHeader`]; a fixed part of its kind follows; strings stand in
//! the tail and are referred to by [`StrRef`]. Numbers are in the CPU's byte order.

mod file;
mod kind;
mod net;
mod process;
mod syscall;

pub use file::{
    AttemptEvent, AttributeEvent, AttributeOp, DirectoryEvent, FileFlags, FileObject, FileOpenEvent,
    MmapEvent, MmapOp, MountEvent, MountOp, NameEvent, UnixConnectEvent,
};
pub use kind::{EventKind, RecordFlags, Trust};
pub use net::{DnsEvent, NetEvent, ReceiveEvent, SocketAddress, SocketEvent};
pub use process::{
    BpfEvent, CapableEvent, ContainerEvent, ContainerOp, CredentialsEvent, CredentialsOp, ExecEvent,
    ModuleEvent, ModuleOp, Namespaces, PtraceEvent, PtraceOp, SetnsEvent, SignalEvent, StdioFlags,
};
pub use syscall::{CallName, SyscallEvent};

use crate::behaviour::BehaviourKey;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// A string in the record's tail: bytes `off..off + len` of the record, counted from its first byte.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct StrRef {
    pub off: u16,
    /// Length in bytes without a terminator; the top bit ([`StrRef::TRUNCATED`]) says that it was cut.
    pub len: u16,
}

impl StrRef {
    /// Bit of `len`: the original was longer.
    pub const TRUNCATED: u16 = 0x8000;
}

/// Head of every record.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct EventHeader {
    /// Boot clock.
    pub time_boot_ns: u64,
    /// Lineage entry of the acting image; for EXEC the new image's; 0: not known.
    pub exec_id: u64,
    /// Start of the thread-group leader, boot clock. With `tgid` it names the process.
    pub start_boot_ns: u64,
    /// Id of the task's cgroup in the hierarchy that names containers.
    pub cgroup_id: u64,
    /// Effective capabilities.
    pub cap_effective: u64,
    /// Length of the whole record in bytes, tail included.
    pub len: u16,
    pub kind: EventKind,
    pub flags: RecordFlags,
    /// Container's slot; 0: the host.
    pub slot: u32,
    pub generation: u32,
    /// Process and thread in the initial pid namespace.
    pub tgid: u32,
    pub tid: u32,
    /// Process id in its innermost pid namespace.
    pub ns_tgid: u32,
    /// Effective uid in the initial user namespace.
    pub uid: u32,
    /// Inode numbers of the task's namespaces.
    pub mnt_ns: u32,
    pub pid_ns: u32,
    pub net_ns: u32,
    /// What the kernel returned: 0 or a result, negative errno; 0 where the hook runs before the result.
    pub ret: i32,
    /// Name of the thread, NUL-padded. Never proof of anything.
    pub comm: [u8; 16],
    /// Key of the behaviour in the kernel's cache: forgetting it there lets the behaviour leave again.
    /// Zero for records that are no behaviour (CONTAINER).
    pub behaviour: BehaviourKey,
}
const _: () = assert!(size_of::<EventHeader>() == 152);
