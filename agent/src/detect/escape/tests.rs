use crate::container::{ContainerMetadata, MountPoint, Pod};
use crate::detect::Severity;
use crate::detect::testing::{Scene, container, file, image_file, open, scene};
use crate::event::{
    Bpf, ContainerOp, ExecId, FileFlags, FileObject, Lifecycle, Module, ModuleOp, Mount, MountOp, Namespaces,
    Payload, Ptrace, PtraceOp, RecordFlags, Setns, Trust, UnixConnect,
};
use crate::host::{HostDisk, RuntimeSocket};

const PROC: u32 = 0x9fa0;
const SYSFS: u32 = 0x6265_6572;
const CGROUP: u32 = 0x0027_e0eb;
const BINFMT: u32 = 0x4249_4e4d;
const EXT4: u32 = 0xef53;
const WRITE: u32 = 2;
const READ: u32 = 1;

fn python() -> Scene {
    scene("acme/app:1", "/usr/bin/python3")
}

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
        Payload::FileOpen(open) => Payload::FileOpen(crate::event::FileOpen { open_flags, ..open }),
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

fn unix(ino: u64, path: &str) -> Payload {
    Payload::UnixConnect(UnixConnect {
        file: FileObject {
            ino,
            dev: 24,
            ..FileObject::default()
        },
        peer_tgid: 99,
        peer_slot: 0,
        path: path.into(),
    })
}

#[test]
fn the_runtime_s_socket_is_known_by_identity_and_by_name() {
    let mut scene = python();
    scene.host.runtime_sockets = vec![RuntimeSocket {
        path: "/run/docker.sock".into(),
        runtime: "docker".into(),
        dev: 24,
        ino: 77,
    }];
    for (ino, path) in [
        (77, "/tmp/innocent"),
        (1, "/var/run/docker.sock"),
        (1, "/x/containerd.sock"),
        (0, "@/containerd-shim/1.sock"),
        (1, "/var/run/kubelet.sock"),
        (1, "/device-plugins/kubelet.sock"),
        (77, "/var/lib/kubelet/device-plugins/kubelet.sock"),
    ] {
        assert_eq!(scene.rules(unix(ino, path)), ["escape.runtime_socket"], "{path}");
    }
    for (ino, path) in [
        (1, "/run/mysqld.sock"),
        (1, "/var/lib/kubelet/device-plugins/kubelet.sock"),
        (1, "/var/lib/kubelet/pod-resources/kubelet.sock"),
        (1, "/run/notdocker.sock.d/x"),
        (0, "@/tmp/.X11-unix/X0"),
    ] {
        assert!(scene.rules(unix(ino, path)).is_empty(), "{path}");
    }
    let Payload::UnixConnect(own) = unix(3, "/var/run/docker.sock") else {
        unreachable!()
    };
    assert!(
        scene
            .rules(Payload::UnixConnect(UnixConnect { peer_slot: 1, ..own }))
            .is_empty(),
        "docker in docker"
    );
}

/// Where only what a ring was asked for is known, nothing says that it failed.
#[test]
fn a_runtime_s_socket_that_a_ring_is_asked_for_is_no_mere_attempt() {
    let mut scene = python();
    scene.flags = RecordFlags(Trust::ARGUMENTS.0 << RecordFlags::TRUST_SHIFT | RecordFlags::IO_URING);
    let findings = scene.inspect(unix(0, "../run/docker.sock"));
    let [finding] = findings.as_slice() else {
        panic!("{findings:?}")
    };
    assert_eq!(
        (finding.rule.id, finding.severity),
        ("escape.runtime_socket", Severity::Critical)
    );
    assert!(scene.inspect(unix(0, "/run/mysqld.sock")).is_empty());
}

#[test]
fn a_connection_to_a_runtime_that_failed_is_an_attempt() {
    const ENOENT: i32 = 2;
    const EACCES: i32 = 13;
    const ECONNREFUSED: i32 = 111;
    let mut scene = python();
    for (errno, severity) in [
        // A client in a container without a runtime, or before its own is there.
        (ENOENT, Severity::Info),
        (EACCES, Severity::Medium),
        (ECONNREFUSED, Severity::Medium),
    ] {
        scene.ret = -errno;
        let findings = scene.inspect(unix(0, "docker.sock"));
        let [attempt] = findings.as_slice() else {
            panic!("{findings:?}")
        };
        assert_eq!(
            (attempt.rule.id, attempt.severity),
            ("escape.runtime_socket", severity),
            "{errno}"
        );
        assert!(
            attempt.summary.contains("tried to connect to"),
            "{}",
            attempt.summary
        );
    }
    assert!(scene.rules(unix(0, "/var/run/nscd/socket")).is_empty());
}

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

