//! Directories that change, and attributes of what stands in them.

use super::{fentry, lsm, syscalls, way};
use crate::kernel::backend::{Backend, Capability, Hook, Plan};
use agent_common::event::Trust;

// What no hook on objects tells.
const TRUNCATE: Hook = syscalls("exit_truncate", &["truncate", "truncate64"]);
const FTRUNCATE: Hook = syscalls("exit_ftruncate", &["ftruncate", "ftruncate64"]);
const UTIMENSAT: Hook = syscalls("exit_utimensat", &["utimensat", "utimensat_time64"]);
const UTIMES: Hook = syscalls("exit_utimes", &["utime", "utimes"]);
const FUTIMESAT: Hook = syscalls("exit_futimesat", &["futimesat"]);
const FILE_SETATTR: Hook = syscalls("exit_file_setattr", &["file_setattr"]);

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
    // Kernels before 5.19 do not tell the flags.
    Plan {
        capability: Capability::Rename,
        ways: &[
            way(Backend::Lsm, Trust::RESOLVED, &[lsm("lsm_rename", "path_rename")]),
            way(
                Backend::Lsm,
                Trust::RESOLVED,
                &[lsm("lsm_rename_flagless", "path_rename")],
            ),
            way(
                Backend::Fentry,
                Trust::RESOLVED,
                &[fentry("fentry_rename", "security_path_rename")],
            ),
            way(
                Backend::Fentry,
                Trust::RESOLVED,
                &[fentry("fentry_rename_flagless", "security_path_rename")],
            ),
            way(
                Backend::Tracepoint,
                Trust::ARGUMENTS,
                &[
                    syscalls("exit_rename", &["rename"]),
                    syscalls("exit_renameat", &["renameat"]),
                    syscalls("exit_renameat2", &["renameat2"]),
                ],
            ),
        ],
    },
    Plan {
        capability: Capability::Create,
        ways: &[
            way(
                Backend::Lsm,
                Trust::RESOLVED,
                &[
                    lsm("lsm_link", "path_link"),
                    lsm("lsm_symlink", "path_symlink"),
                    lsm("lsm_mknod", "path_mknod"),
                ],
            ),
            way(
                Backend::Fentry,
                Trust::RESOLVED,
                &[
                    fentry("fentry_link", "security_path_link"),
                    fentry("fentry_symlink", "security_path_symlink"),
                    fentry("fentry_mknod", "security_path_mknod"),
                ],
            ),
            way(
                Backend::Tracepoint,
                Trust::ARGUMENTS,
                &[
                    syscalls("exit_link", &["link"]),
                    syscalls("exit_linkat", &["linkat"]),
                    syscalls("exit_symlink", &["symlink"]),
                    syscalls("exit_symlinkat", &["symlinkat"]),
                    syscalls("exit_mknod", &["mknod"]),
                    syscalls("exit_mknodat", &["mknodat"]),
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
                    TRUNCATE,
                    FTRUNCATE,
                    UTIMENSAT,
                    UTIMES,
                    FUTIMESAT,
                    FILE_SETATTR,
                ],
            ),
            way(
                Backend::Fentry,
                Trust::RESOLVED,
                &[
                    fentry("fentry_chmod", "security_path_chmod"),
                    fentry("fentry_setxattr", "security_inode_setxattr"),
                    TRUNCATE,
                    FTRUNCATE,
                    UTIMENSAT,
                    UTIMES,
                    FUTIMESAT,
                    FILE_SETATTR,
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
                    TRUNCATE,
                    FTRUNCATE,
                    UTIMENSAT,
                    UTIMES,
                    FUTIMESAT,
                    FILE_SETATTR,
                ],
            ),
        ],
    },
];
