//! What is said before the image is known, and what waits for it.

use super::*;
use crate::container::MountPoint;
use crate::detect::Severity;
use crate::event::FileFlags;
use agent_common::event::ExecEvent;
use std::path::PathBuf;
use std::time::Duration;

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
fn a_universal_rule_does_not_wait_for_the_name() {
    let mut run = Run::pending();
    run.feed(opens_core_pattern(2));
    assert_eq!(run.rules(), [("escape.core_pattern", 0)]);
    let alert = &run.alerts[0];
    assert_eq!(alert.metadata, "pending");
    assert_eq!(alert.container.as_ref().unwrap().id, ID);
    let process = alert.process.as_ref().unwrap();
    assert_eq!(
        (
            process.exe.as_str(),
            process.ancestors.len(),
            process.ancestors_truncated
        ),
        ("/usr/bin/app", 1, false)
    );
}

#[test]
fn an_alert_carries_the_name_that_came_before() {
    let mut run = Run::new();
    run.feed(connected())
        .feed(described("nginx:1.25"))
        .feed(lifecycle(ContainerOp::CREATED, 1));
    run.feed(lifecycle(ContainerOp::LIVE, 1))
        .feed(opens_core_pattern(2));
    let container = run.alerts[0].container.as_ref().unwrap();
    assert_eq!(
        (container.name.as_deref(), container.image.reference.as_deref()),
        (Some("web"), Some("nginx:1.25"))
    );
    assert_eq!(run.alerts[0].metadata, "resolved");
}

#[test]
fn a_rule_of_the_image_waits_for_the_name_and_then_decides() {
    let mut run = Run::pending();
    run.feed(listens(9999, 1)).feed(Input::Tick(BootTime(2 * SECOND)));
    assert_eq!(run.rules(), [], "patience lasts {PATIENCE:?}");
    run.feed(described("nginx:1.25"));
    assert_eq!(run.rules(), [("listener.unexpected", 0)]);
    assert_eq!(run.alerts[0].metadata, "resolved");
}

#[test]
fn after_its_patience_a_rule_decides_on_what_is_known() {
    let mut run = Run::pending();
    run.feed(listens(9999, 1)).feed(Input::Tick(BootTime(
        1 + SECOND + u64::try_from(PATIENCE.as_nanos()).unwrap(),
    )));
    assert_eq!(run.rules(), [("listener.unexpected", 0)]);
    assert_eq!(run.alerts[0].metadata, "pending");
}

#[test]
fn a_container_that_ends_unnamed_is_judged_at_its_end() {
    let mut run = Run::pending();
    run.feed(listens(9999, 1)).feed(lifecycle(ContainerOp::GONE, 2));
    assert!(
        run.rules().contains(&("listener.unexpected", 0)),
        "{:?}",
        run.rules()
    );
}

#[test]
fn patience_is_what_the_documentation_says() {
    assert_eq!(PATIENCE, Duration::from_secs(2));
}