fn ptrace(op: PtraceOp, request: u32, target_slot: u32) -> Payload {
    Payload::Ptrace(Ptrace {
        op,
        request,
        target_tgid: 50,
        target_slot,
        target: ExecId(0),
    })
}

#[test]
fn only_processes_outside_the_container_are_foreign() {
    let mut scene = python();
    assert_eq!(
        scene.rules(ptrace(PtraceOp::PTRACE, 16, 0)),
        ["escape.foreign_process"]
    );
    assert_eq!(
        scene.rules(ptrace(PtraceOp::PROCESS_VM_READ, 0, 2)),
        ["escape.foreign_process"]
    );
    assert_eq!(
        scene.rules(ptrace(PtraceOp::ACCESS_CHECK, 0x12, 0)),
        ["escape.foreign_process"]
    );
    assert_eq!(
        scene.rules(ptrace(PtraceOp::PTRACE, 16, 1)),
        ["drift.process_traced"],
        "own container"
    );
    assert!(
        scene.rules(ptrace(PtraceOp::ACCESS_CHECK, 9, 0)).is_empty(),
        "what ps reads"
    );
    assert!(
        scene.rules(ptrace(PtraceOp::PTRACE, 0, 0)).is_empty(),
        "PTRACE_TRACEME"
    );
    let pod = Some(Pod {
        name: "p".into(),
        namespace: "n".into(),
        uid: "u".into(),
    });
    scene.known.pod.clone_from(&pod);
    scene.others = vec![container(
        2,
        "sidecar",
        ContainerMetadata {
            pod,
            ..ContainerMetadata::default()
        },
    )];
    let findings = scene.inspect(ptrace(PtraceOp::PTRACE, 16, 2));
    assert_eq!(findings[0].severity, Severity::Medium, "one pod");
}

#[test]
fn namespaces_modules_bpf_and_cgroups() {
    let mut scene = python();
    let setns = |gained_mask| {
        Payload::Setns(Setns {
            namespaces: Namespaces::default(),
            nstype: 0,
            host_mask: 5,
            gained_mask,
        })
    };
    let findings = scene.inspect(setns(0b101));
    assert_eq!(
        (findings[0].rule.id, &findings[0].evidence["gained"]),
        ("escape.host_namespace", &serde_json::json!(["mnt", "net"]))
    );
    assert!(
        scene.rules(setns(0)).is_empty(),
        "namespaces it had from the start"
    );
    let module = |op| {
        Payload::Module(Module {
            op,
            file: FileObject::default(),
            path: "/tmp/rootkit.ko".into(),
        })
    };
    let bpf = |cmd| Payload::Bpf(Bpf { cmd, subtype: 1 });
    assert_eq!(
        scene.inspect(module(ModuleOp::FINIT))[0].severity,
        Severity::Critical
    );
    assert_eq!(scene.rules(module(ModuleOp::REQUEST)), ["escape.module_request"]);
    let request = |name: &str| {
        Payload::Module(Module {
            op: ModuleOp::REQUEST,
            file: FileObject::default(),
            path: name.into(),
        })
    };
    assert_eq!(
        scene.rules(request("net-pf-21-proto-0")),
        ["escape.module_request"]
    );
    assert!(scene.rules(request("net-pf-10")).is_empty());
    assert!(scene.rules(request("net-pf-16-proto-4")).is_empty());
    assert_eq!(scene.rules(bpf(5)), ["escape.bpf"]);
    assert!(scene.rules(bpf(1)).is_empty(), "looking up in a map that it has");
    let left = |op| {
        Payload::Container(Lifecycle {
            op,
            slot_flags: 0,
            id: "x".into(),
            cgroup: "/".into(),
        })
    };
    assert_eq!(scene.rules(left(ContainerOp::LEFT)), ["escape.cgroup_left"]);
    assert!(scene.rules(left(ContainerOp::LIVE)).is_empty());
    scene.ret = -1;
    assert_eq!(scene.inspect(module(ModuleOp::INIT))[0].severity, Severity::High);
    assert_eq!(scene.inspect(bpf(0))[0].severity, Severity::Medium);
}
