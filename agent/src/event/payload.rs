use super::{
    AttributeOp, CallName, ContainerOp, CredentialsOp, Dns, EventHeader, ExecId, FileObject, KernelString,
    MmapOp, ModuleOp, MountOp, Namespaces, PtraceOp, RecordFlags, SlotKey, SocketAddress,
};
use agent_common::mode::{FMODE_CREATED, FMODE_READ, FMODE_WRITE};

/// A decoded record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawEvent {
    pub header: EventHeader,
    pub payload: Payload,
}

impl RawEvent {
    /// Container of the acting task; `None` for the host.
    #[must_use]
    pub fn slot(&self) -> Option<SlotKey> {
        let EventHeader { slot, generation, .. } = self.header;
        (slot != agent_common::slot::NO_SLOT).then_some(SlotKey { slot, generation })
    }

    /// Lineage entry of the acting image.
    #[must_use]
    pub fn exec_id(&self) -> ExecId {
        ExecId(self.header.exec_id)
    }

    /// The peer that something is, or is about to be, sent to. connect(2) of a datagram socket sends nothing: resolvers sort
    /// addresses that way.
    #[must_use]
    pub fn contact(&self) -> Option<&Net> {
        match &self.payload {
            Payload::Connect(net) if net.is_connection() => Some(net),
            Payload::Send(net) => Some(net),
            _ => None,
        }
    }

    /// The listener that the image made. One that it found open was another's before, and was judged then.
    #[must_use]
    pub fn listener(&self) -> Option<&Net> {
        match &self.payload {
            Payload::Listen(net) if !self.header.flags.has(RecordFlags::INHERITED) => Some(net),
            _ => None,
        }
    }
}

/// What happened, by kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Payload {
    Exec(Exec),
    FileOpen(FileOpen),
    Bind(Net),
    Listen(Net),
    Connect(Net),
    Send(Net),
    UnixConnect(UnixConnect),
    Mount(Mount),
    Ptrace(Ptrace),
    Setns(Setns),
    Module(Module),
    Bpf(Bpf),
    Unlink(Name),
    Rename(Name),
    Container(Lifecycle),
    Chroot(Directory),
    Chdir(Directory),
    Mknod(Name),
    Link(Name),
    Symlink(Name),
    Setattr(Attribute),
    Mmap(Mapping),
    Socket(Socket),
    Capable(Capable),
    Signal(Signal),
    Credentials(Credentials),
    Syscall(Call),
    Receive(Received),
    UnixBind(UnixConnect),
    ExecAttempt(Attempt),
    Unshare(Setns),
    Dns(Dns),
}

/// A new image. Fields: see `agent_common::event::ExecEvent`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exec {
    pub parent: ExecId,
    pub file: FileObject,
    pub stdio: u32,
    pub stdio_peer: SocketAddress,
    pub path: KernelString,
    pub filename: KernelString,
    /// NUL-separated.
    pub args: KernelString,
    pub cwd: KernelString,
}

/// An open. Fields: see `agent_common::event::FileOpenEvent`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileOpen {
    pub file: FileObject,
    pub open_flags: u32,
    pub f_mode: u32,
    pub path: KernelString,
    pub fs_path: KernelString,
}

impl FileOpen {
    /// Opened for writing.
    #[must_use]
    pub fn writes(&self) -> bool {
        self.f_mode & FMODE_WRITE != 0
    }

    /// This open made the file: there was none.
    #[must_use]
    pub fn made(&self) -> bool {
        self.f_mode & FMODE_CREATED != 0
    }

    /// Opened for reading.
    #[must_use]
    pub fn reads(&self) -> bool {
        self.f_mode & FMODE_READ != 0
    }
}

/// A socket event. Fields: see `agent_common::event::NetEvent`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Net {
    pub local: SocketAddress,
    pub remote: SocketAddress,
    pub protocol: u16,
    pub socket_type: u16,
    pub backlog: u32,
}

impl Net {
    const SOCK_STREAM: u16 = 1;
    const SOCK_SEQPACKET: u16 = 5;

    /// Of a socket that connects, not one that sends single messages.
    #[must_use]
    pub fn is_connection(&self) -> bool {
        matches!(self.socket_type, Self::SOCK_STREAM | Self::SOCK_SEQPACKET)
    }
}

