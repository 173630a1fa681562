//! Ways out by names, roots, namespaces and system calls.

use super::{EXT4, READ, SDA, mount, python, raise};
use crate::alert::Alert;
use crate::container::MountPoint;
use crate::detect::testing::{Scene, file, image_file, open, socket};
use crate::event::{
    Call, CallName, Credentials, CredentialsOp, Directory, Exec, FileObject, MountOp, Name, Namespaces,
    Payload, Setns,
};
use crate::host::HostDisk;

pub(super) fn escape(rule: &str) -> Option<Alert> {
    let rule = rule.strip_prefix("escape.")?;
    by_name(rule)
        .or_else(|| by_namespace(rule))
        .or_else(|| by_call(rule))
}

fn by_name(rule: &str) -> Option<Alert> {
    let mut scene = sharing();
    let directory = |outside| Directory {
        file: file(EXT4),
        path: "/host".into(),
        fs_path: "/srv/share".into(),
        outside,
    };
    let payload = match rule {
        "device_node" => Payload::Mknod(name("/tmp/sda", "", 0o060_600)),
        "device_replaced" => Payload::Symlink(name("/proc/sys/kernel/core_pattern", "/dev/null", 0)),
        "outside_root" => Payload::Chdir(directory(true)),
        "host_chroot" => Payload::Chroot(directory(false)),
        "foreign_mount" => {
            let of_disk = FileObject {
                dev: SDA | 1,
                ..file(EXT4)
            };
            open(of_disk, "/etc/shadow", "", READ)
        }
        "host_symlink" => Payload::Symlink(name("/", "/host/log/x", 0)),
        "name_exchange" => Payload::Rename(Name {
            rename_flags: 2,
            ..name("/tmp/d", "/tmp/l", 0o040_755)
        }),
        "script_of_procfs" => {
            scene.exe.args = "/proc/self/exe\0/opt/s\0".into();
            Payload::Exec(Exec {
                filename: "/opt/s".into(),
                ..scene.exec()
            })
        }
        "filesystem_debugger" => return super::executed("/sbin/debugfs", &["debugfs", "/dev/sda1"]),
        _ => return None,
    };
    raise(&mut scene, payload)
}

/// With a folder of the host, and the host's disk known.
fn sharing() -> Scene {
    let mut scene = python();
    scene.known.mounts = vec![MountPoint {
        source: "/srv/share".into(),
        destination: "/host".into(),
        writable: true,
        bind: true,
    }];
    scene.host.disks = vec![HostDisk {
        dev: SDA | 1,
        source: "/dev/sda1".into(),
        mount_point: "/".into(),
        fstype: "ext4".into(),
    }];
    scene
}

fn name(path: &str, new_path: &str, mode: u16) -> Name {
    Name {
        file: FileObject {
            mode,
            rdev: SDA,
            ..image_file()
        },
        directory: FileObject::default(),
        rename_flags: 0,
        path: path.into(),
        new_path: new_path.into(),
        fs_path: "".into(),
    }
}

fn by_namespace(rule: &str) -> Option<Alert> {
    let mut scene = python();
    let unshared = Payload::Unshare(Setns {
        namespaces: Namespaces::default(),
        nstype: 0x1002_0000,
        host_mask: 0,
        gained_mask: 0,
    });
    if rule == "user_namespace" {
        return raise(&mut scene, unshared);
    }
    scene.inspect(unshared);
    let payload = match rule {
        "mount" => mount(MountOp::MOVE_MOUNT, "", "/mnt", "tmpfs"),
        "overlay_in_user_namespace" => mount(MountOp::MOUNT, "o", "/t/m", "overlay"),
        "filesystem_parameters" => Payload::Syscall(Call {
            call: CallName::FSCONFIG,
            args: [0, 1, 0, 0],
            text: "AAAA".into(),
        }),
        "netfilter_in_user_namespace" => socket(16, 3, 12),
        "became_root" => Payload::Credentials(Credentials {
            op: CredentialsOp::SETUID,
            old_uid: Some(1000),
            new_uid: Some(0),
            before: 0,
            after: 0,
        }),
        "unusual_socket" => socket(38, 5, 0),
        _ => return None,
    };
    raise(&mut scene, payload)
}

fn by_call(rule: &str) -> Option<Alert> {
    let (call, args, text) = match rule {
        "perf_event" => (CallName::PERF_EVENT_OPEN, [1, u64::MAX, 0, 0], ""),
        "userfaultfd" => (CallName::USERFAULTFD, [0; 4], ""),
        "opened_by_handle" => (CallName::OPEN_BY_HANDLE_AT, [3, 0, 0, 0], ""),
        "keyring" => (CallName::KEYCTL, [11, 0, 0, 0], ""),
        "io_ports" => (CallName::IOPL, [3, 0, 0, 0], ""),
        "kernel_control" => (CallName::KEXEC_LOAD, [0; 4], ""),
        "terminal_injection" => (CallName::IOCTL, [0, 0x5412, 0, 0], ""),
        "pipe_splice" => (CallName::SPLICE, [0, 0, 1, 0], "/etc/passwd"),
        "helper_started" => (
            CallName::USERMODEHELPER,
            [0; 4],
            "/var/lib/docker/overlay2/1/diff/x",
        ),
        _ => return None,
    };
    let call = Call {
        call,
        args,
        text: text.into(),
    };
    raise(&mut python(), Payload::Syscall(call))
}