#[test]
fn what_a_profile_allows_does_not_alert_while_it_is_unknown() {
    let all = "connect: [{cidr: 0.0.0.0/0}]\nlisten: [{port: 4444, provenance: {source: manual}}]";
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

fn executes(path: &'static str, flags: u16) -> Input {
    let mut event = ExecEvent::new_zeroed();
    event.header = header(EventKind::EXEC, 1);
    event.file = FileObject {
        magic: 0xef53,
        ino: 5,
        nlink: 1,
        mode: 0o100_755,
        flags,
        ..FileObject::default()
    };
    event.path = string::<ExecEvent>(path.len());
    with_strings(event, |event| &mut event.header, path.as_bytes())
}

fn opens_for_writing(path: &'static str) -> Input {
    let mut event = FileOpenEvent::new_zeroed();
    event.header = header(EventKind::FILE_OPEN, 1);
    event.file = FileObject {
        magic: 0xef53,
        ino: 5,
        mode: 0o100_644,
        ..FileObject::default()
    };
    (event.open_flags, event.f_mode) = (1, 2);
    event.path = string::<FileOpenEvent>(path.len());
    with_strings(event, |event| &mut event.header, path.as_bytes())
}

/// The name comes, with a folder of the host at `/host`.
fn described_with_mount(writable: bool) -> Input {
    let mount = MountPoint {
        source: "/etc".into(),
        destination: "/host".into(),
        writable,
        bind: true,
    };
    let metadata = ContainerMetadata {
        name: "web".to_owned(),
        mounts: vec![mount],
        ..ContainerMetadata::default()
    };
    Input::Runtime(RuntimeEvent::Described {
        id: ContainerId::from(ID),
        metadata: Arc::new(metadata),
    })
}

#[test]
fn a_universal_rule_that_needs_the_mounts_decides_when_they_are_known() {
    for (early, rule) in [
        (executes("/host/tool", 0), "drift.exec_from_volume"),
        (opens_for_writing("/host/shadow"), "escape.host_file_write"),
        (opens_for_writing("/host/cron.d/job"), "escape.host_file_write"),
    ] {
        for patience in [None, Some(impatient())] {
            let mut run = Run::pending();
            run.feed(early.clone());
            if let Some(tick) = patience {
                run.feed(tick);
            }
            assert_eq!(run.rules(), [], "{rule}");
            run.feed(described_with_mount(true));
            assert_eq!(run.rules(), [(rule, 0)]);
            run.feed(Input::End);
        }
    }
    let mut benign = Run::pending();
    benign
        .feed(executes("/host/tool", 0))
        .feed(opens_for_writing("/srv/shadow"))
        .feed(described_with_mount(false));
    assert_eq!(benign.rules(), []);
}

/// Docker tells mounts after the start, which a short container does not live to see.
#[test]
fn what_a_container_did_before_its_mounts_were_known_is_judged_with_them_be_it_gone() {
    for named in [false, true] {
        for gone in [false, true] {
            let mut run = Run::pending();
            if named {
                run.feed(described("acme/app"));
            }
            run.feed(opens_for_writing("/host/cron.d/job"));
            if gone {
                run.feed(lifecycle(ContainerOp::GONE, 2));
            }
            assert_eq!(run.rules(), []);
            run.feed(described_with_mount(true));
            assert_eq!(run.rules(), [("escape.host_file_write", 0)], "{named} {gone}");
            assert_eq!(run.alerts[0].metadata, "resolved");
            run.feed(described("acme/app")).feed(described_with_mount(true));
            assert_eq!(run.rules().len(), 1, "judged once with all that is known");
        }
    }
}

#[test]
fn what_is_described_late_is_not_judged_again() {
    let mut run = Run::pending();
    run.feed(described("acme/app"))
        .feed(opens_for_writing("/host/cron.d/job"));
    run.feed(Input::Tick(BootTime(40 * SECOND)))
        .feed(described_with_mount(true));
    assert_eq!(run.rules(), []);
}

#[test]
fn the_image_adds_to_what_a_universal_rule_said() {
    let mut run = Run::pending();
    run.feed(executes("/usr/sbin/sshd", FileFlags::MEMFD));
    assert_eq!(run.rules(), [("drift.exec_from_memory", 0)]);
    run.feed(described("acme/app"));
    assert_eq!(
        run.rules(),
        [("drift.exec_from_memory", 0), ("drift.exec_from_memory", 1)]
    );
    let last = &run.alerts[1];
    assert_eq!(
        (last.id, last.also.as_slice(), last.repeat.count),
        (
            run.alerts[0].id,
            &["listener.sshd_in_container".to_owned()][..],
            1
        )
    );
    assert_eq!(last.metadata, "resolved");
}

#[test]
fn judging_again_counts_nothing_twice() {
    let named = || {
        Input::Runtime(RuntimeEvent::Described {
            id: ContainerId::from(ID),
            metadata: Arc::default(),
        })
    };
    let mut run = Run::pending();
    run.feed(listens(9999, 1)).feed(impatient()).feed(named());
    assert_eq!(run.rules(), [("listener.unexpected", 0)]);
    assert_eq!(
        run.engine
            .alerts
            .drain()
            .remove(0)
            .close(Occurrences::default(), Clock::default()),
        None,
        "once"
    );
}

#[test]
fn a_role_that_becomes_known_makes_the_same_alert_worse() {
    let mut run = Run::pending();
    run.feed(listens(80, 1))
        .feed(impatient())
        .feed(described("postgres:16"));
    let rules = [("listener.unexpected", 0), ("listener.web_server_in_database", 1)];
    assert_eq!(run.rules(), rules);
    let (first, second) = (&run.alerts[0], &run.alerts[1]);
    assert_eq!((first.id, second.repeat.count), (second.id, 1));
    assert_eq!(second.also, ["listener.unexpected"]);
    run.feed(listens(80, 5));
    assert_eq!(run.rules(), rules, "a repeat");
    let last = run
        .engine
        .alerts
        .drain()
        .remove(0)
        .close(Occurrences::default(), Clock::default())
        .unwrap();
    assert_eq!((last.revision, last.repeat.count), (2, 2));
}

#[test]
fn a_profile_that_becomes_known_makes_the_same_alert_worse() {
    let mut run = unnamed("state: complete\nlisten: [{port: 80}]");
    run.feed(listens(9999, 1)).feed(listens(80, 1)).feed(impatient());
    let before = run.rules().len();
    run.feed(described("acme/app"));
    assert_eq!(run.rules()[before..], [("listener.unexpected", 1)]);
    let worse = run.alerts.last().unwrap();
    assert_eq!(
        (worse.severity, worse.evidence["local_port"].as_u64()),
        (Severity::High, Some(9999))
    );
}

#[test]
fn a_scan_that_was_judged_is_not_found_again() {
    let mut run = Run::pending();
    for port in 1..40 {
        run.feed(connects_to("10.0.0.6", port, 1));
    }
    run.feed(impatient());
    let before = run.rules().len();
    run.feed(Input::Tick(BootTime(70 * SECOND)))
        .feed(described("acme/app"));
    let after: Vec<_> = run.rules()[before..].to_vec();
    assert_eq!(
        after,
        [("lateral.port_scan", 1)],
        "the window's end, and nothing else"
    );
}
