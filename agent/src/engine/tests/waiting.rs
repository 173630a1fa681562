//! What is said before the image is known, and what waits for it.

use super::*;
use std::path::PathBuf;

/// A container whose name is still to come, under a profile of `image`.
fn unnamed(profile: &str) -> Run {
    let mut run = Run::new();
    let head = "apiVersion: vigia.dev/v1alpha1\nkind: BehaviorProfile\nmetadata: {name: p}\nmatch: {images: [\"**\"]}\n";
    let path = PathBuf::from("p");
    let profile = crate::profile::parse(&format!("{head}{profile}"), &path).unwrap();
    let profiles = ProfileSet::new(vec![(path, profile)]).unwrap();
    run.engine.set_profiles(Arc::new(profiles));
    run.feed(connected())
        .feed(lifecycle(ContainerOp::CREATED, 1))
        .feed(lifecycle(ContainerOp::LIVE, 1));
    run
}

/// A moment after patience ended for what happened in second 1.
fn impatient() -> Input {
    Input::Tick(BootTime(2 * SECOND + u64::try_from(PATIENCE.as_nanos()).unwrap()))
}

#[test]
fn what_a_profile_allows_does_not_alert_while_it_is_unknown() {
    let all = "connect: [{port: any}]\nlisten: [{port: 4444, provenance: {source: manual}}]";
    let mut run = unnamed(all);
    run.feed(connects_to("169.254.169.254", 80, 1))
        .feed(connects_to("10.0.0.5", 6443, 1))
        .feed(connects_to("10.0.0.5", 10_250, 1))
        .feed(connects_to("10.0.0.5", 2379, 1))
        .feed(connects_to("10.0.0.5", 2375, 1));
    for port in 1..40 {
        run.feed(connects_to("10.0.0.6", port, 1))
            .feed(connects_to(&format!("10.0.1.{port}"), 80, 1));
    }
    run.feed(listens(4444, 1)).feed(described("acme/app"));
    assert_eq!(run.rules(), []);
}

#[test]
fn what_no_profile_allows_alerts_when_the_name_comes_or_patience_ends() {
    for (address, port, rule) in [
        ("169.254.169.254", 80, "lateral.metadata_service"),
        ("10.0.0.5", 10_250, "lateral.kubelet"),
        ("10.0.0.5", 2375, "lateral.docker_api"),
    ] {
        for decides in [
            impatient(),
            described("acme/app"),
            lifecycle(ContainerOp::GONE, 2),
        ] {
            let mut run = unnamed("connect: [{port: 5432}]");
            run.feed(connects_to(address, port, 1));
            assert_eq!(run.rules(), [], "{rule} waits");
            run.feed(decides);
            assert_eq!(run.rules().first(), Some(&(rule, 0)));
        }
    }
}

#[test]
fn a_scan_before_the_name_is_one_alert() {
    let mut run = unnamed("connect: [{port: 5432}]");
    for port in 1..40 {
        run.feed(connects_to("10.0.0.6", port, 1));
    }
    run.feed(impatient());
    assert_eq!(run.rules(), [("lateral.port_scan", 0)]);
}
