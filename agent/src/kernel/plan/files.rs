//! Files and mounts.

use super::{fentry, lsm, syscalls, tracepoint, way};
use crate::kernel::backend::{Backend, Capability, Hook, Plan};
use agent_common::event::Trust;

/// Calls that open by name. open_by_handle_at(2) has none.
const OPENING: &[&str] = &["open", "openat", "openat2", "creat"];
/// It goes on with openat's handler.
const BY_HANDLE: Hook = syscalls("exit_open_by_handle", &["open_by_handle_at"]);

pub(super) const PLANS: &[Plan] = &[
    Plan {
        capability: Capability::FileOpen,
        ways: &[
            way(
                Backend::Lsm,
                Trust::RESOLVED,
                &[
                    lsm("lsm_file_open", "file_open"),
                    syscalls("refused_open", OPENING),
                    BY_HANDLE,
                ],
            ),
            way(
                Backend::Fentry,
                Trust::RESOLVED,
                &[
                    fentry("fentry_file_open", "security_file_open"),
                    syscalls("refused_open", OPENING),
                    BY_HANDLE,
                ],
            ),
            way(
                Backend::Tracepoint,
                Trust::RACY,
                &[syscalls("exit_open", OPENING), BY_HANDLE],
            ),
        ],
    },
    Plan {
        capability: Capability::Mount,
        ways: &[
            way(
                Backend::Lsm,
                Trust::RESOLVED,
                &[
                    lsm("lsm_sb_mount", "sb_mount"),
                    lsm("lsm_move_mount", "move_mount"),
                    lsm("lsm_sb_umount", "sb_umount"),
                    lsm("lsm_sb_pivotroot", "sb_pivotroot"),
                    lsm("lsm_sb_kern_mount", "sb_kern_mount"),
                    syscalls("exit_open_tree", &["open_tree", "open_tree_attr"]),
                    syscalls("exit_mount_setattr", &["mount_setattr"]),
                ],
            ),
            way(
                Backend::Fentry,
                Trust::RESOLVED,
                &[
                    fentry("fentry_sb_mount", "security_sb_mount"),
                    fentry("fentry_move_mount", "security_move_mount"),
                    fentry("fentry_sb_umount", "security_sb_umount"),
                    fentry("fentry_sb_pivotroot", "security_sb_pivotroot"),
                    fentry("fentry_sb_kern_mount", "security_sb_kern_mount"),
                    syscalls("exit_open_tree", &["open_tree", "open_tree_attr"]),
                    syscalls("exit_mount_setattr", &["mount_setattr"]),
                ],
            ),
            way(
                Backend::Tracepoint,
                Trust::ARGUMENTS,
                &[
                    syscalls("exit_mount", &["mount"]),
                    syscalls("exit_umount", &["umount2", "umount"]),
                    syscalls("exit_pivot_root", &["pivot_root"]),
                    syscalls("exit_move_mount", &["move_mount"]),
                    syscalls("exit_fsmount", &["fsmount"]),
                    syscalls("exit_open_tree", &["open_tree", "open_tree_attr"]),
                    syscalls("exit_mount_setattr", &["mount_setattr"]),
                ],
            ),
        ],
    },
    Plan {
        capability: Capability::ExecAttempt,
        ways: &[way(
            Backend::Tracepoint,
            Trust::ARGUMENTS,
            &[
                syscalls("refused_execve", &["execve"]),
                syscalls("refused_execveat", &["execveat"]),
            ],
        )],
    },
    Plan {
        capability: Capability::IoUring,
        // The tracepoint had another name before 6.3.
        ways: &[
            way(
                Backend::Tracepoint,
                Trust::ARGUMENTS,
                &[
                    tracepoint("io_uring_submit", "io_uring_submit_req"),
                    tracepoint("io_uring_unlink", "io_uring_submit_req"),
                    tracepoint("io_uring_rename", "io_uring_submit_req"),
                    tracepoint("io_uring_link", "io_uring_submit_req"),
                    tracepoint("io_uring_symlink", "io_uring_submit_req"),
                    tracepoint("io_uring_setxattr", "io_uring_submit_req"),
                    tracepoint("io_uring_fsetxattr", "io_uring_submit_req"),
                    tracepoint("io_uring_socket", "io_uring_submit_req"),
                    tracepoint("io_uring_bind", "io_uring_submit_req"),
                    tracepoint("io_uring_connect", "io_uring_submit_req"),
                    tracepoint("io_uring_receive", "io_uring_submit_req"),
                    tracepoint("io_uring_connected", "io_uring_complete"),
                    tracepoint("io_uring_received", "io_uring_complete"),
                ],
            ),
            way(
                Backend::Tracepoint,
                Trust::ARGUMENTS,
                &[
                    tracepoint("io_uring_submit", "io_uring_submit_sqe"),
                    tracepoint("io_uring_unlink", "io_uring_submit_sqe"),
                    tracepoint("io_uring_rename", "io_uring_submit_sqe"),
                    tracepoint("io_uring_link", "io_uring_submit_sqe"),
                    tracepoint("io_uring_symlink", "io_uring_submit_sqe"),
                    tracepoint("io_uring_setxattr", "io_uring_submit_sqe"),
                    tracepoint("io_uring_fsetxattr", "io_uring_submit_sqe"),
                    tracepoint("io_uring_socket", "io_uring_submit_sqe"),
                    tracepoint("io_uring_bind", "io_uring_submit_sqe"),
                    tracepoint("io_uring_connect", "io_uring_submit_sqe"),
                    tracepoint("io_uring_receive", "io_uring_submit_sqe"),
                    tracepoint("io_uring_connected", "io_uring_complete"),
                    tracepoint("io_uring_received", "io_uring_complete"),
                ],
            ),
        ],
    },
    Plan {
        capability: Capability::Chroot,
        ways: &[way(
            Backend::Tracepoint,
            Trust::RESOLVED,
            &[
                syscalls("exit_chroot", &["chroot"]),
                syscalls("exit_chdir", &["chdir", "fchdir"]),
            ],
        )],
    },
    Plan {
        capability: Capability::Ioctl,
        ways: &[way(
            Backend::Tracepoint,
            Trust::ARGUMENTS,
            &[syscalls("exit_ioctl", &["ioctl"])],
        )],
    },
];
