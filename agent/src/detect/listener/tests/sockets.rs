//! Sockets that see packets, interfaces, abstract names, and networks of their own.

use super::*;
use crate::detect::Class;
use crate::detect::testing::{called, socket};
use crate::event::{CallName, ContainerOp, FileFlags, FileObject, Lifecycle, UnixConnect};

fn filter(option: u64) -> Payload {
    called(CallName::SETSOCKOPT, [0, 1, option, 0])
}

fn python() -> Scene {
    scene("acme/app", "/usr/bin/python3").below(&["/bin/sh"])
}

/// Those of the class.
fn found(scene: &mut Scene, payload: Payload) -> Vec<(&'static str, Severity)> {
    scene.findings_of(Class::Listener, payload)
}

#[test]
fn sockets_that_see_packets_are_told_by_whom_they_are_asked_for() {
    let raw = [("raw_socket", Severity::High)];
    let packet = [("packet_socket", Severity::High)];
    assert_eq!(found(&mut python(), socket(2, 3, 1)), raw);
    assert_eq!(found(&mut python(), socket(10, 3, 58)), raw);
    assert!(
        found(&mut python(), socket(2, 3, 255)).is_empty(),
        "it only sends"
    );
    assert_eq!(found(&mut python(), socket(17, 3, 0x0300)), packet);
    assert_eq!(found(&mut python(), socket(17, 2, 0x0008)), packet);
    assert_eq!(found(&mut python(), socket(44, 3, 0)), packet, "AF_XDP");
    assert!(
        found(&mut python(), socket(17, 3, 0x0608)).is_empty(),
        "lateral's"
    );
    let mut refused = python();
    refused.ret = -1;
    assert_eq!(found(&mut refused, socket(17, 3, 0x0300)), packet);
    let mut brought = scene("alpine", "/tmp/tcpdump");
    brought.exe.file.flags |= FileFlags::UPPER;
    assert_eq!(found(&mut brought, socket(17, 3, 0x0300)), packet);
}

#[test]
fn programs_of_the_image_and_of_the_profile_have_them() {
    for exe in [
        "/bin/ping",
        "/usr/sbin/keepalived",
        "/usr/sbin/xtables-legacy-multi",
    ] {
        assert!(
            found(&mut scene("acme/lb", exe), socket(2, 3, 1)).is_empty(),
            "{exe}"
        );
    }
    for exe in ["/usr/sbin/dhclient", "/usr/bin/tcpdump", "/usr/bin/suricata"] {
        assert!(
            found(&mut scene("acme/net", exe), socket(17, 3, 0x0300)).is_empty(),
            "{exe}"
        );
    }
    let mut allowed = python().with_profile("capabilities: [{name: CAP_NET_RAW}]");
    assert!(
        found(&mut allowed, socket(2, 3, 1)).is_empty(),
        "a health check that pings"
    );
    let mut other = python().with_profile("capabilities: [{name: CAP_CHOWN}]");
    assert_eq!(found(&mut other, socket(2, 3, 1)).len(), 1);
}

#[test]
fn sockets_of_sctp_where_nobody_speaks_it() {
    let sctp = [("sctp_socket", Severity::High)];
    let mut refused = python();
    refused.ret = -93;
    assert_eq!(found(&mut refused, socket(2, 1, 132)), sctp);
    assert_eq!(found(&mut python(), socket(10, 5, 132)), sctp);
    let mut declared = python();
    declared.known.exposed_ports = vec!["3868/sctp".into()];
    assert!(found(&mut declared, socket(2, 1, 132)).is_empty());
    let learned = "listen: [{proto: sctp, port: 3868, exe: /usr/bin/python3}]";
    assert!(found(&mut python().with_profile(learned), socket(2, 1, 132)).is_empty());
    let other = "listen: [{proto: tcp, port: 3868, exe: /usr/bin/python3}]";
    assert_eq!(found(&mut python().with_profile(other), socket(2, 1, 132)), sctp);
}

#[test]
fn sockets_between_virtual_machines_when_they_wait() {
    let waits = |mut scene: Scene| {
        scene.flags = RecordFlags(RecordFlags::BINDS);
        found(&mut scene, socket(40, 1, 0))
    };
    assert_eq!(waits(python()), [("vsock", Severity::High)]);
    assert!(waits(scene("kata", "/usr/bin/kata-agent")).is_empty());
    assert!(
        found(&mut python(), socket(40, 1, 0)).is_empty(),
        "it may connect"
    );
}

/// What the finding of the rule is a step of.
fn deed(scene: &mut Scene, payload: Payload, rule: &str) -> Option<String> {
    let findings = scene.inspect(payload);
    let found = findings.into_iter().find(|finding| finding.rule.id == rule);
    found.and_then(|finding| finding.deed)
}

