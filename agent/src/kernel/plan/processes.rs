//! Processes, their memory and namespaces.

use super::{fentry, lsm, syscalls, tracepoint, way};
use crate::kernel::backend::{Backend, Capability, Plan};
use agent_common::event::Trust;

/// Calls that send a signal to the task of a number, their first argument.
const KILLING: &[&str] = &["kill", "tkill", "rt_sigqueueinfo"];
/// To a thread of a process: the number is their second.
const THREAD_KILLING: &[&str] = &["tgkill", "rt_tgsigqueueinfo"];

pub(super) const PLANS: &[Plan] = &[
    Plan {
        capability: Capability::Ptrace,
        ways: &[
            way(
                Backend::Lsm,
                Trust::RESOLVED,
                &[
                    lsm("lsm_ptrace", "ptrace_access_check"),
                    syscalls("exit_traced", &["ptrace"]),
                ],
            ),
            way(
                Backend::Fentry,
                Trust::RESOLVED,
                &[
                    fentry("fentry_ptrace", "security_ptrace_access_check"),
                    syscalls("exit_traced", &["ptrace"]),
                ],
            ),
            way(
                Backend::Tracepoint,
                Trust::RACY,
                &[
                    syscalls("exit_ptrace", &["ptrace"]),
                    syscalls("exit_process_vm_readv", &["process_vm_readv"]),
                    syscalls("exit_process_vm_writev", &["process_vm_writev"]),
                    syscalls("exit_pidfd_getfd", &["pidfd_getfd"]),
                ],
            ),
        ],
    },
    Plan {
        capability: Capability::Setns,
        ways: &[way(
            Backend::Tracepoint,
            Trust::RESOLVED,
            &[syscalls("exit_setns", &["setns"])],
        )],
    },
    Plan {
        capability: Capability::Mmap,
        ways: &[
            way(
                Backend::Lsm,
                Trust::RESOLVED,
                &[lsm("lsm_mmap", "mmap_file"), lsm("lsm_mprotect", "file_mprotect")],
            ),
            way(
                Backend::Fentry,
                Trust::RESOLVED,
                &[
                    fentry("fentry_mmap", "security_mmap_file"),
                    fentry("fentry_mprotect", "security_file_mprotect"),
                ],
            ),
            way(
                Backend::Tracepoint,
                Trust::RACY,
                &[
                    syscalls("exit_mmap", &["mmap"]),
                    syscalls("exit_mprotect", &["mprotect", "pkey_mprotect"]),
                ],
            ),
        ],
    },
    Plan {
        capability: Capability::Unshare,
        ways: &[way(
            Backend::Tracepoint,
            Trust::RESOLVED,
            &[
                syscalls("exit_unshare", &["unshare"]),
                tracepoint("born_in_namespaces", "sched_process_fork"),
            ],
        )],
    },
    Plan {
        capability: Capability::Signal,
        ways: &[
            way(
                Backend::Lsm,
                Trust::RESOLVED,
                &[
                    lsm("lsm_kill", "task_kill"),
                    syscalls("refused_kill", KILLING),
                    syscalls("refused_tgkill", THREAD_KILLING),
                    syscalls("refused_pidfd_signal", &["pidfd_send_signal"]),
                ],
            ),
            way(
                Backend::Fentry,
                Trust::RESOLVED,
                &[
                    fentry("fentry_kill", "security_task_kill"),
                    syscalls("refused_kill", KILLING),
                    syscalls("refused_tgkill", THREAD_KILLING),
                    syscalls("refused_pidfd_signal", &["pidfd_send_signal"]),
                ],
            ),
            way(
                Backend::Tracepoint,
                Trust::RESOLVED,
                &[
                    tracepoint("signal_generate", "signal_generate"),
                    syscalls("exit_kill", &["kill", "tkill"]),
                    syscalls("exit_tgkill", &["tgkill"]),
                    syscalls("exit_sigqueue", &["rt_sigqueueinfo"]),
                    syscalls("exit_tgsigqueue", &["rt_tgsigqueueinfo"]),
                    syscalls("exit_pidfd_signal", &["pidfd_send_signal"]),
                ],
            ),
        ],
    },
];
