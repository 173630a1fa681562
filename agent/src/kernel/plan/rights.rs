//! The kernel itself: modules, programs, rights.

use super::{fentry, lsm, syscalls, way};
use crate::kernel::backend::{Backend, Capability, Plan};
use agent_common::event::Trust;

pub(super) const PLANS: &[Plan] = &[
    Plan {
        capability: Capability::Module,
        ways: &[
            way(
                Backend::Lsm,
                Trust::RESOLVED,
                &[
                    lsm("lsm_module_file", "kernel_read_file"),
                    lsm("lsm_module_data", "kernel_load_data"),
                    lsm("lsm_module_request", "kernel_module_request"),
                    syscalls("refused_init_module", &["init_module"]),
                    syscalls("refused_finit_module", &["finit_module"]),
                    syscalls("exit_delete_module", &["delete_module"]),
                ],
            ),
            way(
                Backend::Fentry,
                Trust::RESOLVED,
                &[
                    fentry("fentry_module_file", "security_kernel_read_file"),
                    fentry("fentry_module_data", "security_kernel_load_data"),
                    fentry("fentry_module_request", "security_kernel_module_request"),
                    syscalls("refused_init_module", &["init_module"]),
                    syscalls("refused_finit_module", &["finit_module"]),
                    syscalls("exit_delete_module", &["delete_module"]),
                ],
            ),
            way(
                Backend::Tracepoint,
                Trust::RACY,
                &[
                    syscalls("exit_init_module", &["init_module"]),
                    syscalls("exit_finit_module", &["finit_module"]),
                    syscalls("exit_delete_module", &["delete_module"]),
                ],
            ),
        ],
    },
    Plan {
        capability: Capability::Bpf,
        ways: &[
            way(
                Backend::Lsm,
                Trust::RESOLVED,
                &[lsm("lsm_bpf", "bpf"), syscalls("refused_bpf", &["bpf"])],
            ),
            way(
                Backend::Fentry,
                Trust::RESOLVED,
                &[
                    fentry("fentry_bpf", "security_bpf"),
                    syscalls("refused_bpf", &["bpf"]),
                ],
            ),
            way(
                Backend::Tracepoint,
                Trust::ARGUMENTS,
                &[syscalls("exit_bpf", &["bpf"])],
            ),
        ],
    },
];
