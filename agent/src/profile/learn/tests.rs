use super::*;
use crate::detect::testing::{OWN, Scene, connect, container, image_file, listen, scene};
use crate::event::{Capable, EnrichedEvent, RecordFlags};
use crate::profile::{
    Connect, ImageName, ListenQuery, ListenVerdict, Standing, StandingListener, compile, parse,
};

fn learner(scene: &Scene) -> Learner {
    Learner::new("acme-app".into(), scene.known.image.clone(), PortRange::default())
}

fn observed() -> (Scene, Vec<EnrichedEvent>) {
    let mut scene = scene("acme/app:1", "/app/server").below(&["/bin/sh"]);
    let mut events = Vec::new();
    for payload in [
        Payload::Exec(scene.exec()),
        listen("0.0.0.0", 8080),
        listen("127.0.0.1", 40_001),
        listen("127.0.0.1", 40_002),
        connect("172.17.0.3", 5432),
        connect("10.0.0.9", 443),
        connect("127.0.0.1", 1),
    ] {
        scene.now_ns += 1_000_000_000;
        events.push(scene.event(payload));
    }
    (scene, events)
}

fn learn(scene: &Scene, events: impl Iterator<Item = EnrichedEvent>) -> Profile {
    let mut learner = learner(scene);
    let database = container(
        2,
        "db",
        crate::container::ContainerMetadata {
            image: ImageRef {
                reference: "docker.io/library/postgres:16".into(),
                ..ImageRef::default()
            },
            ..Default::default()
        },
    );
    for event in events {
        let peer = match &event.raw.payload {
            Payload::Connect(net) if net.remote.port == 5432 => Some(database.as_ref()),
            _ => None,
        };
        let own = event.container.clone().unwrap();
        assert_eq!(own.key, OWN);
        let contacted = Contacted {
            container: peer,
            name: None,
        };
        learner.observe(&event, &own, contacted);
    }
    learner.profile()
}

#[test]
fn what_was_seen_is_allowed_and_ports_given_by_the_kernel_are_general() {
    let (scene, events) = observed();
    let profile = learn(&scene, events.into_iter());
    let text = serde_saphyr::to_string(&profile).unwrap();
    assert_eq!(
        parse(&text, std::path::Path::new("p")).unwrap(),
        profile,
        "{text}"
    );
    assert_eq!(profile.listen.len(), 2, "{text}");
    assert_eq!(profile.connect.len(), 2, "{text}");
    assert_eq!(profile.matching.images[0].to_string(), "acme/app:1");
    assert_eq!(profile.exec[0].parents[0].as_str(), "/bin/sh");
    assert_eq!(profile.exec[0].provenance.source, Source::Learned);
    let compiled = compile(profile);
    let at = |port| {
        compiled.listen(&ListenQuery {
            proto: Protocol::Tcp,
            port,
            address: [127, 0, 0, 1].into(),
            exe: b"/app/server",
            ephemeral: PortRange::default(),
        })
    };
    assert_eq!(at(8080), ListenVerdict::Expected(Source::Learned));
    assert_eq!(at(50_000), ListenVerdict::Expected(Source::Learned));
    assert_eq!(at(22), ListenVerdict::WrongPort);
    assert!(
        ImageName::parse("postgres:17").is_some_and(|image| compiled.source().connect.iter().any(|entry| {
            entry
                .image
                .as_ref()
                .is_some_and(|pattern| pattern.matches(&image))
        }))
    );
}

#[test]
fn neither_a_datagram_socket_s_peer_nor_another_image_s_listener_is_learned() {
    let mut scene = scene("acme/app:1", "/app/server");
    let Payload::Connect(net) = connect("10.0.0.9", 443) else {
        unreachable!()
    };
    let udp = scene.event(Payload::Connect(Net {
        protocol: 17,
        socket_type: 2,
        ..net
    }));
    scene.flags = RecordFlags(RecordFlags::INHERITED);
    let inherited = scene.event(listen("0.0.0.0", 8080));
    let profile = learn(&scene, [udp, inherited].into_iter());
    assert!(
        profile.connect.is_empty() && profile.listen.is_empty(),
        "{profile:?}"
    );
}

