//! Sockets, programs and contacts that lead to others.

use super::{contact, executed, pod, python, raise, raised};
use crate::alert::Alert;
use crate::container::{ContainerMetadata, MountPoint};
use crate::detect::testing::{Scene, called, container, end, listen, question, socket};
use crate::event::{
    CallName, ExecId, FileObject, Net, Payload, QuestionType, Received, RecordFlags, SocketAddress,
    UnixConnect,
};

pub(super) fn network(rule: &str) -> Option<Alert> {
    match rule {
        "lateral.unusual_resolver" => asked_for_names(),
        "lateral.dns_tunnelling" => tunnelled(rule),
        "lateral.zone_walk" => executed("/usr/bin/dig", &["dig", "@10.0.0.10", "shop.internal", "AXFR"]),
        "lateral.relay_tool" => executed(
            "/usr/bin/socat",
            &["socat", "TCP-LISTEN:7800,fork", "TCP:10.0.0.9:80"],
        ),
        "lateral.ssh_tunnel" => executed(
            "/usr/bin/ssh",
            &["ssh", "-N", "-R", "8888:127.0.0.1:80", "a@10.0.0.9"],
        ),
        "lateral.control_client" => executed("/usr/bin/kubectl", &["kubectl", "get", "secrets"]),
        "lateral.brute_force" => tried_again(rule),
        "lateral.mining_pool" => raise(&mut python(), contact("203.0.113.9", 3333)),
        "lateral.connection_handed_over" => handed_over(),
        "lateral.shared_socket" => shared(),
        "lateral.icmp_socket" => raise(&mut python(), socket(2, 2, 1)),
        "lateral.arp_socket" => raise(&mut python(), socket(17, 3, 0x0608)),
        "lateral.packet_sender" => raise(&mut python(), socket(2, 3, 255)),
        "lateral.vsock" => vsock(RecordFlags::CONNECTS),
        other => listening(other),
    }
}

fn listening(rule: &str) -> Option<Alert> {
    match rule {
        "listener.inherited" => {
            let mut scene = pod("/usr/bin/bash");
            scene.flags = RecordFlags(RecordFlags::INHERITED);
            raise(&mut scene, listen("0.0.0.0", 7171))
        }
        "listener.nested_namespace" => nested(),
        "listener.abstract_socket" => raise(&mut python(), Payload::UnixBind(unix("@c2"))),
        "listener.raw_socket" => raise(&mut python(), socket(2, 3, 1)),
        "listener.packet_socket" => raise(&mut python(), socket(17, 3, 0x0300)),
        "listener.packet_filter" => {
            let mut scene = python();
            scene.inspect(socket(17, 3, 0x0300));
            raise(&mut scene, called(CallName::SETSOCKOPT, [0, 1, 26, 0]))
        }
        "listener.sctp_socket" => raise(&mut python(), socket(2, 1, 132)),
        "listener.vsock" => vsock(RecordFlags::BINDS),
        "listener.tunnel_interface" => raise(&mut python(), called(CallName::IOCTL, [3, 0x4004_54ca, 0, 0])),
        _ => None,
    }
}

/// Nobody answers, or a name is given.
fn unix(path: &str) -> UnixConnect {
    UnixConnect {
        file: FileObject::default(),
        peer_tgid: 0,
        peer_slot: 0,
        path: path.into(),
    }
}

/// The alert of one of the findings.
fn vsock(used: u32) -> Option<Alert> {
    let mut scene = python();
    scene.flags = RecordFlags(used);
    raise(&mut scene, socket(40, 1, 0))
}

fn asked_for_names() -> Option<Alert> {
    let mut scene = python();
    let known = ContainerMetadata {
        addresses: vec!["172.17.0.3".parse().unwrap()],
        ..ContainerMetadata::default()
    };
    scene.others = vec![container(2, "cache", known)];
    let datagram = Payload::Send(Net {
        local: SocketAddress::default(),
        remote: end("172.17.0.3", 53),
        protocol: 17,
        socket_type: 2,
        backlog: 0,
    });
    raise(&mut scene, datagram)
}

/// Numbers of 48 digits are asked for as texts.
fn tunnelled(rule: &str) -> Option<Alert> {
    let mut scene = python();
    (0..64).find_map(|number| {
        let asked = question(&format!("{number:048x}.t.example.org"), QuestionType::TXT);
        raised(rule, &mut scene, Payload::Dns(asked))
    })
}

fn tried_again(rule: &str) -> Option<Alert> {
    let mut scene: Scene = pod("/usr/bin/ssh");
    (10..20).find_map(|process| {
        scene.exe.exec_id = ExecId(process);
        raised(rule, &mut scene, contact("10.0.0.9", 22))
    })
}

fn handed_over() -> Option<Alert> {
    let received = Received {
        file: FileObject::default(),
        local: end("172.17.0.2", 40_001),
        remote: end("10.0.0.9", 80),
        family: 2,
        socket_type: 1,
        protocol: 6,
        state: 1,
        net_ns: 0,
    };
    raise(&mut python(), Payload::Receive(received))
}

fn shared() -> Option<Alert> {
    let mut scene = python();
    scene.ret = -2;
    scene.known.mounts = vec![MountPoint {
        source: "/srv/shared".into(),
        destination: "/shared".into(),
        writable: true,
        bind: true,
    }];
    raise(&mut scene, Payload::UnixConnect(unix("/shared/c2.sock")))
}

fn nested() -> Option<Alert> {
    let mut scene = python();
    scene.net_ns = 0xf000_0001;
    let exec = scene.exec();
    scene.inspect(Payload::Exec(exec));
    scene.net_ns = 0xf000_0002;
    raise(&mut scene, listen("0.0.0.0", 7575))
}
