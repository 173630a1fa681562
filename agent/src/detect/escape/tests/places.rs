//! Names, roots and nodes that lead to the host.

use super::{EXT4, READ};
use crate::container::MountPoint;
use crate::detect::Severity;
use crate::detect::testing::{Scene, file, image_file, open, scene};
use crate::event::{Directory, Exec, FileObject, Name, Payload, RecordFlags};
use crate::host::HostDisk;

const DISK: u32 = (8 << 20) | 1;
const DIRECTORY: u16 = 0o040_755;
const LINK: u16 = 0o120_777;

/// With a folder of the host at `/host`, and the host's disk known.
fn python() -> Scene {
    let mut scene = super::python();
    scene.known.mounts = vec![MountPoint {
        source: "/srv/share".into(),
        destination: "/host".into(),
        writable: true,
        bind: true,
    }];
    scene.host.disks = vec![HostDisk {
        dev: DISK,
        source: "/dev/sda1".into(),
        mount_point: "/".into(),
        fstype: "ext4".into(),
    }];
    scene
}

fn worst(scene: &mut Scene, payload: Payload) -> Option<(&'static str, Severity)> {
    let found = scene.inspect(payload).into_iter().next()?;
    found
        .rule
        .id
        .strip_prefix("escape.")
        .map(|rule| (rule, found.severity))
}

fn found(payload: Payload) -> Option<(&'static str, Severity)> {
    worst(&mut python(), payload)
}

fn name(file: FileObject, path: &str, new_path: &str) -> Name {
    Name {
        file,
        directory: FileObject::default(),
        rename_flags: 0,
        path: path.into(),
        new_path: new_path.into(),
        fs_path: "".into(),
    }
}

fn node(mode: u16, major: u32, minor: u32) -> Name {
    let file = FileObject {
        mode,
        rdev: major << 20 | minor,
        ..FileObject::default()
    };
    name(file, "/tmp/innocent", "")
}

#[test]
fn a_node_of_a_disk_or_of_memory_is_found_by_its_number() {
    let critical = Some(("device_node", Severity::Critical));
    for (mode, major, minor) in [(0o060_600, 259, 9999), (0o060_600, 8, 0), (0o020_600, 1, 1)] {
        assert_eq!(
            found(Payload::Mknod(node(mode, major, minor))),
            critical,
            "{major}"
        );
    }
    for (mode, major, minor) in [
        (0o020_666, 1, 3),
        (0o020_666, 5, 0),
        (0o060_600, 7, 0),
        (0o010_600, 0, 0),
    ] {
        assert_eq!(
            found(Payload::Mknod(node(mode, major, minor))),
            None,
            "{major}:{minor}"
        );
    }
    let mut refused = python();
    refused.ret = -1;
    let high = Some(("device_node", Severity::High));
    assert_eq!(worst(&mut refused, Payload::Mknod(node(0o060_600, 8, 0))), high);
}

#[test]
fn device_files_of_the_container_stay_what_they_are() {
    let critical = Some(("device_replaced", Severity::Critical));
    let file = image_file();
    for payload in [
        Payload::Rename(name(file, "/dev/null", "/dev/null.o")),
        Payload::Rename(name(file, "/tmp/x", "/dev/null")),
        Payload::Symlink(name(file, "/proc/sys/kernel/core_pattern", "/dev/null")),
        Payload::Symlink(name(file, "/proc/sysrq-trigger", "/dev/console")),
        Payload::Link(name(file, "/tmp/x", "/dev/ptmx")),
        Payload::Unlink(name(file, "/dev/zero", "")),
    ] {
        assert_eq!(found(payload.clone()), critical, "{payload:?}");
    }
    for path in ["/dev/stdout", "/srv/root/dev/null", "/dev/shm/null"] {
        assert_eq!(
            found(Payload::Symlink(name(file, "/proc/self/fd/1", path))),
            None,
            "{path}"
        );
    }
    let mut builder = python();
    builder.flags = RecordFlags(RecordFlags::CHROOTED);
    assert_eq!(
        worst(&mut builder, Payload::Unlink(name(file, "/dev/null", ""))),
        None
    );
}

#[test]
fn links_out_of_a_folder_of_the_host() {
    let link = |target: &str, path: &str| found(Payload::Symlink(name(FileObject::default(), target, path)));
    let high = Some(("host_symlink", Severity::High));
    for target in ["/", "//", "/etc/shadow", "/root", "../../../../etc"] {
        assert_eq!(link(target, "/host/var/log/x"), high, "{target}");
    }
    for (target, path) in [
        ("current.log", "/host/latest"),
        ("../app/x", "/host/bin/x"),
        ("/usr/bin/python3", "/host/venv/bin/python"),
        ("/", "/srv/x"),
        ("/etcetera", "/host/x"),
    ] {
        assert_eq!(link(target, path), None, "{target} {path}");
    }
}

#[test]
fn what_is_laid_out_like_a_root_on_a_mount_of_the_host_is_one() {
    let critical = Some(("host_file_write", Severity::Critical));
    let file = image_file();
    let moved = |path: &str| Payload::Rename(name(file, "/tmp/x", path));
    assert_eq!(found(moved("/host/etc/kubernetes/manifests/c.yaml")), critical);
    assert_eq!(
        found(Payload::Link(name(file, "/tmp/x", "/host/etc/cron.d/x"))),
        critical
    );
    let written = open(
        crate::detect::testing::file(EXT4),
        "/host/etc/cron.d/x",
        "/srv/share/etc/cron.d/x",
        2,
    );
    assert_eq!(found(written), critical);
    assert_eq!(found(moved("/host/data/etc/cron.d/x")), None);
    assert_eq!(found(moved("/hostile/etc/cron.d/x")), None);
    let mut builder = python().below(&["/usr/bin/dpkg"]);
    assert_eq!(worst(&mut builder, moved("/host/etc/cron.d/x")), None);
}

