//! Contacts by what is there, and by what happened before.

use super::*;
use crate::container::ImageRef;
use crate::detect::Finding;
use crate::detect::testing::{image_file, open};
use crate::event::{ExecId, FileObject, RecordFlags};

/// The app beside a container of `image` at 172.17.0.3, in one network of the user's own.
fn beside(image: &str) -> Scene {
    let mut scene = app();
    scene.known.user_networks = vec!["shop".into()];
    let known = ContainerMetadata {
        addresses: vec!["172.17.0.3".parse().unwrap()],
        user_networks: vec!["shop".into()],
        image: ImageRef {
            reference: image.into(),
            ..ImageRef::default()
        },
        ..ContainerMetadata::default()
    };
    scene.others = vec![container(2, "peer", known)];
    scene
}

fn severity(scene: &mut Scene, payload: Payload, rule: &str) -> Option<Severity> {
    let findings = scene.inspect(payload);
    let found = findings.iter().find(|finding| finding.rule.id == rule);
    found.map(|finding| finding.severity)
}

#[test]
fn a_relative_may_be_asked_only_for_what_it_is_there_for() {
    for (image, port, rule, expected) in [
        ("corpus/attack", 10_250, "lateral.kubelet", Severity::High),
        ("corpus/attack", 2379, "lateral.etcd", Severity::High),
        ("corpus/attack", 2375, "lateral.docker_api", Severity::Critical),
        ("docker:dind", 2376, "lateral.docker_api", Severity::Low),
        ("quay.io/coreos/etcd:v3", 2379, "lateral.etcd", Severity::Low),
        ("rancher/k3s:v1", 6443, "lateral.kubernetes_api", Severity::Low),
        ("docker:dind", 10_250, "lateral.kubelet", Severity::High),
    ] {
        let found = severity(&mut beside(image), connect("172.17.0.3", port), rule);
        assert_eq!(found, Some(expected), "{image} {port}");
    }
    let mut stranger = beside("docker:dind");
    stranger.known.user_networks.clear();
    let found = severity(&mut stranger, connect("172.17.0.3", 2376), "lateral.docker_api");
    assert_eq!(found, Some(Severity::Critical), "no relative");
}

/// The contact `seconds` after the file was opened.
fn after_reading(path: &str, seconds: u64, address: &str, mut scene: Scene) -> Option<Severity> {
    scene.inspect(open(image_file(), path, "", 1));
    scene.now_ns += seconds * SECOND;
    severity(&mut scene, connect(address, 443), "lateral.kubernetes_api")
}

#[test]
fn who_read_the_pod_s_token_goes_to_the_api() {
    const TOKEN: &str = "/run/secrets/kubernetes.io/serviceaccount/token";
    const BEHIND: &str = "/var/run/secrets/kubernetes.io/serviceaccount/..2026_01_01/token";
    let high = Some(Severity::High);
    assert_eq!(
        after_reading(TOKEN, 5, "172.17.0.3", beside("corpus/attack")),
        high
    );
    assert_eq!(after_reading(BEHIND, 59, "10.96.0.1", app()), high);
    assert_eq!(after_reading(TOKEN, 61, "10.96.0.1", app()), None, "long ago");
    assert_eq!(after_reading(TOKEN, 5, "93.184.216.34", app()), None, "outside");
    assert_eq!(after_reading("/etc/hosts", 5, "10.96.0.1", app()), None);
    let mut known = app();
    known.host.kubernetes_api = vec!["10.96.0.9:443".parse().unwrap()];
    assert_eq!(
        after_reading(TOKEN, 5, "10.96.0.1", known),
        None,
        "the API is elsewhere"
    );
    let allowed = app().with_profile("connect: [{cidr: 10.96.0.1/32, port: 443}]");
    assert_eq!(after_reading(TOKEN, 5, "10.96.0.1", allowed), None);
}

