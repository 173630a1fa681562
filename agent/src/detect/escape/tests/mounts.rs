//! Mounts that a container makes.

use super::python;
use crate::detect::testing::scene;
use crate::event::{FileObject, Mount, MountOp, Payload};

fn mount(op: MountOp, source: &str, target: &str, fstype: &str, mount_flags: u64) -> Payload {
    Payload::Mount(Mount {
        op,
        file: FileObject::default(),
        mount_flags,
        source: source.into(),
        target: target.into(),
        fstype: fstype.into(),
    })
}

#[test]
fn mounts_that_lead_out() {
    let rules = |payload| python().rules(payload);
    assert_eq!(
        rules(mount(MountOp::MOUNT, "/tmp/d", "/mnt", "ext4", 0)),
        ["escape.host_disk_mount"]
    );
    assert_eq!(
        rules(mount(MountOp::FSMOUNT, "/dev/sda1", "", "xfs", 0)),
        ["escape.host_disk_mount"]
    );
    assert_eq!(
        rules(mount(MountOp::MOUNT, "none", "/tmp/cg", "cgroup", 0)),
        ["escape.sensitive_mount"]
    );
    assert_eq!(
        rules(mount(MountOp::MOUNT, "none", "/tmp/b", "binfmt_misc", 0)),
        ["escape.sensitive_mount"]
    );
    assert_eq!(
        rules(mount(MountOp::MOUNT, "proc", "/tmp/p", "proc", 0)),
        ["escape.sensitive_mount"]
    );
    assert_eq!(
        rules(mount(MountOp::MOUNT, "", "/proc/sys", "", 0x20)),
        ["escape.mask_removed"]
    );
    assert_eq!(
        rules(mount(MountOp::UMOUNT, "", "/proc/kcore", "", 0)),
        ["escape.mask_removed"]
    );
    assert_eq!(
        rules(mount(MountOp::MOUNT, "/x", "/proc/self/attr", "", 0x1000)),
        ["escape.mask_removed"]
    );
    assert_eq!(
        rules(mount(MountOp::PIVOT_ROOT, "", "/mnt", "", 0)),
        ["escape.pivot_root"]
    );
    for benign in [
        mount(MountOp::MOUNT, "", "/", "", 1 << 18),
        mount(MountOp::MOUNT, "", "/proc/sys", "", 0x21),
        mount(MountOp::UMOUNT, "", "/mnt", "", 0),
    ] {
        assert!(rules(benign.clone()).is_empty(), "{benign:?}");
    }
    let mut sandbox = scene("chromium", "/usr/bin/unshare").below(&["/bin/sh"]);
    sandbox.ns_tgid = 1;
    assert!(
        sandbox
            .rules(mount(MountOp::MOUNT, "proc", "/proc", "proc", 0))
            .is_empty()
    );
}
