//! What one program contacts and scans is one alert.

use super::*;
use crate::event::{ExecId, Ptrace, PtraceOp};
use std::collections::BTreeSet;

/// A container with neighbours at 172.17.0.3 to 172.17.0.60.
fn stage() -> (AlertBuilder, Scene) {
    let mut scene = scene("acme/app", "/usr/bin/nc");
    let known = |host: u32| ContainerMetadata {
        addresses: vec![format!("172.17.0.{host}").parse().unwrap()],
        ..ContainerMetadata::default()
    };
    scene.others = (3..=60)
        .map(|host| container(host, &format!("peer-{host}"), known(host)))
        .collect();
    (builder(), scene)
}

/// Alerts of contacts that follow each other quickly.
fn run(stage: &mut (AlertBuilder, Scene), contacts: impl Iterator<Item = (u32, u16)>) -> Vec<Alert> {
    let (builder, scene) = stage;
    let mut alerts = Vec::new();
    for (host, port) in contacts {
        scene.now_ns += SECOND / 20;
        alerts.extend(raise(builder, scene, connect(&format!("172.17.0.{host}"), port)));
    }
    alerts
}

fn assert_one_alert(alerts: &[Alert]) {
    let ids: BTreeSet<_> = alerts.iter().map(|alert| alert.id).collect();
    assert_eq!(ids.len(), 1);
    let revisions: Vec<_> = alerts.iter().map(|alert| alert.revision).collect();
    assert!(
        revisions
            .iter()
            .copied()
            .eq(0..u32::try_from(alerts.len()).unwrap()),
        "{revisions:?}"
    );
}

#[test]
fn a_port_scan_of_a_new_neighbour_is_one_alert() {
    let mut stage = stage();
    let alerts = run(&mut stage, (60..100).map(|port| (3, port)));
    assert_one_alert(&alerts);
    let rules: Vec<_> = alerts.iter().map(|alert| alert.rule.as_str()).collect();
    assert_eq!(rules, ["lateral.first_contact", "lateral.port_scan"]);
    let scan = &alerts[1];
    assert_eq!(
        (scan.severity, scan.also.as_slice()),
        (Severity::High, &["lateral.first_contact".to_owned()][..])
    );
    assert_eq!(scan.evidence["step_count"], 2);
    assert_eq!(scan.evidence["steps"][0]["object"], stage.1.others[0].id.as_str());
    let last = stage.0.drain().remove(0).close(counted(0), CLOCK).unwrap();
    assert_eq!((last.id, last.revision, last.repeat.count), (scan.id, 2, 40));
}

#[test]
fn a_sweep_of_new_neighbours_is_one_alert() {
    let mut stage = stage();
    let alerts = run(&mut stage, (3..15).map(|host| (host, 6379)));
    assert_one_alert(&alerts);
    let last = alerts.last().unwrap();
    assert_eq!(
        (last.rule.as_str(), last.also.as_slice()),
        ("lateral.host_sweep", &["lateral.first_contact".to_owned()][..])
    );
    assert_eq!(last.evidence["step_count"], 13, "twelve neighbours and the sweep");
}

#[test]
fn no_target_hides_behind_decoys() {
    let mut stage = stage();
    let alerts = run(&mut stage, [(3, 80), (4, 80), (5, 80), (6, 5432)].into_iter());
    assert_one_alert(&alerts);
    let last = alerts.last().unwrap();
    assert_eq!((last.revision, &last.evidence["step_count"]), (3, &json!(4)));
    let steps = last.evidence["steps"].as_array().unwrap();
    assert_eq!(steps[3]["object"], stage.1.others[3].id.as_str());
    assert!(last.summary.ends_with("; 4 steps in all"), "{}", last.summary);
}

#[test]
fn a_sweep_of_a_known_neighbour_is_the_scan_alone() {
    let mut stage = stage();
    run(&mut stage, [(3, 6379)].into_iter());
    assert_eq!(stage.0.drain().len(), 1);
    let alerts = run(&mut stage, (20..60).map(|port| (3, port)));
    assert_one_alert(&alerts);
    assert_eq!(
        (alerts[0].rule.as_str(), alerts[0].also.len()),
        ("lateral.port_scan", 0)
    );
}

#[test]
fn with_a_complete_profile_the_scan_still_names_the_alert() {
    let (builder, scene) = stage();
    let mut stage = (
        builder,
        scene.with_profile("state: complete\nconnect: [{cidr: 10.0.0.0/8}]"),
    );
    let alerts = run(&mut stage, (20..60).map(|port| (3, port)));
    assert_one_alert(&alerts);
    assert_eq!(alerts[1].rule, "lateral.port_scan");
}

#[test]
fn steps_are_bounded_and_all_are_counted() {
    let mut stage = stage();
    let alerts = run(&mut stage, (3..60).map(|host| (host, 6379)));
    assert_one_alert(&alerts);
    assert_eq!(
        alerts.len(),
        31,
        "the tenth neighbour and the sweep are one record"
    );
    let last = stage.0.drain().remove(0).close(counted(0), CLOCK).unwrap();
    assert_eq!(last.evidence["steps"].as_array().map(Vec::len), Some(32));
    assert_eq!(last.evidence["step_count"], 58);
}

#[test]
fn what_two_programs_do_is_two_alerts() {
    let mut stage = stage();
    let first = run(&mut stage, [(3, 6379)].into_iter());
    stage.1.exe.exe = "/usr/bin/redis-cli".into();
    let second = run(&mut stage, [(4, 6379)].into_iter());
    assert_ne!(first[0].id, second[0].id);
    assert_eq!((first[0].revision, second[0].revision), (0, 0));
    assert!(!first[0].evidence.contains_key("steps"), "one step is no list");
}

#[test]
fn a_process_of_the_own_container_is_its_also_when_that_is_gone() {
    let scene = scene("acme/app", "/usr/bin/gdb");
    let event = scene.event(Payload::Ptrace(Ptrace {
        op: PtraceOp::PTRACE,
        request: 16,
        target_tgid: 9,
        target_slot: OWN.slot,
        target: ExecId(0),
    }));
    let shown = scene.with_context(&event, |context| {
        assert!(context.neighbours.by_slot(OWN.slot).is_none(), "it runs");
        evidence::evidence(context.event, context.neighbours)
    });
    assert_eq!(shown["target_container_id"], id().as_str());
}
