use super::*;
use crate::container::{Container, ContainerMetadata, ImageRef, Metadata};
use crate::detect::testing::{SECOND, Scene, connect, container, process, scene};
use crate::event::{EnrichedEvent, Payload};
use std::sync::Arc;

fn observe_event(graph: &mut Graph, scene: &Scene, event: &EnrichedEvent) {
    scene.with_context(event, |context| graph.observe(context));
}

fn observe(graph: &mut Graph, scene: &Scene, payload: Payload) {
    observe_event(graph, scene, &scene.event(payload));
}

/// Other ends, in order.
fn targets(graph: &Graph) -> Vec<String> {
    let mut targets: Vec<_> = graph
        .edges()
        .map(|(_, target, _)| format!("{:?} {}/{}", target.to, target.port, target.protocol.name()))
        .collect();
    targets.sort();
    targets
}

fn only(graph: &Graph) -> Edge {
    assert_eq!(graph.len(), 1, "{:?}", targets(graph));
    graph.edges().next().unwrap().2.clone()
}

fn image(reference: &str) -> ContainerMetadata {
    ContainerMetadata {
        image: ImageRef {
            reference: reference.to_owned(),
            ..ImageRef::default()
        },
        ..ContainerMetadata::default()
    }
}

#[test]
fn ends_are_images_the_host_or_how_far_an_address_reaches() {
    let mut scene = scene("acme/app", "/bin/app");
    let peer = ContainerMetadata {
        addresses: vec!["172.17.0.3".parse().unwrap()],
        ..image("postgres:16")
    };
    scene.others = vec![container(2, "db", peer)];
    scene.host.addresses = vec!["172.17.0.1".parse().unwrap()];
    scene.host.namespaces.net = 7;
    let mut graph = Graph::default();
    for (address, port) in [
        ("::ffff:172.17.0.3", 5432),
        ("172.17.0.1", 22),
        ("10.0.0.9", 6379),
        ("fd00::9", 6379),
        ("100.64.0.1", 6379),
        ("1.1.1.1", 443),
        ("1.0.0.1", 40_000),
        ("1.0.0.1", 40_001),
        // Nobody else's.
        ("127.0.0.1", 80),
        ("172.17.0.2", 80),
        ("224.0.0.1", 80),
    ] {
        observe(&mut graph, &scene, connect(address, port));
    }
    let ends = [
        "Host 22/tcp",
        "Image(\"postgres:16\") 5432/tcp",
        "Private 6379/tcp",
        "Public 443/tcp",
        "Public ephemeral/tcp",
    ];
    assert_eq!(targets(&graph), ends);
    let mut graph = Graph::default();
    scene.net_ns = 7;
    observe(&mut graph, &scene, connect("127.0.0.1", 2375));
    assert_eq!(targets(&graph), ["Host 2375/tcp"], "it has the host's network");
}

#[test]
fn containers_of_an_image_share_an_edge() {
    let mut scene = scene("acme/app", "/bin/app");
    let mut graph = Graph::default();
    for (slot, second) in [(5, 3), (6, 1), (5, 9), (6, 8)] {
        scene.now_ns = second * SECOND;
        let mut event = scene.event(connect("10.0.0.9", 80));
        event.container = Some(container(slot, "app", scene.known.clone()));
        observe_event(&mut graph, &scene, &event);
    }
    let edge = only(&graph);
    assert_eq!((edge.count, edge.containers, edge.failed), (4, 2, 0));
    assert_eq!(edge.last.since(edge.first).as_secs(), 8);
}

#[test]
fn containers_are_counted_once_also_when_there_were_many() {
    let mut graph = Graph::default();
    let scene = scene("acme/app", "/bin/app");
    for slot in 1..=200 {
        let mut event = scene.event(connect("10.0.0.9", 80));
        event.container = Some(container(slot, "app", scene.known.clone()));
        for _ in 0..2 {
            observe_event(&mut graph, &scene, &event);
        }
    }
    let edge = only(&graph);
    assert_eq!((edge.count, edge.containers), (400, 200));
    assert_eq!(edge.recent.len(), MAX_RECENT);
}

#[test]
fn what_was_refused_or_denied_has_failed() {
    let mut scene = scene("acme/app", "/bin/app");
    let mut graph = Graph::default();
    observe(&mut graph, &scene, connect("10.0.0.9", 80));
    scene.ret = -113;
    observe(&mut graph, &scene, connect("10.0.0.9", 80));
    (scene.ret, scene.flags) = (0, RecordFlags(RecordFlags::DENIED));
    observe(&mut graph, &scene, connect("10.0.0.9", 80));
    assert_eq!((only(&graph).count, only(&graph).failed), (3, 2));
}

#[test]
fn a_profile_that_speaks_of_contacts_says_what_is_new() {
    let judged = |profile: Option<&str>, port: u16| {
        let mut scene = scene("acme/app", "/bin/app");
        if let Some(profile) = profile {
            scene = scene.with_profile(profile);
        }
        let mut graph = Graph::default();
        observe(&mut graph, &scene, connect("10.0.0.9", port));
        only(&graph).profile
    };
    let names = Some("connect: [{port: 80}]");
    assert_eq!(judged(None, 80), Expectation::None);
    assert_eq!(judged(names, 80), Expectation::Expected);
    assert_eq!(judged(names, 22), Expectation::New);
    assert_eq!(judged(Some("listen: [{port: 80}]"), 22), Expectation::New);
    let silent = Some("state: partial\nlisten: [{port: 80}]");
    assert_eq!(judged(silent, 22), Expectation::None);
}

