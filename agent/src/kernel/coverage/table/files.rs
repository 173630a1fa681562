//! Files and mounts.

use super::{natively, seen};
use crate::kernel::backend::Capability;
use crate::kernel::coverage::Behaviour;
use crate::kernel::coverage::Sight::{Arguments, Racy, Resolved};

pub(super) const BEHAVIOURS: &[Behaviour] = &[
    seen(
        "open",
        "open, openat, openat2, creat",
        Capability::FileOpen,
        [Resolved, Resolved, Racy],
    ),
    seen(
        "open_by_handle",
        "open_by_handle_at",
        Capability::FileOpen,
        [Resolved, Resolved, Racy],
    ),
    natively(
        Capability::IoUring,
        seen(
            "open_io_uring",
            "open by a ring",
            Capability::FileOpen,
            [Resolved, Resolved, Arguments],
        ),
    ),
    seen(
        "open_refused",
        "an open for writing that the kernel refuses",
        Capability::FileOpen,
        [Arguments; 3],
    ),
    seen(
        "unlink",
        "unlink, unlinkat",
        Capability::Unlink,
        [Resolved, Resolved, Arguments],
    ),
    natively(
        Capability::IoUring,
        seen(
            "unlink_io_uring",
            "unlinkat by a ring",
            Capability::Unlink,
            [Resolved, Resolved, Arguments],
        ),
    ),
    seen(
        "rename",
        "rename, renameat, renameat2",
        Capability::Rename,
        [Resolved, Resolved, Arguments],
    ),
    natively(
        Capability::IoUring,
        seen(
            "rename_io_uring",
            "renameat by a ring",
            Capability::Rename,
            [Resolved, Resolved, Arguments],
        ),
    ),
    seen(
        "link",
        "link, linkat",
        Capability::Create,
        [Resolved, Resolved, Arguments],
    ),
    seen(
        "symlink",
        "symlink, symlinkat",
        Capability::Create,
        [Resolved, Resolved, Arguments],
    ),
    natively(
        Capability::IoUring,
        seen(
            "link_io_uring",
            "linkat and symlinkat by a ring",
            Capability::Create,
            [Resolved, Resolved, Arguments],
        ),
    ),
    seen(
        "mknod",
        "a device node or FIFO is made",
        Capability::Create,
        [Resolved, Resolved, Arguments],
    ),
    seen(
        "mknod_refused",
        "a device node that the kernel refuses to make",
        Capability::Create,
        [Resolved, Resolved, Arguments],
    ),
    seen(
        "chmod_setid",
        "a set-user-ID or set-group-ID bit, by name",
        Capability::Setattr,
        [Resolved, Resolved, Arguments],
    ),
    seen(
        "fchmod_setid",
        "such a bit by a descriptor",
        Capability::Setattr,
        [Resolved, Resolved, Racy],
    ),
    seen(
        "setxattr",
        "security.* and trusted.* attributes, file capabilities among them",
        Capability::Setattr,
        [Resolved, Resolved, Arguments],
    ),
    natively(
        Capability::IoUring,
        seen(
            "setxattr_io_uring",
            "such an attribute by a ring",
            Capability::Setattr,
            [Resolved, Resolved, Arguments],
        ),
    ),
    seen(
        "utimes",
        "times of the caller's choice, by name",
        Capability::Setattr,
        [Arguments; 3],
    ),
    seen(
        "futimens",
        "such times by a descriptor",
        Capability::Setattr,
        [Racy; 3],
    ),
    seen("setflags", "inode flags (chattr)", Capability::Ioctl, [Racy; 3]),
    seen(
        "truncate",
        "truncate by name",
        Capability::Setattr,
        [Arguments; 3],
    ),
    seen(
        "ftruncate",
        "truncate by a descriptor",
        Capability::Setattr,
        [Racy; 3],
    ),
    seen("chroot", "chroot", Capability::Chroot, [Resolved; 3]),
    seen(
        "chdir_outside",
        "a working directory outside the root",
        Capability::Chroot,
        [Resolved; 3],
    ),
    seen(
        "mount",
        "mount in all its forms",
        Capability::Mount,
        [Resolved, Resolved, Arguments],
    ),
    seen(
        "mount_api",
        "fsopen, fsconfig, fsmount",
        Capability::Mount,
        [Resolved, Resolved, Racy],
    ),
    seen(
        "move_mount",
        "a mount is attached, or moved",
        Capability::Mount,
        [Resolved, Resolved, Arguments],
    ),
    seen(
        "open_tree",
        "a detached copy of a mount",
        Capability::Mount,
        [Arguments; 3],
    ),
    seen(
        "mount_setattr",
        "attributes of a mount",
        Capability::Mount,
        [Arguments; 3],
    ),
    seen(
        "umount",
        "umount",
        Capability::Mount,
        [Resolved, Resolved, Arguments],
    ),
    seen(
        "pivot_root",
        "pivot_root",
        Capability::Mount,
        [Resolved, Resolved, Arguments],
    ),
];
