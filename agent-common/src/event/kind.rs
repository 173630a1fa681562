use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Kind of a record. Numbers are never reused.
#[repr(transparent)]
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
pub struct EventKind(pub u16);

impl EventKind {
    pub const EXEC: Self = Self(1);
    pub const FILE_OPEN: Self = Self(2);
    pub const BIND: Self = Self(3);
    pub const LISTEN: Self = Self(4);
    pub const CONNECT: Self = Self(5);
    pub const SEND: Self = Self(6);
    pub const UNIX_CONNECT: Self = Self(7);
    pub const MOUNT: Self = Self(8);
    pub const PTRACE: Self = Self(9);
    pub const SETNS: Self = Self(10);
    pub const MODULE: Self = Self(11);
    pub const BPF: Self = Self(12);
    pub const UNLINK: Self = Self(13);
    pub const RENAME: Self = Self(14);
    /// Container lifecycle: made, live, gone.
    pub const CONTAINER: Self = Self(15);
    /// chroot(2).
    pub const CHROOT: Self = Self(16);
    /// The working directory is outside the task's root now.
    pub const CHDIR: Self = Self(17);
    pub const MKNOD: Self = Self(18);
    pub const LINK: Self = Self(19);
    pub const SYMLINK: Self = Self(20);
    /// Mode, times, flags or extended attributes of a file.
    pub const SETATTR: Self = Self(21);
    /// Memory that may be executed: of a file that is not in the image, or of none.
    pub const MMAP: Self = Self(22);
    /// A socket of an unusual family or type is made.
    pub const SOCKET: Self = Self(23);
    /// A capability is used.
    pub const CAPABLE: Self = Self(24);
    /// A signal to a process outside the container.
    pub const SIGNAL: Self = Self(25);
    /// Users and capabilities of the task change without an exec.
    pub const CREDENTIALS: Self = Self(26);
    /// A system call that tells by itself: it has no object.
    pub const SYSCALL: Self = Self(27);
    /// A socket comes from another process.
    pub const RECEIVE: Self = Self(28);
    pub const UNIX_BIND: Self = Self(29);
    /// An exec that the kernel refused.
    pub const EXEC_ATTEMPT: Self = Self(30);
    /// New namespaces, by unshare(2) or clone(2).
    pub const UNSHARE: Self = Self(31);
    /// A question to a name server, or its answer.
    pub const DNS: Self = Self(32);
    /// No event: a program on bpf(2) answers the daemon. The reader of the rings takes it out, and no books hold it.
    pub const HEARTBEAT: Self = Self(u16::MAX);

    /// Every kind with its name in metrics, `agent watch` and evidence.
    pub const ALL: [(Self, &'static str); 32] = [
        (Self::EXEC, "exec"),
        (Self::FILE_OPEN, "file_open"),
        (Self::BIND, "bind"),
        (Self::LISTEN, "listen"),
        (Self::CONNECT, "connect"),
        (Self::SEND, "send"),
        (Self::UNIX_CONNECT, "unix_connect"),
        (Self::MOUNT, "mount"),
        (Self::PTRACE, "ptrace"),
        (Self::SETNS, "setns"),
        (Self::MODULE, "module"),
        (Self::BPF, "bpf"),
        (Self::UNLINK, "unlink"),
        (Self::RENAME, "rename"),
        (Self::CONTAINER, "container"),
        (Self::CHROOT, "chroot"),
        (Self::CHDIR, "chdir"),
        (Self::MKNOD, "mknod"),
        (Self::LINK, "link"),
        (Self::SYMLINK, "symlink"),
        (Self::SETATTR, "setattr"),
        (Self::MMAP, "mmap"),
        (Self::SOCKET, "socket"),
        (Self::CAPABLE, "capable"),
        (Self::SIGNAL, "signal"),
        (Self::CREDENTIALS, "credentials"),
        (Self::SYSCALL, "syscall"),
        (Self::RECEIVE, "receive"),
        (Self::UNIX_BIND, "unix_bind"),
        (Self::EXEC_ATTEMPT, "exec_attempt"),
        (Self::UNSHARE, "unshare"),
        (Self::DNS, "dns"),
    ];

    /// Name of the kind; `unknown` for numbers this version does not know.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::ALL
            .iter()
            .find(|(kind, _)| *kind == self)
            .map_or("unknown", |(_, name)| name)
    }
}

