//! Files through which the kernel is steered or read.

use super::{EXT4, READ, WRITE, python};
use crate::detect::testing::{file, image_file, open};
use crate::event::{FileObject, FileOpen, Payload, RecordFlags, Trust};
use agent_common::magic::{BINFMT, CGROUP, PROC, SYSFS};

fn opened(magic: u32, path: &str, fs_path: &str, f_mode: u32) -> Vec<&'static str> {
    python().rules(open(file(magic), path, fs_path, f_mode))
}

const STEERING: [(u32, &str, &str, &str); 19] = [
    (
        CGROUP,
        "/tmp/cg/release_agent",
        "/release_agent",
        "escape.release_agent",
    ),
    (
        CGROUP,
        "/sys/fs/cgroup/memory/release_agent",
        "/docker/1/release_agent",
        "escape.release_agent",
    ),
    (PROC, "/mnt/p/sys/vm/panic_on_oom", "", "escape.kernel_setting"),
    (CGROUP, "/x/notify_on_release", "", "escape.notify_on_release"),
    (
        CGROUP,
        "/tmp/cg/devices.allow",
        "/devices.allow",
        "escape.device_cgroup",
    ),
    (
        PROC,
        "/proc/sys/kernel/core_pattern",
        "/sys/kernel/core_pattern",
        "escape.core_pattern",
    ),
    (
        PROC,
        "/mnt/p/sys/kernel/core_pattern",
        "/sys/kernel/core_pattern",
        "escape.core_pattern",
    ),
    (
        PROC,
        "/tmp/innocent",
        "/sys/kernel/core_pattern",
        "escape.core_pattern",
    ),
    (PROC, "/core_pattern", "", "escape.core_pattern"),
    (PROC, "/proc/sys/kernel/hotplug", "", "escape.uevent_helper"),
    (
        SYSFS,
        "/tmp/s/kernel/uevent_helper",
        "/kernel/uevent_helper",
        "escape.uevent_helper",
    ),
    (BINFMT, "/tmp/b/register", "/register", "escape.binfmt_misc"),
    (
        BINFMT,
        "/proc/sys/fs/binfmt_misc/qemu-arm",
        "/qemu-arm",
        "escape.binfmt_misc",
    ),
    (PROC, "/proc/sysrq-trigger", "/sysrq-trigger", "escape.sysrq"),
    (PROC, "/p/sys/kernel/sysrq", "/sys/kernel/sysrq", "escape.sysrq"),
    (
        PROC,
        "/proc/sys/kernel/modprobe",
        "/sys/kernel/modprobe",
        "escape.kernel_helper",
    ),
    (
        PROC,
        "/p/bset",
        "/sys/kernel/usermodehelper/bset",
        "escape.kernel_helper",
    ),
    (
        PROC,
        "/proc/sys/kernel/threads-max",
        "/sys/kernel/threads-max",
        "escape.kernel_setting",
    ),
    (
        PROC,
        "/p/sys/vm/max_map_count",
        "/sys/vm/max_map_count",
        "escape.kernel_setting",
    ),
];

#[test]
fn files_that_steer_the_kernel_are_known_wherever_they_are_mounted() {
    for (magic, path, fs_path, rule) in STEERING {
        assert_eq!(opened(magic, path, fs_path, WRITE), [rule], "{path}");
        assert!(opened(magic, path, fs_path, READ).is_empty(), "reading {path}");
    }
}

#[test]
fn reading_the_kernel_s_memory_is_enough() {
    assert_eq!(
        opened(PROC, "/proc/kcore", "/kcore", READ),
        ["escape.kernel_memory"]
    );
    let memory = FileObject {
        mode: 0o020_600,
        rdev: (1 << 20) | 1,
        ..image_file()
    };
    assert_eq!(
        python().rules(open(memory, "/tmp/m", "", READ)),
        ["escape.kernel_memory"]
    );
    let null = FileObject {
        rdev: (1 << 20) | 3,
        ..memory
    };
    assert!(python().rules(open(null, "/dev/null", "", WRITE)).is_empty());
}

#[test]
fn what_belongs_to_the_container_is_no_escape() {
    for (magic, path, fs_path) in [
        (PROC, "/proc/sys/net/core/somaxconn", "/sys/net/core/somaxconn"),
        (PROC, "/proc/sys/kernel/shmmax", "/sys/kernel/shmmax"),
        (PROC, "/proc/self/oom_score_adj", "/7/oom_score_adj"),
        (CGROUP, "/sys/fs/cgroup/systemd/x/cgroup.procs", "/x/cgroup.procs"),
        (
            EXT4,
            "/data/core_pattern",
            "/var/lib/docker/volumes/v/_data/core_pattern",
        ),
        (
            EXT4,
            "/data/release_agent",
            "/var/lib/docker/volumes/v/_data/release_agent",
        ),
    ] {
        assert!(opened(magic, path, fs_path, WRITE).is_empty(), "{path}");
    }
}

#[test]
fn failed_attempts_are_known_by_what_was_asked_for() {
    let mut scene = python();
    scene.ret = -13;
    scene.flags = RecordFlags(Trust::ARGUMENTS.0 << RecordFlags::TRUST_SHIFT);
    let attempt = |path: &str, open_flags: u32| match open(FileObject::default(), path, "", 0) {
        Payload::FileOpen(open) => Payload::FileOpen(FileOpen { open_flags, ..open }),
        other => other,
    };
    assert_eq!(
        scene.rules(attempt("/sys/kernel/uevent_helper", 1)),
        ["escape.uevent_helper"]
    );
    assert_eq!(
        scene.rules(attempt("/proc/sys/kernel/core_pattern", 2)),
        ["escape.core_pattern"]
    );
    assert!(
        scene
            .rules(attempt("/proc/sys/kernel/core_pattern", 0))
            .is_empty()
    );
    assert_eq!(scene.rules(attempt("/proc/1/exe", 1)), ["escape.runtime_binary"]);
}
