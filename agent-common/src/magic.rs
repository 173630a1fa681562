//! Filesystems by their superblocks' magic numbers (`statfs(2)`): what a file is, wherever it is mounted.

pub const BINFMT: u32 = 0x4249_4e4d;
pub const BPF: u32 = 0xcafe_4a11;
pub const CGROUP: u32 = 0x0027_e0eb;
pub const CGROUP2: u32 = 0x6367_7270;
pub const DEBUGFS: u32 = 0x6462_6720;
/// nsfs, whose files are namespaces.
pub const NAMESPACE: u32 = 0x6e73_6673;
pub const OVERLAY: u32 = 0x794c_7630;
pub const PROC: u32 = 0x9fa0;
pub const SECURITYFS: u32 = 0x7363_6673;
pub const SYSFS: u32 = 0x6265_6572;
pub const TMPFS: u32 = 0x0102_1994;
pub const TRACEFS: u32 = 0x7472_6163;

/// Those whose files are the kernel's controls.
#[must_use]
#[inline(always)]
pub const fn is_kernel_interface(magic: u32) -> bool {
    matches!(
        magic,
        PROC | SYSFS | CGROUP | CGROUP2 | DEBUGFS | TRACEFS | SECURITYFS | BPF | BINFMT | NAMESPACE
    )
}
