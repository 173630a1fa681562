//! Directories that change, and attributes of what stands in them.

use super::{fentry, lsm, syscalls, way};
use crate::kernel::backend::{Backend, Capability, Plan};
use agent_common::event::Trust;

pub(super) const PLANS: &[Plan] = &[
    Plan {
        capability: Capability::Unlink,
        ways: &[
            way(Backend::Lsm, Trust::RESOLVED, &[lsm("lsm_unlink", "path_unlink")]),
            way(
                Backend::Fentry,
                Trust::RESOLVED,
                &[fentry("fentry_unlink", "security_path_unlink")],
            ),
            way(
                Backend::Tracepoint,
                Trust::ARGUMENTS,
                &[
                    syscalls("exit_unlink", &["unlink"]),
                    syscalls("exit_unlinkat", &["unlinkat"]),
                ],
            ),
        ],
    },
    Plan {
        capability: Capability::Rename,
        ways: &[
            way(Backend::Lsm, Trust::RESOLVED, &[lsm("lsm_rename", "path_rename")]),
            way(
                Backend::Fentry,
                Trust::RESOLVED,
                &[fentry("fentry_rename", "security_path_rename")],
            ),
            way(
                Backend::Tracepoint,
                Trust::ARGUMENTS,
                &[
                    syscalls("exit_rename", &["rename"]),
                    syscalls("exit_renameat", &["renameat", "renameat2"]),
                ],
            ),
        ],
    },
];
