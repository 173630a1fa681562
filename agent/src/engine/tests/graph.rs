//! Events in, edges out.

use super::contacts::{neighbour_of, two_containers};
use super::*;

/// `from → to port: count, profile`
fn edges(run: &Run) -> Vec<String> {
    let name = |node: &Node| match node {
        Node::Image(name) => name.to_string(),
        Node::Container(id) => id.short().to_owned(),
        other => format!("{other:?}"),
    };
    let mut edges: Vec<_> = run
        .engine
        .graph()
        .edges()
        .map(|(from, target, edge)| {
            let (from, to, profile) = (name(from), name(&target.to), edge.profile.word());
            format!("{from} → {to} {}: {}, {profile}", target.port, edge.count)
        })
        .collect();
    edges.sort();
    edges
}

fn profiles(connect: &str) -> Input {
    let head = "apiVersion: vigia.dev/v1alpha1\nkind: BehaviorProfile\nmetadata: {name: web}\nmatch: {images: [nginx]}";
    let file = std::path::Path::new("web.yaml");
    let profile = crate::profile::parse(&format!("{head}\nconnect: [{connect}]\n"), file).unwrap();
    let profiles = ProfileSet::new(vec![(file.to_owned(), profile)]).unwrap();
    Input::Profiles(Arc::new(profiles))
}

#[test]
fn a_contact_between_containers_is_an_edge_between_images_that_outlives_both() {
    let mut run = two_containers();
    run.feed(neighbour_of("postgres:16"));
    run.feed(connects_to("172.17.0.3", 5432, 2))
        .feed(connects_to("172.17.0.3", 5432, 3))
        .feed(connects_to("9.9.9.9", 443, 3));
    run.feed(lifecycle(ContainerOp::GONE, 4))
        .feed(Input::Tick(BootTime(1000 * SECOND)));
    assert_eq!(run.engine.index().live().count(), 1, "the neighbour");
    let expected = [
        "nginx:1.25 → Public 443: 1, none",
        "nginx:1.25 → postgres:16 5432: 2, none",
    ];
    assert_eq!(edges(&run), expected);
}

#[test]
fn what_the_profile_of_the_image_does_not_name_is_new() {
    let mut run = two_containers();
    run.feed(profiles("{image: postgres, port: 5432}"))
        .feed(neighbour_of("postgres:16"));
    run.feed(connects_to("172.17.0.3", 5432, 2))
        .feed(connects_to("172.17.0.3", 22, 2));
    let expected = [
        "nginx:1.25 → postgres:16 22: 1, new",
        "nginx:1.25 → postgres:16 5432: 1, expected",
    ];
    assert_eq!(edges(&run), expected);
    // Another profile has what containers did leave the kernel once more.
    run.feed(profiles("{port: 22}"));
    run.feed(connects_to("172.17.0.3", 5432, 3))
        .feed(connects_to("172.17.0.3", 22, 3));
    let expected = [
        "nginx:1.25 → postgres:16 22: 2, expected",
        "nginx:1.25 → postgres:16 5432: 2, new",
    ];
    assert_eq!(edges(&run), expected);
}

#[test]
fn a_contact_waits_for_the_name_of_its_container() {
    let mut run = Run::new();
    run.feed(connected())
        .feed(lifecycle(ContainerOp::CREATED, 1))
        .feed(lifecycle(ContainerOp::LIVE, 1));
    run.feed(connects_to("10.0.0.9", 80, 1));
    assert_eq!(edges(&run), [""; 0]);
    run.feed(described("nginx:1.25"));
    assert_eq!(edges(&run), ["nginx:1.25 → Private 80: 1, none"]);
}

#[test]
fn a_contact_whose_container_is_described_further_is_counted_once() {
    let mut run = two_containers();
    run.feed(connects_to("10.0.0.9", 80, 2))
        .feed(described("nginx:1.26"));
    assert_eq!(edges(&run), ["nginx:1.25 → Private 80: 1, none"]);
}

#[test]
fn a_contact_whose_container_is_named_late_is_counted_once() {
    let mut run = Run::new();
    run.feed(connected())
        .feed(lifecycle(ContainerOp::CREATED, 1))
        .feed(lifecycle(ContainerOp::LIVE, 1));
    run.feed(connects_to("10.0.0.9", 80, 1))
        .feed(Input::Tick(BootTime(10 * SECOND)));
    assert_eq!(edges(&run), ["aaaaaaaaaaaa → Private 80: 1, none"]);
    run.feed(described("nginx:1.25"));
    assert_eq!(edges(&run), ["nginx:1.25 → Private 80: 1, none"]);
}
