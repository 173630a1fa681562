//! Whose process it is, and what it executes and maps.

use super::seen;
use crate::kernel::backend::Capability;
use crate::kernel::coverage::Behaviour;
use crate::kernel::coverage::Sight::{Arguments, Racy, Resolved};

pub(super) const BEHAVIOURS: &[Behaviour] = &[
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
    seen(
        "mmap_exec",
        "an executable mapping of a file that is not in the image",
        Capability::Mmap,
        [Resolved, Resolved, Racy],
    ),
    seen(
        "mmap_anonymous",
        "anonymous memory, writable and executable",
        Capability::Mmap,
        [Resolved, Resolved, Racy],
    ),
    seen(
        "mprotect_exec",
        "memory made executable afterwards",
        Capability::Mmap,
        [Resolved, Resolved, Arguments],
    ),
];