#[test]
fn an_edge_stays_new_until_profiles_change() {
    let profile = "connect: [{port: 80, exe: /bin/app}]";
    let mut scene = scene("acme/app", "/bin/nc").with_profile(profile);
    let mut graph = Graph::default();
    let mut seen_by = |exe: &str, graph: &mut Graph| {
        scene.exe = process(exe);
        observe(graph, &scene, connect("10.0.0.9", 80));
        only(graph).profile
    };
    assert_eq!(seen_by("/bin/app", &mut graph), Expectation::Expected);
    assert_eq!(seen_by("/bin/nc", &mut graph), Expectation::New);
    assert_eq!(seen_by("/bin/app", &mut graph), Expectation::New);
    graph.profiles_changed();
    assert_eq!(only(&graph).profile, Expectation::New, "nobody has looked yet");
    assert_eq!(seen_by("/bin/app", &mut graph), Expectation::Expected);
}

#[test]
fn a_container_that_gets_its_name_is_its_image() {
    let scene = scene("acme/app", "/bin/app");
    let mut graph = Graph::default();
    let mut event = scene.event(connect("10.0.0.9", 80));
    let named = event.container.clone().unwrap();
    event.container = Some(Arc::new(Container {
        metadata: Metadata::Unavailable,
        ..(*named).clone()
    }));
    observe_event(&mut graph, &scene, &event);
    let sources = |graph: &Graph| -> Vec<Node> { graph.edges().map(|(from, _, _)| from.clone()).collect() };
    assert_eq!(sources(&graph), [Node::Container(named.id.clone())]);
    event.container = Some(named);
    observe_event(&mut graph, &scene, &event);
    assert_eq!(sources(&graph), [Node::Image("acme/app".into())]);
    assert_eq!((graph.len(), graph.dropped(), only(&graph).count), (1, 0, 1));
}

#[test]
fn what_is_judged_again_without_a_name_was_counted_before() {
    let scene = scene("", "/bin/app");
    let event = scene.event(connect("10.0.0.9", 80));
    let mut graph = Graph::default();
    for scope in [Scope::Universal, Scope::All, Scope::Again] {
        scene.with_context(&event, |context| {
            graph.observe(&DetectContext { scope, ..*context })
        });
    }
    assert_eq!(only(&graph).count, 1);
}

#[test]
fn an_image_has_names_in_order_and_of_bounded_length() {
    let named = |image: ImageRef| {
        let known = ContainerMetadata {
            image,
            ..ContainerMetadata::default()
        };
        Node::of(&container(1, "app", known))
    };
    let whole = ImageRef {
        reference: "nginx".to_owned(),
        digest: Some("sha256:1".to_owned()),
        id: Some("sha256:2".to_owned()),
    };
    let without = ImageRef {
        reference: String::new(),
        ..whole.clone()
    };
    let only_id = ImageRef {
        digest: None,
        ..without.clone()
    };
    assert_eq!(named(whole), Node::Image("nginx".into()));
    assert_eq!(named(without), Node::Image("sha256:1".into()));
    assert_eq!(named(only_id), Node::Image("sha256:2".into()));
    assert!(matches!(named(ImageRef::default()), Node::Container(_)));
    let hostile = ImageRef {
        reference: format!("\n{}", "é".repeat(200)),
        ..ImageRef::default()
    };
    let kept = format!("?{}", "é".repeat(127));
    assert_eq!(named(hostile), Node::Image(kept.into()));
}

#[test]
fn a_scan_takes_only_its_own_image_s_places() {
    let mut graph = Graph::default();
    let mut quiet = scene("acme/quiet", "/bin/app");
    quiet.now_ns = SECOND;
    observe(&mut graph, &quiet, connect("10.0.0.9", 80));
    let mut scan = scene("acme/scan", "/bin/nmap");
    for port in 1..=515 {
        scan.now_ns += SECOND;
        observe(&mut graph, &scan, connect("10.0.0.9", port));
    }
    assert_eq!((graph.len(), graph.dropped()), (MAX_EDGES_OF_SOURCE + 1, 3));
    let mut ports: Vec<Port> = graph
        .edges()
        .filter(|(from, _, _)| **from == Node::Image("acme/scan".into()))
        .map(|(_, target, _)| target.port)
        .collect();
    ports.sort();
    assert_eq!((ports[0], ports[511]), (Port::Number(4), Port::Number(515)));
}

#[test]
fn the_edge_that_was_told_longest_ago_makes_room() {
    let mut graph = Graph::default();
    let mut scene = scene("acme/app", "/bin/app");
    let images = u16::try_from(Graph::MAX_EDGES / MAX_EDGES_OF_SOURCE).unwrap() + 1;
    for number in 0..images {
        scene.known.image.reference = format!("acme/app-{number}");
        for port in 1..=512 {
            scene.now_ns += SECOND;
            observe(&mut graph, &scene, connect("10.0.0.9", port));
        }
    }
    assert_eq!((graph.len(), graph.dropped()), (Graph::MAX_EDGES, 512));
    assert_eq!(graph.edges().count(), graph.len());
    let oldest = Node::Image("acme/app-0".into());
    assert!(graph.edges().all(|(from, _, _)| *from != oldest));
}
