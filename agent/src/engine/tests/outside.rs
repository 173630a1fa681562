//! An intruder in a container whose image has a complete profile.

use super::*;
use crate::detect::Severity;
use crate::event::FileFlags;
use agent_common::event::ExecEvent;
use std::collections::BTreeMap;
use std::path::PathBuf;

const PROFILE: &str = "apiVersion: vigia.dev/v1alpha1
kind: BehaviorProfile
metadata: {name: p}
match: {images: [\"**\"]}
state: complete
exec: [{path: /usr/bin/app}]
files: {write: [{path: /data}]}
connect: [{port: 5432}]
";

fn profiled() -> Run {
    let mut run = Run::new();
    let path = PathBuf::from("p");
    let profile = crate::profile::parse(PROFILE, &path).unwrap();
    let profiles = ProfileSet::new(vec![(path, profile)]).unwrap();
    run.engine.set_profiles(Arc::new(profiles));
    run.feed(connected())
        .feed(described("acme/app"))
        .feed(found(SlotFlags::LIVE));
    run
}

/// Of the container's n-th program.
fn of_program(number: u32, kind: EventKind, second: u64) -> EventHeader {
    let mut header = header(kind, second);
    (header.exec_id, header.tgid) = (100 + u64::from(number), 5000 + number);
    header
}

fn regular(flags: u16) -> FileObject {
    FileObject {
        magic: 0xef53,
        ino: 5,
        nlink: 1,
        mode: 0o100_755,
        flags,
        ..FileObject::default()
    }
}

fn executed(number: u32, path: &str, flags: u16, second: u64) -> Input {
    let mut event = ExecEvent::new_zeroed();
    event.header = of_program(number, EventKind::EXEC, second);
    event.parent_exec_id = 9;
    event.file = regular(flags);
    event.path = string::<ExecEvent>(path.len());
    with_strings(event, |event| &mut event.header, path.as_bytes())
}

fn wrote(number: u32, path: &str, second: u64) -> Input {
    let mut event = FileOpenEvent::new_zeroed();
    event.header = of_program(number, EventKind::FILE_OPEN, second);
    event.file = regular(0);
    (event.open_flags, event.f_mode) = (1, 2);
    event.path = string::<FileOpenEvent>(path.len());
    with_strings(event, |event| &mut event.header, path.as_bytes())
}

fn socket(number: u32, kind: EventKind, (address, port): (&str, u16), second: u64) -> Input {
    let mut event = NetEvent::new_zeroed();
    event.header = of_program(number, kind, second);
    event.header.behaviour.detail = u64::from(port);
    let end = crate::detect::testing::end(address, port);
    if kind == EventKind::LISTEN {
        event.local = end;
    } else {
        event.remote = end;
    }
    (event.protocol, event.socket_type) = (6, 1);
    with_strings(event, |event| &mut event.header, b"")
}

/// Brings a program, starts it, and has it talk to others.
fn intrude(run: &mut Run) {
    run.feed(executed(1, "/usr/bin/cp", 0, 2))
        .feed(wrote(1, "/opt/x", 3))
        .feed(executed(2, "/opt/x", FileFlags::UPPER, 4))
        .feed(socket(2, EventKind::CONNECT, ("10.0.0.5", 8443), 5))
        .feed(socket(2, EventKind::LISTEN, ("0.0.0.0", 9999), 6))
        .feed(executed(3, "/usr/bin/id", 0, 7));
}

/// Each alert as it was said last.
fn last_revisions(run: &Run) -> BTreeMap<uuid::Uuid, &Alert> {
    run.alerts.iter().map(|alert| (alert.id, alert)).collect()
}

fn objects(alert: &Alert) -> Vec<&str> {
    let steps = alert.evidence["steps"].as_array().unwrap().iter();
    steps.map(|step| step["object"].as_str().unwrap()).collect()
}

#[test]
fn what_he_does_is_three_alerts_and_each_step_is_shown() {
    let mut run = profiled();
    intrude(&mut run);
    let alerts = last_revisions(&run);
    let mut rules: Vec<_> = alerts.values().map(|alert| alert.rule.as_str()).collect();
    rules.sort_unstable();
    assert_eq!(
        rules,
        [
            "drift.exec_from_upper",
            "lateral.unexpected_connection",
            "listener.unexpected"
        ]
    );
    let of_deed = alerts
        .values()
        .find(|alert| alert.rule == "drift.exec_from_upper")
        .unwrap();
    assert_eq!(of_deed.severity, Severity::Critical);
    assert_eq!(
        objects(of_deed),
        ["/usr/bin/cp", "/opt/x", "/opt/x", "/usr/bin/id"]
    );
    assert_eq!(
        of_deed.also,
        ["drift.exec_outside_profile", "drift.write_outside_profile"]
    );
}

#[test]
fn what_named_his_alert_is_counted_as_what_it_was_first_is() {
    let mut run = profiled();
    intrude(&mut run);
    let counted = |rule: &str, severity| {
        let alerts = &run.engine.stats().alerts;
        alerts.get(&(rule.to_owned(), severity)).copied()
    };
    assert_eq!(counted("drift.exec_outside_profile", Severity::Medium), Some(1));
    assert_eq!(counted("drift.exec_from_upper", Severity::Critical), Some(1));
}

#[test]
fn what_comes_hours_later_is_a_new_alert() {
    let mut run = profiled();
    intrude(&mut run);
    run.feed(Input::Tick(BootTime(70 * SECOND)));
    let before: Vec<_> = last_revisions(&run).into_keys().collect();
    run.feed(executed(4, "/usr/bin/curl", 0, 3 * 3600));
    let later = run.alerts.last().unwrap();
    assert_eq!(
        (later.rule.as_str(), later.revision),
        ("drift.exec_outside_profile", 0)
    );
    assert!(!before.contains(&later.id));
}
