//! Sockets of runtimes.

use super::python;
use crate::detect::Severity;
use crate::event::{FileObject, Payload, RecordFlags, Trust, UnixConnect};
use crate::host::RuntimeSocket;

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
