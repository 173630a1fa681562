//! What is an escape beyond doubt, and is denied in every container where the configuration asks for it. Both sides know it from here: the
//! programs deny it, and a test of the daemon's holds that its rules call each of these high or critical.

/// Filesystems that steer the kernel, and that no container needs a second time.
pub const STEERING_FILESYSTEMS: [&str; 10] = [
    "cgroup",
    "binfmt_misc",
    "debugfs",
    "tracefs",
    "securityfs",
    "bpf",
    "devtmpfs",
    "configfs",
    "efivarfs",
    "pstore",
];

/// Filesystems on disks.
pub const DISK_FILESYSTEMS: [&str; 13] = [
    "ext2",
    "ext3",
    "ext4",
    "xfs",
    "btrfs",
    "vfat",
    "exfat",
    "ntfs3",
    "f2fs",
    "zfs",
    "iso9660",
    "jfs",
    "LVM2_member",
];

/// Files of procfs whose writer gives the host a program to start, or stops it.
pub const PROC_CONTROLS: [&str; 8] = [
    "core_pattern",
    "modprobe",
    "poweroff_cmd",
    "hotplug",
    "sysrq-trigger",
    "sysrq",
    "bset",
    "inheritable",
];

/// Files of sysfs of that kind.
pub const SYSFS_CONTROLS: [&str; 1] = ["uevent_helper"];

/// The same of cgroup v1, and what lets the container use further devices.
pub const CGROUP_CONTROLS: [&str; 2] = ["release_agent", "devices.allow"];

/// The kernel's memory as a file of procfs.
pub const KERNEL_MEMORY: &str = "kcore";

/// /dev/mem, /dev/kmem, /dev/port: major << 20 | minor.
pub const MEMORY_DEVICES: [u32; 3] = [(1 << 20) | 1, (1 << 20) | 2, (1 << 20) | 4];

/// Loop devices, CD-ROMs and RAM disks: no disk of the host is behind them by themselves.
pub const HARMLESS_MAJORS: [u32; 3] = [1, 7, 11];

/// Types of programs that see or change what others do, wherever they are: kprobe, tracepoint, `perf_event`, `raw_tracepoint` and its
/// writable kin, tracing, `struct_ops`, ext, lsm, syscall. Those of sockets, control groups and network devices are not among them.
pub const TELLING_PROGRAMS: [u32; 10] = [2, 5, 7, 17, 24, 26, 27, 28, 29, 31];

/// Commands of bpf(2).
pub const BPF_PROG_LOAD: u32 = 5;
/// Takes a map that somebody else made.
pub const BPF_MAP_GET_FD_BY_ID: u32 = 14;

/// The beginning of a filesystem type's name, as the programs compare it: zeroes behind its end.
pub type TypeName = [u64; 2];
/// Bytes of it that are compared: more than any of these names has.
pub const TYPE_NAME: usize = size_of::<TypeName>();

/// Of a name without its terminator.
#[must_use]
pub const fn type_name(name: &str) -> TypeName {
    let (bytes, mut words, mut index) = (name.as_bytes(), [0; 2], 0);
    while index < bytes.len() && index < TYPE_NAME {
        words[index / 8] |= (bytes[index] as u64) << (index % 8 * 8);
        index += 1;
    }
    words
}

/// Whether a mount of this type is denied by its name.
#[must_use]
#[inline(always)]
pub fn is_denied_type(name: TypeName) -> bool {
    const STEERING: [TypeName; 10] = type_names(STEERING_FILESYSTEMS);
    const DISKS: [TypeName; 13] = type_names(DISK_FILESYSTEMS);
    STEERING.contains(&name) || DISKS.contains(&name)
}

const fn type_names<const N: usize>(names: [&str; N]) -> [TypeName; N] {
    let (mut all, mut index) = ([[0; 2]; N], 0);
    while index < N {
        all[index] = type_name(names[index]);
        index += 1;
    }
    all
}

/// [`crate::name_hash`] of each.
#[must_use]
pub const fn name_hashes<const N: usize>(names: [&str; N]) -> [u64; N] {
    let (mut all, mut index) = ([0; N], 0);
    while index < N {
        all[index] = crate::name_hash(names[index].as_bytes());
        index += 1;
    }
    all
}

/// Whether the use of such a device is denied, by its number; `block`: of a disk, otherwise of a character device.
#[must_use]
#[inline(always)]
pub fn is_denied_device(block: bool, device: u32) -> bool {
    if block {
        !HARMLESS_MAJORS.contains(&(device >> 20))
    } else {
        MEMORY_DEVICES.contains(&device)
    }
}

/// Whether a call of bpf(2) is denied; `kind`: of a program that is loaded, its type.
#[must_use]
#[inline(always)]
pub fn is_denied_command(command: u32, kind: u32) -> bool {
    command == BPF_MAP_GET_FD_BY_ID || command == BPF_PROG_LOAD && TELLING_PROGRAMS.contains(&kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_told_apart_by_their_whole_names() {
        assert_eq!(type_name("bpf"), [u64::from_le_bytes(*b"bpf\0\0\0\0\0"), 0]);
        for name in STEERING_FILESYSTEMS.iter().chain(&DISK_FILESYSTEMS) {
            assert!(name.len() < TYPE_NAME, "{name} would be cut");
            assert!(is_denied_type(type_name(name)), "{name}");
        }
        for name in [
            "", "tmpfs", "overlay", "proc", "sysfs", "cgroup2", "mqueue", "devpts", "fuse", "ext", "ext44",
            "nfs",
        ] {
            assert!(!is_denied_type(type_name(name)), "{name}");
        }
    }

    #[test]
    fn disks_and_memory_are_no_other_devices() {
        let device = |major: u32, minor: u32| major << 20 | minor;
        assert!(is_denied_device(true, device(8, 1)) && is_denied_device(true, device(259, 0)));
        assert!(!is_denied_device(true, device(7, 0)), "a loop device");
        assert!(is_denied_device(false, device(1, 1)), "/dev/mem");
        for (major, minor) in [(1, 3), (1, 9), (5, 0), (10, 200), (136, 0), (8, 1)] {
            assert!(!is_denied_device(false, device(major, minor)), "{major}:{minor}");
        }
    }

    #[test]
    fn programs_of_sockets_and_control_groups_may_be_loaded() {
        const MAP_CREATE: u32 = 0;
        for kind in [1, 3, 6, 8, 9, 13, 14, 15, 16, 18, 20, 21, 25] {
            assert!(!is_denied_command(BPF_PROG_LOAD, kind), "{kind}");
        }
        assert!(is_denied_command(BPF_PROG_LOAD, 2) && is_denied_command(BPF_PROG_LOAD, 29));
        assert!(!is_denied_command(MAP_CREATE, 2), "a map of type 2");
    }
}
