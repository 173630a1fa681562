//! Other processes, namespaces, and rights.

use super::{natively, seen};
use crate::kernel::backend::Capability;
use crate::kernel::coverage::Behaviour;
use crate::kernel::coverage::Sight::{Arguments, Racy, Resolved};

pub(super) const BEHAVIOURS: &[Behaviour] = &[
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
    natively(
        Capability::FileOpen,
        seen(
            "proc_access",
            "/proc/PID/mem, /proc/PID/environ and the like",
            Capability::Ptrace,
            [Resolved, Resolved, Racy],
        ),
    ),
    seen(
        "ptrace_changes",
        "ptrace that writes code, data or registers",
        Capability::Ptrace,
        [Racy; 3],
    ),
    seen("traceme", "PTRACE_TRACEME", Capability::Ptrace, [Arguments; 3]),
    seen(
        "setns",
        "setns by descriptor and by pidfd",
        Capability::Setns,
        [Resolved; 3],
    ),
    seen(
        "unshare",
        "new namespaces by unshare",
        Capability::Unshare,
        [Resolved; 3],
    ),
    seen(
        "clone_namespaces",
        "new namespaces by clone and clone3",
        Capability::Unshare,
        [Resolved; 3],
    ),
    seen(
        "signal",
        "a signal to another container or the host",
        Capability::Signal,
        [Resolved; 3],
    ),
    seen(
        "signal_probe",
        "signal 0",
        Capability::Signal,
        [Resolved, Resolved, Racy],
    ),
    seen(
        "signal_refused",
        "a signal that the kernel refuses",
        Capability::Signal,
        [Racy; 3],
    ),
    seen(
        "setuid",
        "becoming root without an exec",
        Capability::Credentials,
        [Resolved; 3],
    ),
    seen(
        "capset",
        "capabilities gained by capset; by tracepoints each that leaves any",
        Capability::Credentials,
        [Resolved; 3],
    ),
    seen(
        "credentials_refused",
        "setuid to root, capset: refused",
        Capability::Credentials,
        [Arguments; 3],
    ),
    seen(
        "ambient",
        "a capability that images will have, by prctl",
        Capability::Syscall,
        [Resolved; 3],
    ),
    seen(
        "capable",
        "use of a telling capability",
        Capability::Capable,
        [Resolved; 3],
    ),
];