#[test]
fn a_slow_scan_is_found_by_its_length() {
    let slow = |contact: fn(u16) -> Payload| -> Option<Finding> {
        let mut scene = app();
        (1..=30).find_map(|step| {
            scene.now_ns += 20 * SECOND;
            scene
                .inspect(contact(step))
                .into_iter()
                .find(|finding| finding.evidence.contains_key("window_seconds"))
        })
    };
    let ports = slow(|step| connect("10.1.1.1", step)).unwrap();
    assert_eq!(ports.rule.id, "lateral.port_scan");
    assert_eq!(ports.evidence["window_seconds"], 600);
    let hosts = slow(|step| connect(&format!("10.1.1.{step}"), 6379)).unwrap();
    assert_eq!(hosts.rule.id, "lateral.host_sweep");
    let passive = slow(|step| connect("10.1.1.1", 40_000 + step));
    assert!(passive.is_none(), "ports that a server was given");
    let web = slow(|step| connect(&format!("93.184.216.{step}"), 443));
    assert!(web.is_none(), "the internet");
}

#[test]
fn many_processes_at_one_login_are_an_attack() {
    let tried = |port, processes: u64, mut scene: Scene| {
        let findings = (1..=processes).flat_map(|process| {
            scene.now_ns += SECOND;
            scene.exe.exec_id = ExecId(10 + process);
            scene.inspect(connect("172.17.0.3", port))
        });
        let found: Vec<_> = findings
            .filter(|finding| finding.rule.id == "lateral.brute_force")
            .collect();
        (found.len(), found.first().map(|finding| finding.severity))
    };
    assert_eq!(tried(22, 6, app()), (2, Some(Severity::High)));
    assert_eq!(tried(5432, 5, app()), (1, Some(Severity::High)));
    assert_eq!(tried(22, 4, app()).0, 0);
    assert_eq!(tried(8080, 20, app()).0, 0, "nobody asks who one is");
    let allowed = app().with_profile("connect: [{cidr: 172.17.0.0/16, port: 5432}]");
    assert_eq!(tried(5432, 20, allowed).0, 0);
    let mut pool = app();
    for _ in 0..40 {
        pool.now_ns += SECOND / 10;
        let found = pool.rules(connect("172.17.0.3", 6379));
        assert!(!found.contains(&"lateral.brute_force"), "one process");
    }
}

#[test]
fn bursts_of_one_executable_at_a_login_are_an_attack() {
    const BURST: u32 = RecordFlags::REPEAT | RecordFlags::BURST;
    let bursts = |port, every: u64, mut scene: Scene| {
        scene.inspect(connect("172.17.0.3", port));
        scene.flags = RecordFlags(BURST);
        let found: Vec<usize> = (1..=3)
            .filter(|_| {
                scene.now_ns += every;
                scene
                    .rules(connect("172.17.0.3", port))
                    .contains(&"lateral.brute_force")
            })
            .collect();
        found
    };
    assert_eq!(bursts(22, SECOND, app()), [1, 2, 3]);
    assert_eq!(
        bursts(6379, SECOND, app()),
        [0_usize; 0],
        "a client of one database"
    );
    let others = || app().with_profile("connect: [{cidr: 172.17.0.0/16, port: 80}]");
    assert_eq!(bursts(6379, SECOND, others()), [3]);
    assert_eq!(bursts(6379, 70 * SECOND, others()), [0_usize; 0], "slowly");
    assert_eq!(
        bursts(8080, SECOND, others()),
        [0_usize; 0],
        "nobody asks who one is"
    );
    let allowed = app().with_profile("connect: [{cidr: 172.17.0.0/16, port: 6379}]");
    assert_eq!(bursts(6379, SECOND, allowed), [0_usize; 0]);
    let mut both = app();
    both.flags = RecordFlags(BURST);
    let spread: Vec<bool> = [6379, 5432, 6379, 5432, 6379, 5432]
        .into_iter()
        .map(|port| {
            both.now_ns += SECOND;
            both.rules(connect("172.17.0.3", port))
                .contains(&"lateral.brute_force")
        })
        .collect();
    assert_eq!(
        spread,
        [false, false, false, false, true, true],
        "two services at once"
    );
}

#[test]
fn ports_of_pools_unless_the_peer_declares_them() {
    const RULE: &str = "lateral.mining_pool";
    let high = Some(Severity::High);
    for (address, port, expected) in [
        ("172.17.0.3", 3333, high),
        ("203.0.113.9", 14_444, high),
        ("203.0.113.9", 4444, high),
        ("10.1.1.1", 4444, None),
        ("203.0.113.9", 443, None),
    ] {
        assert_eq!(
            severity(&mut app(), connect(address, port), RULE),
            expected,
            "{address} {port}"
        );
    }
    let mut declared = app();
    let known = ContainerMetadata {
        addresses: vec!["172.17.0.3".parse().unwrap()],
        exposed_ports: vec!["5555/tcp".into()],
        ..ContainerMetadata::default()
    };
    declared.others = vec![container(2, "flower", known)];
    assert_eq!(severity(&mut declared, connect("172.17.0.3", 5555), RULE), None);
    assert_eq!(severity(&mut app(), send("203.0.113.9", 3333), RULE), None, "UDP");
    let mut allowed = app().with_profile("connect: [{port: 3333}]");
    assert_eq!(severity(&mut allowed, connect("203.0.113.9", 3333), RULE), None);
}

