use super::*;
use crate::detect::testing::{OWN, Scene, connect, container, listen, scene};
use crate::event::EnrichedEvent;
use crate::profile::{ImageName, ListenQuery, ListenVerdict, compile, parse};

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
        learner.observe(&event, &own, peer);
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
        learner.observe(&event, &own, None);
    }
    assert_eq!((learner.profile().exec.len(), learner.overflowed()), (2048, 952));
}