/// A connection to a unix socket. Fields: see `agent_common::event::UnixConnectEvent`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnixConnect {
    pub file: FileObject,
    pub peer_tgid: u32,
    pub peer_slot: u32,
    pub path: KernelString,
}

/// A mount. Fields: see `agent_common::event::MountEvent`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    pub op: MountOp,
    pub file: FileObject,
    pub mount_flags: u64,
    pub source: KernelString,
    pub target: KernelString,
    pub fstype: KernelString,
}

/// Access to another process. Fields: see `agent_common::event::PtraceEvent`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ptrace {
    pub op: PtraceOp,
    pub request: u32,
    pub target_tgid: u32,
    pub target_slot: u32,
    pub target: ExecId,
}

/// Entry into namespaces. Fields: see `agent_common::event::SetnsEvent`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setns {
    pub namespaces: Namespaces,
    pub nstype: u32,
    pub host_mask: u32,
    pub gained_mask: u32,
}

/// A kernel module. Fields: see `agent_common::event::ModuleEvent`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Module {
    pub op: ModuleOp,
    pub file: FileObject,
    pub path: KernelString,
}

/// A bpf(2) command. Fields: see `agent_common::event::BpfEvent`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bpf {
    pub cmd: u32,
    pub subtype: u32,
}

/// A directory changes. Fields: see `agent_common::event::NameEvent`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name {
    pub file: FileObject,
    pub directory: FileObject,
    pub rename_flags: u32,
    pub path: KernelString,
    pub new_path: KernelString,
    pub fs_path: KernelString,
}

/// A new root or working directory. Fields: see `agent_common::event::DirectoryEvent`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directory {
    pub file: FileObject,
    pub path: KernelString,
    pub fs_path: KernelString,
    pub outside: bool,
}

/// Attributes of a file change. Fields: see `agent_common::event::AttributeEvent`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attribute {
    pub op: AttributeOp,
    pub file: FileObject,
    pub value: u64,
    pub path: KernelString,
    pub fs_path: KernelString,
    pub name: KernelString,
}

/// Memory that may be executed. Fields: see `agent_common::event::MmapEvent`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mapping {
    pub op: MmapOp,
    pub file: FileObject,
    pub prot: u32,
    pub map_flags: u32,
    pub path: KernelString,
    pub fs_path: KernelString,
}

/// A socket is made. Fields: see `agent_common::event::SocketEvent`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Socket {
    pub family: u16,
    pub socket_type: u16,
    pub protocol: u32,
}

/// A socket from another process. Fields: see `agent_common::event::ReceiveEvent`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    pub file: FileObject,
    pub local: SocketAddress,
    pub remote: SocketAddress,
    pub family: u16,
    pub socket_type: u16,
    pub protocol: u16,
    pub state: u16,
    pub net_ns: u32,
}

/// A capability is used. Fields: see `agent_common::event::CapableEvent`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Capable {
    pub capability: u32,
    pub user_ns: u32,
}

impl Capable {
    /// `CAP_CHOWN`; the number where it has no name here.
    #[must_use]
    pub fn name(&self) -> String {
        let known = caps::all();
        let named = known
            .into_iter()
            .find(|known| u32::from(known.index()) == self.capability);
        named.map_or_else(|| self.capability.to_string(), |named| named.to_string())
    }
}

/// A signal. Fields: see `agent_common::event::SignalEvent`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signal {
    pub signal: u32,
    pub target_tgid: u32,
    pub target_slot: u32,
    pub target: ExecId,
}

/// Credentials change. Fields: see `agent_common::event::CredentialsEvent`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    pub op: CredentialsOp,
    /// `None`: not known.
    pub old_uid: Option<u32>,
    pub new_uid: Option<u32>,
    pub before: u64,
    pub after: u64,
}

/// A system call that tells by itself. Fields: see `agent_common::event::SyscallEvent`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    pub call: CallName,
    pub args: [u64; 4],
    pub text: KernelString,
}

/// An exec that was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// What was asked for; absolute as far as its directory is known.
    pub path: KernelString,
}

/// A container comes, lives, goes. Fields: see `agent_common::event::ContainerEvent`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lifecycle {
    pub op: ContainerOp,
    pub slot_flags: u32,
    pub id: KernelString,
    pub cgroup: KernelString,
}
