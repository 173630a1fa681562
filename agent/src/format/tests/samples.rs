//! One alert per rule, raised by the detectors themselves.

mod credential;
mod drift;
mod escape;
mod network;
mod tampering;

use crate::alert::{Alert, AlertBuilder, AlertIds, Said};
use crate::container::{ContainerMetadata, Labels, MountPoint, Pod};
use crate::detect::testing::{Scene, called, connect, container, end, file, image_file, listen, open, scene};
use crate::detect::{Class, Finding, Rule, rules};
use crate::event::{
    Bpf, CallName, Capable, ContainerOp, ExecId, FileFlags, FileObject, Lifecycle, Module, ModuleOp, Mount,
    MountOp, Namespaces, Net, Payload, Ptrace, PtraceOp, Setns, UnixConnect,
};
use crate::host::HostDisk;
use std::sync::LazyLock;

const PROC: u32 = 0x9fa0;
const SYSFS: u32 = 0x6265_6572;
const CGROUP: u32 = 0x0027_e0eb;
const BINFMT: u32 = 0x4249_4e4d;
const EXT4: u32 = 0xef53;
const TMPFS: u32 = 0x0102_1994;
const READ: u32 = 1;
const WRITE: u32 = 2;
const SDA: u32 = 8 << 20;

/// Every rule's alert, in the order of the registry. An alert of a rule that has no sample is missing.
pub(super) fn samples() -> &'static [(&'static Rule, Alert)] {
    static SAMPLES: LazyLock<Vec<(&Rule, Alert)>> = LazyLock::new(make);
    &SAMPLES
}

fn make() -> Vec<(&'static Rule, Alert)> {
    rules()
        .filter_map(|rule| {
            let alert = match rule.class {
                Class::Escape => escape(rule.id).or_else(|| escape::escape(rule.id)),
                Class::Listener => listener(rule.id).or_else(|| network::network(rule.id)),
                Class::Lateral => lateral(rule.id).or_else(|| network::network(rule.id)),
                Class::Drift => drift(rule.id).or_else(|| drift::drift(rule.id)),
                Class::Credential => credential::credential(rule.id),
                Class::Tampering => tampering::tampering(rule.id),
                Class::Sensor => Some(sensor(rule)),
                _ => None,
            };
            Some((rule, alert?))
        })
        .collect()
}

fn builder() -> AlertBuilder {
    AlertBuilder::new(AlertIds::new(7))
}

/// The alert that `payload` raises.
fn raise(scene: &mut Scene, payload: Payload) -> Option<Alert> {
    let findings = scene.inspect(payload.clone());
    let event = scene.event(payload);
    scene.with_context(&event, |context| {
        builder().raise(context, findings, &mut Said::default())
    })
}

/// A container of a pod, with all that a runtime tells of one.
fn pod(exe: &str) -> Scene {
    let mut scene = scene("registry.example:5000/acme/app:1.2", exe).below(&["/bin/sh"]);
    scene.exe.args = format!("{exe}\0--option\0a=b c|d\\e\0").as_str().into();
    let labels = [("app", "shop"), ("app.kubernetes.io/name", "shop")];
    let digest = |digit: &str| Some(format!("sha256:{}", digit.repeat(64)));
    scene.known = ContainerMetadata {
        pod: Some(Pod {
            name: "web-0".into(),
            namespace: "shop".into(),
            uid: "7f1c1e4e-0000-4000-8000-000000000001".into(),
        }),
        labels: Labels::from(labels.map(|(key, value)| (key.to_owned(), value.to_owned()))),
        runtime: "containerd".into(),
        ..scene.known
    };
    scene.known.image.id = digest("a");
    scene.known.image.digest = digest("b");
    scene
}

fn python() -> Scene {
    pod("/usr/bin/python3")
}

fn escape(rule: &str) -> Option<Alert> {
    let mut scene = python();
    let steer = |magic, path: &str| open(file(magic), path, "", WRITE);
    let payload = match rule {
        "escape.release_agent" => steer(CGROUP, "/tmp/cg/release_agent"),
        "escape.notify_on_release" => steer(CGROUP, "/tmp/cg/notify_on_release"),
        "escape.device_cgroup" => steer(CGROUP, "/tmp/cg/devices.allow"),
        "escape.core_pattern" => steer(PROC, "/proc/sys/kernel/core_pattern"),
        "escape.uevent_helper" => steer(SYSFS, "/tmp/s/kernel/uevent_helper"),
        "escape.binfmt_misc" => steer(BINFMT, "/tmp/b/register"),
        "escape.sysrq" => steer(PROC, "/proc/sysrq-trigger"),
        "escape.kernel_helper" => steer(PROC, "/proc/sys/kernel/modprobe"),
        "escape.kernel_setting" => steer(PROC, "/proc/sys/kernel/threads-max"),
        "escape.kernel_memory" => steer(PROC, "/proc/kcore"),
        "escape.host_disk_open" | "escape.host_file_write" | "escape.runtime_binary" => {
            host_file(rule, &mut scene)
        }
        "escape.host_disk_mount" => mount(MountOp::MOUNT, "/dev/sda1", "/mnt", "ext4"),
        "escape.sensitive_mount" => mount(MountOp::MOUNT, "none", "/tmp/cg", "cgroup"),
        "escape.mask_removed" => mount(MountOp::UMOUNT, "", "/proc/kcore", ""),
        "escape.pivot_root" => mount(MountOp::PIVOT_ROOT, "", "/mnt", ""),
        "escape.runtime_socket" => Payload::UnixConnect(UnixConnect {
            file: FileObject::default(),
            peer_tgid: 99,
            peer_slot: 0,
            path: "/var/run/docker.sock".into(),
        }),
        _ => return escape_of_a_process(rule),
    };
    raise(&mut scene, payload)
}

