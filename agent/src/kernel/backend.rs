//! Capabilities of the sensor, and what a way to provide one is made of.

use agent_common::event::Trust;

/// How a capability is hooked. In the order of preference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Backend {
    Lsm,
    Fentry,
    Tracepoint,
}

impl Backend {
    /// Name in `agent check` and in evidence.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Lsm => "lsm",
            Self::Fentry => "fentry",
            Self::Tracepoint => "tracepoint",
        }
    }
}

/// Something that the sensor can see.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Capability {
    Identity,
    Exec,
    FileOpen,
    Bind,
    Listen,
    Connect,
    Send,
    Dns,
    UnixConnect,
    Mount,
    Ptrace,
    Setns,
    Module,
    Bpf,
    Unlink,
    Rename,
    Create,
    Chroot,
    Setattr,
    Mmap,
    Socket,
    Receive,
    Unshare,
    Credentials,
    Capable,
    Signal,
    ExecAttempt,
    Syscall,
    IoUring,
    Ioctl,
}

impl Capability {
    /// Without these the agent is not ready: it cannot tell containers apart, or misses what most rules look at.
    pub const REQUIRED: [Self; 3] = [Self::Identity, Self::Exec, Self::FileOpen];

    /// Name in `agent check`, metrics and alerts.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Exec => "exec",
            Self::FileOpen => "file_open",
            Self::Bind => "bind",
            Self::Listen => "listen",
            Self::Connect => "connect",
            Self::Send => "send",
            Self::Dns => "dns",
            Self::UnixConnect => "unix_connect",
            Self::Mount => "mount",
            Self::Ptrace => "ptrace",
            Self::Setns => "setns",
            Self::Module => "module",
            Self::Bpf => "bpf",
            Self::Unlink => "unlink",
            Self::Rename => "rename",
            Self::Create => "create",
            Self::Chroot => "chroot",
            Self::Setattr => "setattr",
            Self::Mmap => "mmap",
            Self::Socket => "socket",
            Self::Receive => "receive",
            Self::Unshare => "unshare",
            Self::Credentials => "credentials",
            Self::Capable => "capable",
            Self::Signal => "signal",
            Self::ExecAttempt => "exec_attempt",
            Self::Syscall => "syscall",
            Self::IoUring => "io_uring",
            Self::Ioctl => "ioctl",
        }
    }
}

/// Where a program goes.
#[derive(Debug, Clone, Copy)]
pub(super) enum Attach {
    /// `tp_btf`.
    Tracepoint(&'static str),
    /// The dispatcher's table, for these system calls.
    Syscalls(&'static [&'static str]),
    Lsm(&'static str),
    Fentry(&'static str),
    Fexit(&'static str),
    /// `cgroup_sock_addr`, `cgroup_skb` or `sock_ops` at the root of cgroup2.
    CgroupRoot,
    /// Another capability's, which attached it before.
    Shared,
}

/// A program of the object and its place.
#[derive(Debug, Clone, Copy)]
pub(super) struct Hook {
    pub(super) program: &'static str,
    pub(super) attach: Attach,
    pub(super) need: Need,
}

/// When a way is worth something without the hook.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Need {
    Never,
    /// Where the kernel refuses it.
    Refused,
    /// Where the kernel refuses it, or has no modules and asks for none.
    NoModules,
    /// Where the kernel refuses it, or hides which work starts programs.
    NoStarter,
}

/// One way to provide a capability: all its hooks, except those that it may do without, or none.
#[derive(Debug, Clone, Copy)]
pub(super) struct Way {
    pub(super) backend: Backend,
    pub(super) trust: Trust,
    pub(super) hooks: &'static [Hook],
    /// Only where nothing better than tracepoints loads: beside others its programs would report twice.
    pub(super) natively: bool,
}

/// A capability with its ways, best first.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plan {
    pub(super) capability: Capability,
    pub(super) ways: &'static [Way],
}
