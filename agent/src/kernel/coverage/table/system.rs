//! The kernel itself.

use super::{only, seen};
use crate::kernel::backend::Capability;
use crate::kernel::coverage::Behaviour;
use crate::kernel::coverage::Sight::{Arguments, Racy, Resolved};

pub(super) const BEHAVIOURS: &[Behaviour] = &[
    seen(
        "module",
        "finit_module, attempts too",
        Capability::Module,
        [Resolved, Resolved, Racy],
    ),
    seen(
        "module_data",
        "init_module, attempts too",
        Capability::Module,
        [Resolved, Resolved, Arguments],
    ),
    seen(
        "module_removal",
        "delete_module, attempts too",
        Capability::Module,
        [Arguments; 3],
    ),
    only(
        &["lsm_module_request", "fentry_module_request", "module_request"],
        seen(
            "module_autoload",
            "a module that the kernel asks for, where it has modules",
            Capability::Module,
            [Resolved; 3],
        ),
    ),
    seen("bpf", "bpf(2)", Capability::Bpf, [Resolved, Resolved, Arguments]),
    seen(
        "calls",
        "calls that tell by themselves: perf_event_open, userfaultfd, keyctl, io_uring_setup, iopl, clock_settime, fsconfig, prctl(PR_SET_MM), setsockopt, …",
        Capability::Syscall,
        [Arguments; 3],
    ),
    seen(
        "thread_name",
        "a name of a thread of the kernel, by prctl",
        Capability::Syscall,
        [Resolved; 3],
    ),
    seen(
        "splice",
        "bytes of a file spliced into a pipe",
        Capability::Syscall,
        [Racy; 3],
    ),
    seen(
        "ioctl",
        "typing into a terminal (TIOCSTI), making a network interface (TUNSETIFF)",
        Capability::Ioctl,
        [Arguments; 3],
    ),
    only(
        &["netlink_consumed"],
        seen(
            "netlink",
            "netlink messages that configure",
            Capability::Syscall,
            [Resolved; 3],
        ),
    ),
    only(
        &["usermodehelper_queued"],
        seen(
            "usermodehelper",
            "a program that the kernel starts for a container",
            Capability::Syscall,
            [Resolved; 3],
        ),
    ),
];