#[test]
fn a_container_that_is_no_resolver_is_asked_for_names() {
    const RULE: &str = "lateral.unusual_resolver";
    let medium = Some(Severity::Medium);
    let Payload::Send(datagram) = send("172.17.0.3", 53) else {
        unreachable!()
    };
    for payload in [
        send("172.17.0.3", 53),
        connect("172.17.0.3", 53),
        Payload::Connect(datagram),
    ] {
        let mut scene = beside("corpus/attack");
        assert_eq!(severity(&mut scene, payload.clone(), RULE), medium, "{payload:?}");
        for image in ["coredns/coredns", "pihole/pihole:latest", "hashicorp/consul"] {
            let found = severity(&mut beside(image), payload.clone(), RULE);
            assert_eq!(found, None, "{image}");
        }
        let mut allowed = app().with_profile("connect: [{proto: udp, port: 53}, {proto: tcp, port: 53}]");
        assert_eq!(severity(&mut allowed, payload, RULE), None);
    }
    for resolver in ["8.8.8.8", "172.17.0.1", "127.0.0.11"] {
        assert_eq!(severity(&mut app(), send(resolver, 53), RULE), None, "{resolver}");
    }
    assert_eq!(
        first(&mut beside("acme/ns"), send("172.17.0.3", 514)).map(|(rule, _)| rule),
        Some("lateral.first_contact")
    );
    let mut declared = beside("acme/ns");
    let known = ContainerMetadata {
        exposed_ports: vec!["53/udp".into()],
        ..declared.others[0].known().unwrap().clone()
    };
    declared.others = vec![container(2, "ns", known)];
    assert_eq!(severity(&mut declared, send("172.17.0.3", 53), RULE), None);
}

#[test]
fn a_peer_is_called_as_it_was_asked_for_and_is_the_same_by_any_name() {
    const PEER: &str = "203.0.113.9";
    let named = || {
        app()
            .answered(PEER, "old.example.org")
            .answered(PEER, "updates.example.org")
    };
    let said = |scene: &mut Scene, payload: Payload| {
        let finding = scene.inspect(payload).remove(0);
        (finding.rule.id, finding.summary, finding.object)
    };
    let (rule, summary, object) = said(&mut named().with_profile("state: complete"), connect(PEER, 443));
    assert_eq!(rule, "lateral.unexpected_connection");
    assert_eq!(
        summary,
        "/usr/bin/python3 in web contacted 203.0.113.9:443/tcp (updates.example.org), which its profile does not name"
    );
    assert_eq!(object, "203.0.113.9:443/tcp");
    let (_, summary, _) = said(&mut named(), connect(PEER, 3333));
    assert!(
        summary.contains("203.0.113.9:3333/tcp (updates.example.org)"),
        "{summary}"
    );
    let mut shell = scene("acme/app", "/bin/sh").answered(PEER, "updates.example.org");
    let exec = Exec {
        stdio: 7,
        stdio_peer: end(PEER, 4444),
        ..shell.exec()
    };
    let (rule, summary, object) = said(&mut shell, Payload::Exec(exec));
    assert_eq!((rule, object.as_str()), ("lateral.reverse_shell", PEER));
    assert!(summary.contains("203.0.113.9 (updates.example.org)"), "{summary}");
}

#[test]
fn nothing_is_kept_of_a_container_that_is_gone() {
    let mut scene = app();
    let token = "/run/secrets/kubernetes.io/serviceaccount/token";
    scene.inspect(open(
        FileObject {
            mode: 0o100_600,
            ..image_file()
        },
        token,
        "",
        1,
    ));
    assert!(scene.detectors.kept() > 0);
    scene.detectors.forget(crate::detect::testing::OWN);
    assert_eq!(scene.detectors.kept(), 0);
}