/// Bits of a record.
#[repr(transparent)]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct RecordFlags(pub u32);

impl RecordFlags {
    /// A universal rule applies: sent over the urgent ring.
    pub const DEVIATION: u32 = 1;
    /// The task's root is not its mount namespace's: a chroot.
    pub const CHROOTED: u32 = 1 << 1;
    /// See [`crate::slot::TaskFlags::EXEC_SESSION`].
    pub const EXEC_SESSION: u32 = 1 << 2;
    /// A 32-bit system call on a 64-bit kernel.
    pub const COMPAT: u32 = 1 << 3;
    /// Done by io_uring on behalf of the task.
    pub const IO_URING: u32 = 1 << 4;
    /// A repeat, sent because the container is watched.
    pub const REPEAT: u32 = 1 << 5;
    /// Records of this container were lost during the last seconds.
    pub const LOSSY: u32 = 1 << 6;
    /// Shift of the two bits that hold the [`Trust`].
    pub const TRUST_SHIFT: u32 = 8;
    /// Shift of the two bits that hold the backend: 0 tracepoint, 1 fentry, 2 lsm, 3 cgroup.
    pub const BACKEND_SHIFT: u32 = 10;
    /// LISTEN: the executable did not make the listener, it found it open.
    pub const INHERITED: u32 = 1 << 12;
    /// The container's policy was asked, and knows nothing of this.
    pub const OUTSIDE_POLICY: u32 = 1 << 13;
    /// It was refused for that: the call returned `EPERM`.
    pub const DENIED: u32 = 1 << 14;
    /// The process was ended for that.
    pub const KILLED: u32 = 1 << 15;
    /// A repeat, sent because it completes a [`crate::behaviour::Burst`].
    pub const BURST: u32 = 1 << 16;
    /// SOCKET: it is there already, and is given an address.
    pub const BINDS: u32 = 1 << 17;
    /// SOCKET: it is there already, and connects.
    pub const CONNECTS: u32 = 1 << 18;

    /// [`Self::BACKEND_SHIFT`]'s number for a cgroup program that is asked before the deed.
    pub const CGROUP_BACKEND: u32 = 3;

    /// True when all bits of `mask` are set.
    #[must_use]
    pub const fn has(self, mask: u32) -> bool {
        self.0 & mask == mask
    }

    /// How far the record's object can be trusted.
    #[must_use]
    pub const fn trust(self) -> Trust {
        Trust((self.0 >> Self::TRUST_SHIFT) & 3)
    }

    /// Which kind of hook made the record.
    #[must_use]
    pub const fn backend(self) -> &'static str {
        match (self.0 >> Self::BACKEND_SHIFT) & 3 {
            0 => "tracepoint",
            1 => "fentry",
            2 => "lsm",
            _ => "cgroup",
        }
    }
}

/// How far the object of a record can be trusted.
#[repr(transparent)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trust(pub u32);

impl Trust {
    /// The kernel's own object.
    pub const RESOLVED: Self = Self(0);
    /// The descriptor was resolved when the system call returned; a sibling thread may have swapped it.
    pub const RACY: Self = Self(1);
    /// The system call's arguments only (failed attempts, names of what is gone).
    pub const ARGUMENTS: Self = Self(2);

    /// Name in evidence and in `agent check`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::RESOLVED => "resolved",
            Self::RACY => "racy",
            Self::ARGUMENTS => "arguments",
            _ => "unknown",
        }
    }
}
