//! Disks and files of the host.

use super::{EXT4, READ, WRITE, python};
use crate::container::MountPoint;
use crate::detect::Severity;
use crate::detect::testing::{Scene, file, image_file, open, scene};
use crate::event::{FileFlags, FileObject};
use crate::host::HostDisk;

fn with_disk() -> Scene {
    let mut scene = python();
    let disk = |dev, mount_point: &str| HostDisk {
        dev,
        source: "/dev/sda1".into(),
        mount_point: mount_point.into(),
        fstype: "ext4".into(),
    };
    scene.host.disks = vec![disk((8 << 20) | 1, "/"), disk((8 << 20) | 17, "/var")];
    scene
}

#[test]
fn a_disk_is_known_by_its_number() {
    let device = |rdev| FileObject {
        mode: 0o060_660,
        rdev,
        ..image_file()
    };
    for rdev in [(8 << 20) | 1, 8 << 20] {
        let findings = with_disk().inspect(open(device(rdev), "/tmp/innocent", "", READ));
        assert_eq!(
            (findings[0].rule.id, findings[0].severity),
            ("escape.host_disk_open", Severity::Critical)
        );
    }
    let findings = with_disk().inspect(open(device(259 << 20), "/dev/x", "", READ));
    assert_eq!(
        (findings[0].rule.id, findings[0].severity),
        ("escape.host_disk_open", Severity::High)
    );
    assert!(
        with_disk()
            .rules(open(device(7 << 20), "/dev/loop0", "", WRITE))
            .is_empty()
    );
}

#[test]
fn sensitive_files_of_the_host_are_known_by_the_host_s_path() {
    let on = |dev| FileObject {
        dev,
        flags: FileFlags::BIND_MOUNT,
        ..file(EXT4)
    };
    let (root, var) = ((8 << 20) | 1, (8 << 20) | 17);
    let cases = [
        (root, "/host/etc/shadow", "/etc/shadow"),
        (root, "/x", "/etc/cron.d/job"),
        (root, "/x", "/root/.ssh/authorized_keys"),
        (root, "/x", "/etc/ld.so.preload"),
        (root, "/x", "/etc/kubernetes/manifests/pod.yaml"),
        (var, "/v/spool", "/spool/cron/root"),
        (5, "/x", "/@rootfs/etc/passwd"),
    ];
    for (dev, path, fs_path) in cases {
        assert_eq!(
            with_disk().rules(open(on(dev), path, fs_path, WRITE)),
            ["escape.host_file_write"],
            "{fs_path}"
        );
        assert!(
            with_disk().rules(open(on(dev), path, fs_path, READ)).is_empty(),
            "{fs_path}"
        );
    }
    for (dev, fs_path) in [
        (root, "/srv/data/etc/passwd"),
        (root, "/var/lib/docker/containers/1/hosts"),
        (var, "/lib/docker/volumes/v/_data/etc/shadow"),
        (root, "/var/lib/kubelet/pods/1/volumes/x"),
        (root, "/etc/passwords"),
    ] {
        assert!(
            with_disk().rules(open(on(dev), "/x", fs_path, WRITE)).is_empty(),
            "{fs_path}"
        );
    }
    // The image's own files.
    assert!(
        with_disk()
            .rules(open(image_file(), "/etc/passwd", "/etc/passwd", WRITE))
            .is_empty()
    );
}

#[test]
fn a_host_whose_root_is_an_overlay_is_known_by_the_runtime_s_mounts() {
    let mut scene = python();
    scene.known.mounts = vec![MountPoint {
        source: "/etc".into(),
        destination: "/host".into(),
        writable: true,
        bind: true,
    }];
    assert_eq!(
        scene.rules(open(image_file(), "/host/shadow", "", WRITE)),
        ["escape.host_file_write"]
    );
    assert!(scene.rules(open(image_file(), "/hosts", "", WRITE)).is_empty());
}

#[test]
fn the_runtime_s_program_is_not_written() {
    let runc = FileObject {
        mode: 0o100_755,
        ..file(EXT4)
    };
    assert_eq!(
        python().rules(open(runc, "/proc/self/exe", "/usr/bin/runc", WRITE)),
        ["escape.runtime_binary"]
    );
    assert_eq!(
        python().rules(open(runc, "/usr/bin/containerd-shim-runc-v2", "", WRITE)),
        ["escape.runtime_binary"]
    );
    let own = FileObject {
        mode: 0o100_755,
        ..image_file()
    };
    assert!(
        python()
            .rules(open(own, "/usr/bin/runc", "/usr/bin/runc", WRITE))
            .is_empty()
    );
    assert!(python().rules(open(runc, "/usr/bin/runc", "", READ)).is_empty());
}

#[test]
fn a_host_s_overlay_is_not_the_container_s() {
    let of_host = FileObject {
        dev: 33,
        ..image_file()
    };
    let written = |scene: Scene| {
        let mut scene = scene;
        scene.rules(open(of_host, "/host/usr/bin/runc", "/usr/bin/runc", WRITE))
    };
    assert_eq!(written(python()), ["escape.runtime_binary"]);
    let mut by_its_own_tools = python().below(&["/app/server"]);
    by_its_own_tools.exe.file = of_host;
    assert_eq!(written(by_its_own_tools), ["escape.runtime_binary"]);
    assert!(
        written(scene("docker:27-dind", "/usr/local/bin/dockerd")).is_empty(),
        "an image with a runc in it"
    );
    let mut unknown = python();
    unknown.exe.file = file(EXT4);
    assert!(written(unknown).is_empty(), "nothing tells whose overlay it is");
}
