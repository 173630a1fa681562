//! Ways to others beside connections of one's own.

use super::*;
use crate::container::MountPoint;
use crate::detect::Class;
use crate::detect::testing::socket;
use crate::event::{FileObject, Received, RecordFlags, UnixConnect};

const ESTABLISHED: u16 = 1;
const LISTENING: u16 = 10;

fn received(state: u16, local: SocketAddress, remote: SocketAddress) -> Payload {
    Payload::Receive(Received {
        file: FileObject::default(),
        local,
        remote,
        family: 2,
        socket_type: 1,
        protocol: 6,
        state,
        net_ns: 0,
    })
}

#[test]
fn a_connection_that_another_process_made_is_found() {
    let own = |port| end("172.17.0.2", port);
    let found = [("connection_handed_over", Severity::High)];
    let outward = || received(ESTABLISHED, own(40_001), end("172.17.0.3", 80));
    assert_eq!(told(&mut app(), outward()), found);
    let internet = received(ESTABLISHED, own(40_001), end("203.0.113.9", 443));
    assert_eq!(told(&mut app(), internet), found);
    let accepted = received(ESTABLISHED, own(80), end("172.17.0.3", 40_001));
    let listener = received(LISTENING, own(80), SocketAddress::default());
    let loopback = received(ESTABLISHED, end("127.0.0.1", 40_001), end("127.0.0.1", 80));
    // A server's worker, a restart without a gap, and nobody else.
    for payload in [accepted, listener, loopback] {
        assert!(told(&mut app(), payload.clone()).is_empty(), "{payload:?}");
    }
    let mut allowed = app().with_profile("connect: [{cidr: 172.17.0.0/16, port: 80}]");
    assert!(told(&mut allowed, outward()).is_empty());
}

fn told(scene: &mut Scene, payload: Payload) -> Vec<(&'static str, Severity)> {
    scene.findings_of(Class::Lateral, payload)
}

#[test]
fn sockets_to_other_virtual_machines_when_they_connect() {
    let connects = |mut scene: Scene, ret| {
        scene.flags = RecordFlags(RecordFlags::CONNECTS);
        scene.ret = ret;
        told(&mut scene, socket(40, 1, 0))
    };
    for ret in [0, -110] {
        assert_eq!(connects(app(), ret), [("vsock", Severity::High)]);
    }
    assert!(connects(scene("kata", "/usr/bin/kata-agent"), 0).is_empty());
    assert!(told(&mut app(), socket(40, 1, 0)).is_empty(), "it may wait");
}

#[test]
fn sockets_for_echoes_and_addresses() {
    for (payload, expected) in [
        (socket(2, 2, 1), ("icmp_socket", Severity::Medium)),
        (socket(10, 2, 58), ("icmp_socket", Severity::Medium)),
        (socket(17, 3, 0x0608), ("arp_socket", Severity::High)),
        (socket(17, 2, 0x0806), ("arp_socket", Severity::High)),
        (socket(2, 3, 255), ("packet_sender", Severity::High)),
        (socket(10, 3, 255), ("packet_sender", Severity::High)),
    ] {
        assert_eq!(told(&mut app(), payload.clone()), [expected], "{payload:?}");
    }
    assert!(told(&mut scene("alpine", "/bin/ping"), socket(2, 2, 1)).is_empty());
    let mut applet = scene("alpine", "/bin/busybox");
    applet.exe.args = "ping\0db\0".into();
    assert!(told(&mut applet, socket(2, 2, 1)).is_empty());
    assert!(
        told(
            &mut scene("acme/lb", "/usr/sbin/keepalived"),
            socket(17, 3, 0x0608)
        )
        .is_empty()
    );
    let mut brought = scene("alpine", "/tmp/ping");
    brought.exe.file.flags |= crate::event::FileFlags::UPPER;
    assert_eq!(told(&mut brought, socket(2, 2, 1)).len(), 1, "by its name alone");
    let mut allowed = app().with_profile("capabilities: [{name: CAP_NET_RAW}]");
    assert!(told(&mut allowed, socket(17, 3, 0x0608)).is_empty());
    assert!(told(&mut app(), socket(17, 3, 0x0300)).is_empty(), "listener's");
}

fn asks(path: &str, (slot, tgid): (u32, u32)) -> Payload {
    Payload::UnixConnect(UnixConnect {
        file: FileObject::default(),
        peer_tgid: tgid,
        peer_slot: slot,
        path: path.into(),
    })
}

/// A folder of the host is mounted at /shared.
fn sharing(source: &str, bind: bool) -> Scene {
    let mut scene = app();
    scene.ret = -2;
    scene.known.mounts = vec![MountPoint {
        source: source.into(),
        destination: "/shared".into(),
        writable: true,
        bind,
    }];
    scene
}

#[test]
fn a_socket_that_containers_share_is_a_channel() {
    const NOBODY: (u32, u32) = (0, 0);
    let medium = [("shared_socket", Severity::Medium)];
    let host = || sharing("/srv/shared", true);
    assert_eq!(told(&mut host(), asks("/shared/c2.sock", NOBODY)), medium);
    assert_eq!(told(&mut host(), asks("/shared/a/b", NOBODY)), medium);
    let mut served = host();
    served.ret = 0;
    assert_eq!(
        told(&mut served, asks("/srv/c2.sock", (2, 99))),
        medium,
        "by another container"
    );
    for (path, server) in [
        ("/shared/own.sock", (1, 7)),
        ("/shared/daemon.sock", (0, 99)),
        ("/shared/docker.sock", NOBODY),
        ("/dev/log", NOBODY),
        ("/run/systemd/journal/socket", NOBODY),
        ("/var/run/nscd/socket", NOBODY),
        ("@abstract", NOBODY),
    ] {
        assert!(told(&mut host(), asks(path, server)).is_empty(), "{path}");
    }
    let pod = "/var/lib/kubelet/pods/1/volumes/kubernetes.io~empty-dir/sockets";
    assert!(told(&mut sharing(pod, true), asks("/shared/c2.sock", NOBODY)).is_empty());
    assert!(told(&mut sharing("sockets", false), asks("/shared/php.sock", NOBODY)).is_empty());
    let mut related = host();
    related.known.user_networks = vec!["shop".into()];
    let known = ContainerMetadata {
        user_networks: vec!["shop".into()],
        ..ContainerMetadata::default()
    };
    related.others = vec![container(2, "php", known)];
    assert!(told(&mut related, asks("/shared/php.sock", (2, 99))).is_empty());
}