#[test]
fn names_that_change_places() {
    let exchange = |mode: u16, flags: u32| {
        let file = FileObject { mode, ..image_file() };
        Payload::Rename(Name {
            rename_flags: flags,
            ..name(file, "/tmp/v/d", "/tmp/v/l")
        })
    };
    let high = Some(("name_exchange", Severity::High));
    assert_eq!(found(exchange(DIRECTORY, 2)), high);
    assert_eq!(found(exchange(LINK, 2)), high);
    assert_eq!(found(exchange(0, 2)), high, "nobody knows what it is");
    assert_eq!(found(exchange(0o100_644, 2)), None, "two files");
    assert_eq!(found(exchange(DIRECTORY, 0)), None, "an ordinary rename");
    let mut ostree = scene("acme/os", "/usr/bin/ostree");
    assert_eq!(worst(&mut ostree, exchange(DIRECTORY, 2)), None);
}

fn directory(path: &str, file: FileObject, outside: bool) -> Directory {
    Directory {
        file,
        path: path.into(),
        fs_path: "".into(),
        outside,
    }
}

#[test]
fn whoever_leaves_his_root_is_found() {
    let critical = Some(("outside_root", Severity::Critical));
    let own = image_file();
    assert_eq!(
        found(Payload::Chdir(directory("/usr/share", own, true))),
        critical
    );
    assert_eq!(found(Payload::Chroot(directory("/", own, true))), critical);
    assert_eq!(found(Payload::Chdir(directory("/usr/share", own, false))), None);
    assert_eq!(
        found(Payload::Chroot(directory("/var/empty", own, false))),
        None,
        "a jail of its own"
    );
    let mut refused = python();
    refused.ret = -1;
    assert_eq!(
        worst(&mut refused, Payload::Chroot(directory("/", own, true))),
        None
    );
}

#[test]
fn a_folder_of_the_host_is_no_root() {
    let chroot = |path: &str, file| found(Payload::Chroot(directory(path, file, false)));
    let critical = Some(("host_chroot", Severity::Critical));
    assert_eq!(chroot("/host", file(EXT4)), critical);
    assert_eq!(chroot("/host/inner", file(EXT4)), critical);
    assert_eq!(
        chroot("/host", image_file()),
        critical,
        "the host's root is an overlay"
    );
    assert_eq!(chroot("/srv/jail", file(EXT4)), None);
    assert_eq!(chroot("/host", file(0x0102_1994)), None, "memory");
}

#[test]
fn a_file_that_no_mount_of_the_container_shows() {
    let of_disk = FileObject {
        dev: DISK,
        ..file(EXT4)
    };
    let critical = Some(("foreign_mount", Severity::Critical));
    assert_eq!(found(open(of_disk, "/etc/hostname", "", READ)), critical);
    assert_eq!(found(open(of_disk, "/var/lib/x", "", 2)), critical);
    assert_eq!(
        found(open(of_disk, "/host/x", "", READ)),
        None,
        "a mount shows it"
    );
    let bound = FileObject {
        flags: crate::event::FileFlags::BIND_MOUNT,
        ..of_disk
    };
    assert_eq!(
        found(open(bound, "/etc/hostname", "/var/lib/docker/1/hostname", READ)),
        None
    );
    assert_eq!(found(open(image_file(), "/etc/hostname", "", READ)), None);
    let mut plain = python();
    plain.exe.file.dev = DISK;
    assert_eq!(
        worst(&mut plain, open(of_disk, "/etc/hostname", "", READ)),
        None,
        "layers on that disk"
    );
}

#[test]
fn scripts_that_name_the_running_program() {
    let executed = |filename: &str, args: &str| {
        let mut scene = python();
        scene.exe.args = args.into();
        let exec = Exec {
            filename: filename.into(),
            ..scene.exec()
        };
        let rules = scene.rules(Payload::Exec(exec));
        rules.contains(&"escape.script_of_procfs")
    };
    assert!(executed("/opt/s", "/proc/self/exe\0/opt/s\0"));
    assert!(executed("/opt/s", "/proc/41/exe\0/opt/s\0"));
    assert!(!executed("/opt/s", "/usr/bin/python3\0/opt/s\0"));
    assert!(!executed("/usr/bin/python3", "/proc/self/exe\0-c\0"), "no script");
}

#[test]
fn tools_that_read_disks_by_their_blocks() {
    for exe in ["/sbin/debugfs", "/usr/sbin/xfs_db", "/tmp/dumpe2fs"] {
        let mut scene = scene("acme/app", exe);
        let exec = Payload::Exec(scene.exec());
        assert_eq!(
            worst(&mut scene, exec),
            Some(("filesystem_debugger", Severity::High)),
            "{exe}"
        );
    }
    let mut twin = scene("acme/app", "/usr/bin/df");
    let exec = Payload::Exec(twin.exec());
    assert_eq!(worst(&mut twin, exec), None);
}