#[test]
fn a_filter_is_a_back_door_s_where_packets_are_seen() {
    let critical = [("packet_filter", Severity::Critical)];
    for option in [26, 50] {
        let mut scene = python();
        let asked = deed(&mut scene, socket(17, 2, 0x0008), "listener.packet_socket");
        assert!(asked.is_some());
        assert_eq!(
            deed(&mut scene, filter(option), "listener.packet_filter"),
            asked,
            "one behaviour"
        );
    }
    let mut raw = python();
    raw.inspect(socket(2, 3, 1));
    assert_eq!(found(&mut raw, filter(26)), critical);
    raw.exe.file.ino += 1;
    assert!(found(&mut raw, filter(26)).is_empty(), "another program");
    assert!(
        found(&mut python(), filter(26)).is_empty(),
        "on what nobody minds"
    );
    let mut balanced = python();
    balanced.inspect(socket(17, 2, 0x0008));
    assert!(
        found(&mut balanced, filter(51)).is_empty(),
        "SO_ATTACH_REUSEPORT_CBPF"
    );
    let mut capture = scene("acme/net", "/usr/bin/tcpdump");
    capture.inspect(socket(17, 3, 0x0300));
    assert!(found(&mut capture, filter(26)).is_empty());
}

#[test]
fn an_interface_of_a_program_s_own() {
    let tunnel = || called(CallName::IOCTL, [3, 0x4004_54ca, 0, 0]);
    let high = [("tunnel_interface", Severity::High)];
    assert_eq!(found(&mut python(), tunnel()), high);
    let mut refused = python();
    refused.ret = -1;
    assert_eq!(found(&mut refused, tunnel()), high);
    refused.ret = -25;
    assert!(found(&mut refused, tunnel()).is_empty(), "no such file");
    assert!(found(&mut scene("vpn", "/usr/sbin/openvpn"), tunnel()).is_empty());
    let mut allowed = python().with_profile("capabilities: [{name: CAP_NET_ADMIN}]");
    assert!(found(&mut allowed, tunnel()).is_empty());
    assert!(found(&mut python(), called(CallName::IOCTL, [3, 0x5412, 0, 0])).is_empty());
}

fn named(path: &str) -> Payload {
    Payload::UnixBind(UnixConnect {
        file: FileObject::default(),
        peer_tgid: 0,
        peer_slot: 0,
        path: path.into(),
    })
}

#[test]
fn abstract_names_but_for_well_known_ones() {
    let medium = [("abstract_socket", Severity::Medium)];
    for path in ["@corpus-c2", "@x", "@deadbeef/x"] {
        assert_eq!(found(&mut python(), named(path)), medium, "{path}");
    }
    for path in [
        "/run/app.sock",
        "@/tmp/.X11-unix/X0",
        "@/tmp/dbus-AbCd",
        "@/containerd-shim/x.sock",
        "@/org/freedesktop/systemd1/notify",
        "@1f0c3f6f9a7d2b11/bus/systemctl/",
    ] {
        assert!(found(&mut python(), named(path)).is_empty(), "{path}");
    }
    let mut main = scene("acme/app", "/app/server");
    assert!(
        found(&mut main, named("@server")).is_empty(),
        "the container's own program"
    );
    let mut on_host = python();
    (on_host.host.namespaces.net, on_host.net_ns) = (7, 7);
    assert_eq!(
        found(&mut on_host, named("@x")),
        [("abstract_socket", Severity::High)]
    );
}

fn began(scene: &mut Scene, net_ns: u32) {
    scene.net_ns = net_ns;
    scene.inspect(Payload::Container(Lifecycle {
        op: ContainerOp::LIVE,
        slot_flags: 0,
        id: "x".into(),
        cgroup: "/".into(),
    }));
}

fn listens_in(scene: &mut Scene, net_ns: u32) -> Vec<&'static str> {
    scene.net_ns = net_ns;
    let rules = found(scene, listen("0.0.0.0", 7575));
    rules.into_iter().map(|(rule, _)| rule).collect()
}

#[test]
fn a_listener_in_another_network_than_the_container_s() {
    let mut nested = python();
    began(&mut nested, 100);
    assert_eq!(listens_in(&mut nested, 200), ["nested_namespace", "unexpected"]);
    assert_eq!(listens_in(&mut nested, 100), ["unexpected"]);
    let mut late = python();
    late.net_ns = 100;
    let exec = late.exec();
    late.inspect(Payload::Exec(exec));
    assert_eq!(
        listens_in(&mut late, 200),
        ["nested_namespace", "unexpected"],
        "it ran before"
    );
    let mut alone = python();
    assert_eq!(listens_in(&mut alone, 200), ["unexpected"], "nothing is known");
    let mut runtime = scene("docker:dind", "/usr/bin/python3").below(&["/bin/sh"]);
    began(&mut runtime, 100);
    assert!(!listens_in(&mut runtime, 200).contains(&"nested_namespace"));
    let mut learned = python().with_profile("listen: [{port: 7575, exe: /usr/bin/python3}]");
    began(&mut learned, 100);
    assert!(listens_in(&mut learned, 200).is_empty());
}

#[test]
fn nothing_is_kept_of_a_container_that_is_gone() {
    let mut scene = python();
    began(&mut scene, 100);
    assert!(scene.detectors.kept() > 0);
    scene.detectors.forget(crate::detect::testing::OWN);
    assert_eq!(scene.detectors.kept(), 0);
}
