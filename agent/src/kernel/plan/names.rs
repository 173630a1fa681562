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
    Plan {
        capability: Capability::Setattr,
        ways: &[
            way(
                Backend::Lsm,
                Trust::RESOLVED,
                &[
                    lsm("lsm_chmod", "path_chmod"),
                    lsm("lsm_setxattr", "inode_setxattr"),
                    syscalls("exit_truncate", &["truncate"]),
                    syscalls("exit_utimensat", &["utimensat"]),
                    syscalls("exit_utimes", &["utime", "utimes"]),
                ],
            ),
            way(
                Backend::Fentry,
                Trust::RESOLVED,
                &[
                    fentry("fentry_chmod", "security_path_chmod"),
                    fentry("fentry_setxattr", "security_inode_setxattr"),
                    syscalls("exit_truncate", &["truncate"]),
                    syscalls("exit_utimensat", &["utimensat"]),
                    syscalls("exit_utimes", &["utime", "utimes"]),
                ],
            ),
            way(
                Backend::Tracepoint,
                Trust::ARGUMENTS,
                &[
                    syscalls("exit_chmod", &["chmod"]),
                    syscalls("exit_fchmod", &["fchmod"]),
                    syscalls("exit_fchmodat", &["fchmodat", "fchmodat2"]),
                    syscalls("exit_setxattr", &["setxattr", "lsetxattr"]),
                    syscalls("exit_fsetxattr", &["fsetxattr"]),
                    syscalls("exit_setxattrat", &["setxattrat"]),
                    syscalls("exit_truncate", &["truncate"]),
                    syscalls("exit_utimensat", &["utimensat"]),
                    syscalls("exit_utimes", &["utime", "utimes"]),
                ],
            ),
        ],
    },
];
