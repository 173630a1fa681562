//! The behaviours. What is refused before a hook on objects is seen at the call's return, with every backend.

use super::Sight::{Arguments, Blind, Racy, Resolved};
use super::{Behaviour, Sight};
use crate::kernel::backend::Capability;

/// The same on every kernel.
const fn seen(
    name: &'static str,
    what: &'static str,
    capability: Capability,
    sight: [Sight; 3],
) -> Behaviour {
    Behaviour {
        name,
        what,
        capability,
        natively: None,
        sight,
    }
}

/// By tracepoints it is another capability's.
const fn natively(capability: Capability, behaviour: Behaviour) -> Behaviour {
    Behaviour {
        natively: Some(capability),
        ..behaviour
    }
}

/// Everything that the sensor claims to see, and what it does not.
pub const BEHAVIOURS: &[Behaviour] = &[
    // identity
    seen(
        "container_start",
        "the first exec of a container",
        Capability::Identity,
        [Resolved; 3],
    ),
    seen(
        "container_exec",
        "docker exec, nsenter: an arrival by attach",
        Capability::Identity,
        [Resolved; 3],
    ),
    seen(
        "leave_cgroup",
        "moving to a cgroup outside the container",
        Capability::Identity,
        [Resolved; 3],
    ),
    seen(
        "clone_into_cgroup",
        "a child born in another cgroup",
        Capability::Identity,
        [Resolved; 3],
    ),
    // images and memory
    seen(
        "exec",
        "execve, execveat, fexecve",
        Capability::Exec,
        [Resolved; 3],
    ),
    seen(
        "exec_memfd",
        "execution of an anonymous memory file",
        Capability::Exec,
        [Resolved; 3],
    ),
    seen(
        "exec_script",
        "a script: its interpreter's file and its own name",
        Capability::Exec,
        [Resolved; 3],
    ),
    seen(
        "exec_refused",
        "an exec that the kernel refuses, on a noexec mount say",
        Capability::ExecAttempt,
        [Arguments; 3],
    ),
    // files
    seen(
        "open",
        "open, openat, openat2, creat",
        Capability::FileOpen,
        [Resolved, Resolved, Racy],
    ),
    seen(
        "open_by_handle",
        "open_by_handle_at",
        Capability::FileOpen,
        [Resolved, Resolved, Racy],
    ),
    natively(
        Capability::IoUring,
        seen(
            "open_io_uring",
            "open by a ring",
            Capability::FileOpen,
            [Resolved, Resolved, Arguments],
        ),
    ),
    seen(
        "open_refused",
        "an open for writing that the kernel refuses",
        Capability::FileOpen,
        [Arguments; 3],
    ),
    seen(
        "unlink",
        "unlink, unlinkat",
        Capability::Unlink,
        [Resolved, Resolved, Arguments],
    ),
    seen(
        "rename",
        "rename, renameat, renameat2",
        Capability::Rename,
        [Resolved, Resolved, Arguments],
    ),
    seen(
        "chmod_setid",
        "a set-user-ID or set-group-ID bit",
        Capability::Setattr,
        [Resolved, Resolved, Arguments],
    ),
    seen(
        "setxattr",
        "security.* and trusted.* attributes, file capabilities among them",
        Capability::Setattr,
        [Resolved, Resolved, Arguments],
    ),
    seen(
        "utimes",
        "times of the caller's choice",
        Capability::Setattr,
        [Arguments; 3],
    ),
    seen("setflags", "inode flags (chattr)", Capability::Setattr, [Racy; 3]),
    seen(
        "truncate",
        "truncate by name",
        Capability::Setattr,
        [Arguments; 3],
    ),
    seen("chroot", "chroot", Capability::Chroot, [Resolved; 3]),
    seen(
        "chdir_outside",
        "a working directory outside the root",
        Capability::Chroot,
        [Resolved; 3],
    ),
    // mounts
    seen(
        "mount",
        "mount in all its forms",
        Capability::Mount,
        [Resolved, Resolved, Arguments],
    ),
    seen(
        "mount_api",
        "fsopen, fsmount, move_mount",
        Capability::Mount,
        [Resolved, Resolved, Racy],
    ),
    seen(
        "open_tree",
        "a detached copy of a mount",
        Capability::Mount,
        [Arguments; 3],
    ),
    seen(
        "umount",
        "umount",
        Capability::Mount,
        [Resolved, Resolved, Arguments],
    ),
    seen(
        "pivot_root",
        "pivot_root",
        Capability::Mount,
        [Resolved, Resolved, Arguments],
    ),
    // sockets
    seen(
        "bind",
        "bind of an internet socket",
        Capability::Bind,
        [Resolved, Resolved, Racy],
    ),
    seen(
        "listen",
        "listen on a bound socket",
        Capability::Listen,
        [Resolved; 3],
    ),
    seen(
        "listen_unbound",
        "listen that chooses the port",
        Capability::Listen,
        [Resolved, Resolved, Racy],
    ),
    seen(
        "listen_io_uring",
        "listen by a ring",
        Capability::Listen,
        [Resolved; 3],
    ),
    seen(
        "connect",
        "TCP connect, attempts too",
        Capability::Connect,
        [Resolved; 3],
    ),
    seen(
        "connect_fast_open",
        "TCP Fast Open",
        Capability::Connect,
        [Resolved; 3],
    ),
    seen(
        "connect_io_uring",
        "TCP connect by a ring",
        Capability::Connect,
        [Resolved; 3],
    ),
    seen("send", "UDP to a named address", Capability::Send, [Resolved; 3]),
    seen(
        "unix_connect",
        "a stream connection to a unix socket",
        Capability::UnixConnect,
        [Resolved, Resolved, Racy],
    ),
    // processes
    seen(
        "ptrace",
        "ptrace attach and seize",
        Capability::Ptrace,
        [Resolved, Resolved, Racy],
    ),
    seen(
        "process_vm",
        "process_vm_readv, process_vm_writev",
        Capability::Ptrace,
        [Resolved, Resolved, Racy],
    ),
    seen(
        "pidfd_getfd",
        "a descriptor of another process",
        Capability::Ptrace,
        [Resolved, Resolved, Racy],
    ),
    seen(
        "proc_access",
        "/proc/PID/mem, /proc/PID/ns and the like, by its access check",
        Capability::Ptrace,
        [Resolved, Resolved, Blind],
    ),
    seen(
        "setns",
        "setns by descriptor and by pidfd",
        Capability::Setns,
        [Resolved; 3],
    ),
    // the kernel
    seen(
        "module",
        "loading and removing modules, attempts too",
        Capability::Module,
        [Resolved, Resolved, Racy],
    ),
    seen(
        "module_autoload",
        "a module that the kernel asks for",
        Capability::Module,
        [Resolved, Resolved, Blind],
    ),
    seen("bpf", "bpf(2)", Capability::Bpf, [Resolved, Resolved, Arguments]),
    seen(
        "ioctl",
        "typing into a terminal (TIOCSTI), making a network interface (TUNSETIFF)",
        Capability::Ioctl,
        [Arguments; 3],
    ),
];
