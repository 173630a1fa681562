//! Processes, their memory and namespaces.

use super::{fentry, lsm, syscalls, way};
use crate::kernel::backend::{Backend, Capability, Plan};
use agent_common::event::Trust;

pub(super) const PLANS: &[Plan] = &[
    Plan {
        capability: Capability::Ptrace,
        ways: &[
            way(
                Backend::Lsm,
                Trust::RESOLVED,
                &[lsm("lsm_ptrace", "ptrace_access_check")],
            ),
            way(
                Backend::Fentry,
                Trust::RESOLVED,
                &[fentry("fentry_ptrace", "security_ptrace_access_check")],
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
];