/// Files whose place on the host decides.
fn host_file(rule: &str, scene: &mut Scene) -> Payload {
    scene.host.disks = vec![HostDisk {
        dev: SDA | 1,
        source: "/dev/sda1".into(),
        mount_point: "/".into(),
        fstype: "ext4".into(),
    }];
    match rule {
        "escape.host_disk_open" => {
            let disk = FileObject {
                mode: 0o060_660,
                rdev: SDA | 1,
                ..image_file()
            };
            open(disk, "/tmp/innocent", "", WRITE)
        }
        "escape.host_file_write" => {
            let shadow = FileObject {
                dev: SDA | 1,
                flags: FileFlags::BIND_MOUNT,
                ..file(EXT4)
            };
            open(shadow, "/host/etc/shadow", "/etc/shadow", WRITE)
        }
        _ => {
            let runc = FileObject {
                mode: 0o100_755,
                ..file(EXT4)
            };
            open(runc, "/proc/self/exe", "/usr/bin/runc", WRITE)
        }
    }
}

fn mount(op: MountOp, source: &str, target: &str, fstype: &str) -> Payload {
    Payload::Mount(Mount {
        op,
        file: FileObject::default(),
        mount_flags: 0,
        source: source.into(),
        target: target.into(),
        fstype: fstype.into(),
    })
}

fn escape_of_a_process(rule: &str) -> Option<Alert> {
    let module = |op| {
        Payload::Module(Module {
            op,
            file: FileObject::default(),
            path: "/tmp/rootkit.ko".into(),
        })
    };
    let payload = match rule {
        "escape.host_namespace" => Payload::Setns(Setns {
            namespaces: Namespaces::default(),
            nstype: 0,
            host_mask: 5,
            gained_mask: 5,
        }),
        "escape.cgroup_left" => Payload::Container(Lifecycle {
            op: ContainerOp::LEFT,
            slot_flags: 0,
            id: "x".into(),
            cgroup: "/".into(),
        }),
        "escape.module_load" => module(ModuleOp::FINIT),
        "escape.module_request" => module(ModuleOp::REQUEST),
        "escape.bpf" => Payload::Bpf(Bpf { cmd: 5, subtype: 1 }),
        "escape.foreign_process" => Payload::Ptrace(Ptrace {
            op: PtraceOp::PTRACE,
            request: 16,
            target_tgid: 50,
            target_slot: 0,
            target: ExecId(0),
        }),
        _ => return None,
    };
    raise(&mut python(), payload)
}

fn listener(rule: &str) -> Option<Alert> {
    let profile = "state: complete\nlisten: [{port: 80, exe: /usr/sbin/nginx}]";
    let (mut scene, address, port) = match rule {
        "listener.unexpected" => (python(), "0.0.0.0", 9000),
        "listener.unexpected_port" => (pod("/usr/sbin/nginx").with_profile(profile), "0.0.0.0", 8081),
        "listener.unexpected_executable" => (pod("/tmp/evil").with_profile(profile), "::", 80),
        "listener.shell_spawned" => (pod("/usr/bin/nc"), "0.0.0.0", 4444),
        "listener.sshd_in_container" => (pod("/usr/sbin/sshd"), "::", 22),
        "listener.web_server_in_database" => (scene("postgres:16", "/usr/sbin/nginx"), "0.0.0.0", 80),
        _ => return None,
    };
    raise(&mut scene, listen(address, port))
}