#[test]
fn a_service_outside_is_learned_by_the_name_that_was_asked_for() {
    let scene = scene("acme/app:1", "/app/server");
    let mut learner = learner(&scene);
    let named = |name: &str| DomainName::from(name);
    for (address, name) in [
        ("203.0.113.9", Some(named("updates.example.org"))),
        ("203.0.113.10", Some(named("updates.example.org"))),
        ("203.0.113.11", None),
        (
            "203.0.113.12",
            Some(DomainName::of_labels([&b"no host"[..]].into_iter())),
        ),
        ("10.0.0.9", Some(named("db.shop.svc.cluster.local"))),
    ] {
        let event = scene.event(connect(address, 443));
        let contacted = Contacted {
            name: name.as_ref(),
            ..Contacted::default()
        };
        learner.observe(&event, &event.container.clone().unwrap(), contacted);
    }
    let profile = learner.profile();
    let entry = |entry: &Connect| {
        let name = entry.dns.as_ref().map(ToString::to_string);
        name.or(entry.cidr.map(|cidr| cidr.to_string()))
    };
    let entries: Vec<String> = profile.connect.iter().filter_map(entry).collect();
    let expected = [
        "10.0.0.9/32",
        "203.0.113.11/32",
        "203.0.113.12/32",
        "updates.example.org",
    ];
    assert_eq!(entries, expected);
    let text = serde_saphyr::to_string(&profile).unwrap();
    let read = parse(&text, std::path::Path::new("p")).unwrap();
    assert_eq!(read, profile, "{text}");
}

#[test]
fn secrets_that_were_read_and_capabilities_that_were_used_are_learned() {
    let scene = scene("acme/app:1", "/app/server");
    let opened = |path: &str, f_mode: u32| {
        scene.event(Payload::FileOpen(FileOpen {
            file: image_file(),
            open_flags: 0,
            f_mode,
            path: path.into(),
            fs_path: "".into(),
        }))
    };
    let reads = [
        opened("/run/secrets/db", 1),
        opened("/usr/lib/libc.so", 1),
        opened("/etc/shadow", 2),
    ];
    let used = |capability| {
        scene.event(Payload::Capable(Capable {
            capability,
            user_ns: 1,
        }))
    };
    let profile = learn(&scene, reads.into_iter().chain([used(10), used(18), used(10)]));
    let read: Vec<_> = profile
        .files
        .read
        .iter()
        .flatten()
        .map(|entry| entry.path.as_str())
        .collect();
    assert_eq!(read, ["/run/secrets/db"]);
    let names: Vec<_> = profile
        .capabilities
        .iter()
        .flatten()
        .map(|entry| entry.name.as_str())
        .collect();
    assert_eq!(names, ["CAP_NET_BIND_SERVICE", "CAP_SYS_CHROOT"]);
    let nothing = learn(&scene, std::iter::empty());
    assert_eq!(nothing.files.read, Some(Vec::new()), "it reads none");
    assert_eq!(nothing.capabilities, None, "perhaps nobody could see them");
}

#[test]
fn scripts_are_learned_by_their_names_beside_their_interpreter() {
    let mut scene = scene("acme/app:1", "/usr/bin/dash").below(&["/usr/sbin/cron"]);
    let executed = |scene: &Scene, script: &str| {
        let exec = Exec {
            filename: script.into(),
            args: format!("/bin/sh\0{script}\0now").as_str().into(),
            cwd: "/usr/local/bin".into(),
            ..scene.exec()
        };
        scene.event(Payload::Exec(exec))
    };
    let scripts = ["/etc/cron.daily/report", "./backup", "/dev/fd/63"];
    let mut events = scripts.map(|script| executed(&scene, script)).to_vec();
    scene.flags = RecordFlags(RecordFlags::CHROOTED);
    events.push(executed(&scene, "/other/root"));
    let profile = learn(&scene, events.into_iter());
    let entries: Vec<_> = profile.exec.iter().map(|entry| entry.path.as_str()).collect();
    assert_eq!(
        entries,
        ["/etc/cron.daily/report", "/usr/bin/dash", "/usr/local/bin/backup"]
    );
    let by = |entry: &crate::profile::Exec| entry.parents[0].as_str() == "/usr/sbin/cron";
    assert!(profile.exec.iter().all(by), "{profile:?}");
}

#[test]
fn the_order_of_events_does_not_matter() {
    let (scene, events) = observed();
    let forward = learn(&scene, events.clone().into_iter());
    assert_eq!(learn(&scene, events.into_iter().rev()), forward);
}