fn lateral(rule: &str) -> Option<Alert> {
    let mut scene = python();
    let known = ContainerMetadata {
        addresses: vec!["172.17.0.3".parse().unwrap()],
        ..ContainerMetadata::default()
    };
    scene.others = vec![container(2, "cache", known)];
    scene.host.kubernetes_api = vec!["10.96.0.1:443".parse().unwrap()];
    let (address, port) = match rule {
        "lateral.first_contact" => ("172.17.0.3", 5432),
        "lateral.unexpected_connection" => {
            scene = scene.with_profile("state: complete");
            ("10.1.1.1", 443)
        }
        "lateral.metadata_service" => ("fd00:ec2::254", 80),
        "lateral.kubernetes_api" => ("10.96.0.1", 443),
        "lateral.kubelet" => ("10.0.0.5", 10_250),
        "lateral.etcd" => ("10.0.0.5", 2379),
        "lateral.docker_api" => ("172.17.0.1", 2375),
        "lateral.port_scan" => {
            return (1..=30).find_map(|port| raised(rule, &mut scene, contact("10.0.0.9", port)));
        }
        "lateral.host_sweep" => {
            return (2..40)
                .find_map(|host| raised(rule, &mut scene, contact(&format!("10.0.0.{host}"), 6379)));
        }
        "lateral.reverse_shell" => return reverse_shell(),
        _ => return None,
    };
    raise(&mut scene, contact(address, port))
}

/// Both ends are known, as with lsm and fentry.
fn contact(address: &str, port: u16) -> Payload {
    match connect(address, port) {
        Payload::Connect(net) => Payload::Connect(Net {
            local: end(
                if address.contains(':') {
                    "fd00::2"
                } else {
                    "172.17.0.2"
                },
                40_001,
            ),
            ..net
        }),
        other => other,
    }
}

fn raised(rule: &str, scene: &mut Scene, payload: Payload) -> Option<Alert> {
    raise(scene, payload).filter(|alert| alert.rule == rule)
}

fn reverse_shell() -> Option<Alert> {
    let mut scene = pod("/bin/bash");
    let mut exec = scene.exec();
    (exec.stdio, exec.stdio_peer) = (7, end("203.0.113.9", 4444));
    raise(&mut scene, Payload::Exec(exec))
}

fn written() -> Option<Alert> {
    const REGULAR: u16 = 0o100_644;
    let script = FileObject {
        mode: REGULAR,
        ..image_file()
    };
    let mut scene =
        pod("/usr/sbin/nginx").with_profile("state: complete\nfiles: {write: [{path: /var/log}]}");
    raise(&mut scene, open(script, "/srv/www/x.php", "", WRITE))
}

fn used() -> Option<Alert> {
    let mut scene =
        pod("/usr/sbin/nginx").with_profile("state: complete\ncapabilities: [{name: CAP_SETUID}]");
    let payload = Payload::Capable(Capable {
        capability: 13,
        user_ns: 0xf000_0002,
    });
    raise(&mut scene, payload)
}

fn executed(exe: &str, args: &[&str]) -> Option<Alert> {
    let mut scene = pod(exe);
    let executed = scene.executed(args);
    raise(&mut scene, executed)
}

fn calls(call: CallName, args: [u64; 4]) -> Option<Alert> {
    raise(&mut pod("/usr/bin/python3"), called(call, args))
}

fn drift(rule: &str) -> Option<Alert> {
    let upper = FileFlags::OVERLAY | FileFlags::UPPER;
    let flagged = |flags| FileObject {
        flags,
        ..image_file()
    };
    let (exe, file) = match rule {
        "drift.exec_from_upper" => ("/usr/bin/x", flagged(upper)),
        "drift.exec_from_tmp" => ("/dev/shm/x", file(TMPFS)),
        "drift.exec_from_memory" => ("memfd:x", flagged(FileFlags::MEMFD)),
        "drift.exec_unlinked" => ("/x", flagged(upper | FileFlags::UNLINKED)),
        "drift.exec_from_volume" => ("/data/x", flagged(FileFlags::BIND_MOUNT)),
        "drift.exec_outside_profile" => ("/usr/bin/curl", image_file()),
        "drift.write_outside_profile" => return written(),
        "drift.capability_outside_profile" => return used(),
        _ => return None,
    };
    let mut scene = pod(exe);
    if rule == "drift.exec_outside_profile" {
        scene = scene.with_profile("state: complete\nexec: [{path: /usr/sbin/nginx}]");
    }
    scene.exe.file = file;
    scene.known.mounts = vec![MountPoint {
        source: "data".into(),
        destination: "/data".into(),
        writable: true,
        bind: false,
    }];
    let payload = Payload::Exec(scene.exec());
    raise(&mut scene, payload)
}

/// Nothing of the container's did it: the alert has no process.
fn sensor(rule: &'static Rule) -> Alert {
    let scene = python();
    let finding = Finding::new(rule, "sample", rule.title).with("reason", "a sample");
    let of_container = matches!(rule.id, "sensor.events_lost" | "sensor.books_unbalanced");
    let own = of_container.then(|| container(1, "web", scene.known.clone()));
    let now = crate::event::BootTime(scene.now_ns);
    builder()
        .raise_sensor(finding, own.as_deref(), now, &scene.host)
        .unwrap()
}