#[test]
fn what_is_learned_is_bounded() {
    let mut scene = scene("acme/app:1", "/app/server");
    let mut learner = learner(&scene);
    for number in 0..3000 {
        scene.exe.exe = format!(
            "/opt/tool{}{}",
            char::from(b"abcdefghijklmnopqrstuvwxyz"[number % 26]),
            "x".repeat(number / 26)
        )
        .as_str()
        .into();
        let event = scene.event(Payload::Exec(scene.exec()));
        let own = event.container.clone().unwrap();
        learner.observe(&event, &own, Contacted::default());
    }
    assert_eq!((learner.profile().exec.len(), learner.overflowed()), (2048, 952));
}

/// A server that started and listened before anybody watched.
fn standing(exe: &str, port: u16) -> Standing {
    Standing {
        programs: vec![exe.into()],
        listeners: vec![StandingListener {
            proto: Protocol::Tcp,
            address: [0, 0, 0, 0].into(),
            port,
            exe: exe.into(),
        }],
    }
}

fn found(scene: &Scene, standing: &Standing) -> Learner {
    let mut learner = learner(scene);
    let event = scene.event(listen("0.0.0.0", 1));
    learner.found(&event.container.unwrap(), standing, event.time);
    learner
}

#[test]
fn a_server_that_runs_already_is_learned_and_may_restart_from_anywhere() {
    let mut scene = scene("nginx:1.25", "/usr/sbin/nginx").below(&["/usr/sbin/nginx"]);
    scene.known.exposed_ports = vec!["80/tcp".into()];
    let mut learner = found(&scene, &standing("/usr/sbin/nginx", 80));
    let worker = scene.event(Payload::Exec(scene.exec()));
    learner.observe(&worker, &worker.container.clone().unwrap(), Contacted::default());
    let profile = learner.profile();
    let parents: Vec<usize> = profile.exec.iter().map(|entry| entry.parents.len()).collect();
    assert_eq!(parents, [0, 1], "its first parent was not seen, the worker's was");
    assert!(
        profile
            .exec
            .iter()
            .all(|entry| entry.path.as_str() == "/usr/sbin/nginx")
    );
    assert_eq!(profile.listen.len(), 1, "EXPOSE adds nothing to who was seen");
    assert_eq!(profile.listen[0].provenance.source, Source::Learned);
    assert_eq!(profile.listen[0].provenance.replicas, Some(1));
    let compiled = compile(profile);
    let query = |exe| ListenQuery {
        proto: Protocol::Tcp,
        port: 80,
        address: [0, 0, 0, 0].into(),
        exe,
        ephemeral: PortRange::default(),
    };
    assert_eq!(
        compiled.listen(&query(b"/usr/sbin/nginx")),
        ListenVerdict::Expected(Source::Learned)
    );
    assert_eq!(compiled.listen(&query(b"/tmp/x")), ListenVerdict::WrongExecutable);
}

#[test]
fn what_the_image_declares_fills_gaps_only() {
    let mut scene = scene("acme/app:1", "/app/server");
    scene.known.command = vec!["/entrypoint.sh".into(), "/app/server".into()];
    scene.known.exposed_ports = vec![
        "8080/tcp".into(),
        "53/udp".into(),
        "x/tcp".into(),
        "9/dccp".into(),
    ];
    let profile = found(&scene, &standing("/app/server", 8080)).profile();
    let listen: Vec<_> = profile
        .listen
        .iter()
        .map(|entry| {
            (
                entry.proto,
                entry.port,
                entry.exe.is_some(),
                entry.provenance.source,
            )
        })
        .collect();
    assert_eq!(
        listen,
        [
            (Protocol::Tcp, Port::Number(8080), true, Source::Learned),
            (Protocol::Udp, Port::Number(53), false, Source::Image),
        ]
    );
    let exec: Vec<_> = profile
        .exec
        .iter()
        .map(|entry| (entry.path.as_str(), entry.provenance.source))
        .collect();
    assert_eq!(
        exec,
        [
            ("/app/server", Source::Learned),
            ("/entrypoint.sh", Source::Image)
        ]
    );
    scene.known.command = vec!["server".into()];
    let found_by_path = found(&scene, &Standing::default()).profile();
    assert!(
        found_by_path.exec.is_empty(),
        "a name without a path says nothing"
    );
}

#[test]
fn a_client_that_waits_for_its_answer_is_no_listener() {
    let mut resolver = standing("/app/server", 40_000);
    resolver.listeners[0].proto = Protocol::Udp;
    let learned = found(&scene("acme/app:1", "/app/server"), &resolver);
    assert!(learned.profile().listen.is_empty());
}
