mod deeds;
mod outside;

use super::*;
use crate::container::{Container, ContainerMetadata, Metadata};
use crate::detect::testing::{CLOCK, OWN, SECOND, Scene, connect, container, file, listen, open, scene};
use crate::detect::{Finding, SensorFinding, Severity, rules};
use crate::event::{
    BootTime, ContainerId, EventKind, FileFlags, FileObject, Module, ModuleOp, Payload, RecordFlags,
};
use serde_json::json;
use std::path::Path;
use std::sync::Arc;

fn builder() -> AlertBuilder {
    AlertBuilder::new(AlertIds::new(7))
}

fn raise(builder: &mut AlertBuilder, scene: &mut Scene, payload: Payload) -> Option<Alert> {
    let findings = scene.inspect(payload.clone());
    let event = scene.event(payload);
    scene.with_context(&event, |context| {
        builder.raise(context, findings, &mut Said::default())
    })
}

fn core_pattern() -> Payload {
    open(
        file(0x9fa0),
        "/proc/sys/kernel/core_pattern",
        "/sys/kernel/core_pattern",
        2,
    )
}

fn id() -> ContainerId {
    ContainerId::from(format!("{:064x}", 1).as_str())
}

#[test]
fn an_alert_has_all_that_the_contract_names() {
    let mut scene = scene("nginx:1.25", "/usr/bin/python3").below(&["/bin/sh"]);
    scene.flags = RecordFlags(RecordFlags::LOSSY | (2 << RecordFlags::BACKEND_SHIFT));
    scene.exe.args = "python3\0-c\0import os\0".into();
    let alert = raise(&mut builder(), &mut scene, core_pattern()).unwrap();
    let value = serde_json::to_value(&alert).unwrap();
    assert_eq!(value["schema"], "vigia.alert/v1");
    assert_eq!(
        (&value["rule"], &value["class"], &value["severity"]),
        (
            &json!("escape.core_pattern"),
            &json!("escape"),
            &json!("critical")
        )
    );
    assert_eq!(
        value["summary"],
        "/usr/bin/python3 in web opened /proc/sys/kernel/core_pattern for writing"
    );
    assert_eq!(value["time"], "2023-11-14T22:15:00.000000000Z");
    assert_eq!(
        (&value["revision"], &value["lossy"], &value["metadata"]),
        (&json!(0), &json!(true), &json!("resolved"))
    );
    assert_eq!(value["container"]["image"]["ref"], "nginx:1.25");
    assert_eq!(
        value["profile"],
        json!({"name": null, "state": "none", "mode": "monitor"})
    );
    assert_eq!(value["process"]["args"], json!(["python3", "-c", "import os"]));
    assert_eq!(value["process"]["in_image"], true);
    assert_eq!(
        value["process"]["ancestors"][0],
        json!({"host_pid": 4711, "exe": "/bin/sh", "args": ["/bin/sh"], "host": false})
    );
    assert_eq!(value["process"]["ancestors"][1]["host"], true);
    assert_eq!(value["evidence"]["kind"], "file_open");
    assert_eq!(value["evidence"]["fs_path"], "/sys/kernel/core_pattern");
    assert_eq!(
        (&value["evidence"]["access"], &value["evidence"]["backend"]),
        (&json!("write"), &json!("lsm"))
    );
    assert_eq!(
        (&value["repeat"]["count"], &value["node"]),
        (&json!(1), &json!("node-1"))
    );
}

#[test]
fn a_record_gives_one_alert_with_the_most_severe_rule() {
    let mut scene = scene("postgres:16", "/tmp/x");
    scene.exe.file.flags = FileFlags::OVERLAY | FileFlags::UPPER;
    let payload = Payload::Exec(scene.exec());
    let alert = raise(&mut builder(), &mut scene, payload).unwrap();
    assert_eq!(
        (alert.rule.as_str(), alert.also),
        ("drift.exec_from_upper", vec!["drift.exec_from_tmp".to_owned()])
    );
}

/// What the kernel counted, nothing of it later than the records.
fn counted(count: u64) -> Occurrences {
    Occurrences {
        count,
        last: BootTime::default(),
    }
}

#[test]
fn the_last_occurrence_is_the_one_that_the_kernel_saw() {
    let (mut builder, mut scene) = (builder(), scene("nginx", "/usr/bin/python3"));
    raise(&mut builder, &mut scene, core_pattern()).unwrap();
    let last = BootTime(scene.now_ns + 30 * SECOND);
    let closed = builder
        .drain()
        .remove(0)
        .close(Occurrences { count: 9, last }, CLOCK);
    let repeat = closed.unwrap().repeat;
    assert_eq!((repeat.count, repeat.last.since(repeat.first).as_secs()), (9, 30));
}

#[test]
fn repeats_are_folded_and_counted_until_the_window_closes() {
    let (mut builder, mut scene) = (builder(), scene("nginx", "/usr/bin/python3"));
    let first = raise(&mut builder, &mut scene, core_pattern()).unwrap();
    for _ in 0..4 {
        scene.now_ns += SECOND;
        assert_eq!(raise(&mut builder, &mut scene, core_pattern()), None);
    }
    assert!(builder.due(BootTime(scene.now_ns)).is_empty());
    let mut due = builder.due(BootTime(100 * SECOND + 60 * SECOND));
    assert_eq!((due.len(), builder.open()), (1, 0));
    let open = due.remove(0);
    assert_eq!(open.behaviours().len(), 1);
    let last = open.close(counted(1_000_000), CLOCK).unwrap();
    assert_eq!(
        (last.id, last.revision, last.repeat.count),
        (first.id, 1, 1_000_000)
    );
    assert_eq!(last.repeat.last.since(last.repeat.first).as_secs(), 4);
    let again = raise(&mut builder, &mut scene, core_pattern()).unwrap();
    assert_ne!(again.id, first.id, "a new window is a new alert");
    assert!(
        builder.ended(&id()).remove(0).close(counted(1), CLOCK).is_none(),
        "nothing came after it"
    );
    assert!(builder.drain().is_empty());
}

#[test]
fn what_differs_in_container_rule_or_object_is_not_folded() {
    let (mut builder, mut scene) = (builder(), scene("acme/app", "/usr/bin/nc"));
    assert!(raise(&mut builder, &mut scene, listen("0.0.0.0", 4444)).is_some());
    assert!(
        raise(&mut builder, &mut scene, listen("::", 4444)).is_none(),
        "IPv6 and IPv4 of one listener"
    );
    assert!(raise(&mut builder, &mut scene, listen("0.0.0.0", 4445)).is_some());
    assert_eq!(builder.ended(&ContainerId::from("other")).len(), 0);
    assert_eq!(builder.ended(&id()).len(), 2);
}

#[test]
fn a_repeat_that_is_worse_leaves_at_once() {
    let (mut builder, mut scene) = (builder(), scene("acme/app", "/sbin/insmod"));
    let module = || {
        Payload::Module(Module {
            op: ModuleOp::FINIT,
            file: FileObject::default(),
            path: "/x.ko".into(),
        })
    };
    scene.ret = -1;
    let tried = raise(&mut builder, &mut scene, module()).unwrap();
    scene.ret = 0;
    let loaded = raise(&mut builder, &mut scene, module()).unwrap();
    assert_eq!(
        (tried.severity, loaded.severity),
        (Severity::High, Severity::Critical)
    );
    assert_eq!(
        (loaded.id, loaded.revision, loaded.repeat.count),
        (tried.id, 1, 2)
    );
    assert_eq!(
        builder
            .drain()
            .remove(0)
            .close(counted(0), CLOCK)
            .unwrap()
            .revision,
        2
    );
}

#[test]
fn a_first_contact_is_told_once() {
    let (mut builder, mut scene) = (builder(), scene("acme/app", "/usr/bin/curl"));
    let known = ContainerMetadata {
        addresses: vec!["172.17.0.3".parse().unwrap()],
        ..ContainerMetadata::default()
    };
    scene.others = vec![container(2, "db", known)];
    let contact = || connect("172.17.0.3", 5432);
    assert!(raise(&mut builder, &mut scene, contact()).is_some());
    assert_eq!(raise(&mut builder, &mut scene, contact()), None, "counted");
    let closed = builder.drain().remove(0).close(counted(0), CLOCK).unwrap();
    assert_eq!((closed.revision, closed.repeat.count), (1, 2));
    assert_eq!(raise(&mut builder, &mut scene, contact()), None);
    assert_eq!((builder.open(), builder.pairs()), (0, 1), "no window of its own");
    // The other rules of the same record are not silenced.
    let docker = raise(&mut builder, &mut scene, connect("172.17.0.3", 2375)).unwrap();
    assert_eq!(docker.rule, "lateral.docker_api");
    assert!(builder.ended(&scene.others[0].id).is_empty());
    assert!(raise(&mut builder, &mut scene, contact()).is_some());
}

#[test]
fn windows_are_bounded() {
    let (mut builder, mut scene) = (builder(), scene("acme/app", "/usr/bin/nc"));
    let event = scene.event(listen("0.0.0.0", 4444));
    let finding = scene.inspect(listen("0.0.0.0", 4444)).remove(0);
    for object in 0..5000 {
        let findings = vec![Finding {
            object: object.to_string(),
            ..finding.clone()
        }];
        assert!(
            scene
                .with_context(&event, |context| builder.raise(
                    context,
                    findings,
                    &mut Said::default()
                ))
                .is_some()
        );
    }
    assert_eq!((builder.open(), builder.overflowed()), (MAX_OPEN, 5000 - 2048));
}

/// Raises the same alert for behaviours that differ in what they did it to.
fn raise_each(builder: &mut AlertBuilder, scene: &mut Scene, details: std::ops::Range<u64>) {
    let findings = scene.inspect(core_pattern());
    for detail in details {
        let mut event = scene.event(core_pattern());
        event.raw.header.behaviour.detail = detail;
        let findings = findings.clone();
        scene.with_context(&event, |context| {
            builder.raise(context, findings, &mut Said::default())
        });
    }
}

/// The kernel has counted every behaviour `count` times; which were forgotten.
fn rearm(builder: &mut AlertBuilder, count: u64) -> Vec<u64> {
    let mut forgotten = Vec::new();
    builder.rearm(|behaviour| {
        forgotten.push(behaviour.detail);
        Some(counted(count))
    });
    forgotten
}

#[test]
fn behaviours_that_a_window_cannot_keep_are_forgotten_at_once_and_counted() {
    let (mut builder, mut scene) = (builder(), scene("nginx", "/usr/bin/python3"));
    raise_each(&mut builder, &mut scene, 0..64);
    assert!(rearm(&mut builder, 9).is_empty(), "they are at the window's end");
    raise_each(&mut builder, &mut scene, 62..67);
    assert_eq!(rearm(&mut builder, 3), [64, 65, 66]);
    assert!(rearm(&mut builder, 3).is_empty(), "once");
    raise_each(&mut builder, &mut scene, 66..67);
    assert_eq!(rearm(&mut builder, 1), [66], "it left the kernel again");
    assert_eq!(builder.rearmed(), 4);
    let open = builder.drain().remove(0);
    assert_eq!(open.behaviours().len(), 64);
    let last = open.close(counted(640), CLOCK).unwrap();
    assert_eq!(last.repeat.count, 640 + 3 * 3 + 1);
}

#[test]
fn records_are_the_count_where_the_kernel_forgot_its_own() {
    let (mut builder, mut scene) = (builder(), scene("nginx", "/usr/bin/python3"));
    raise_each(&mut builder, &mut scene, 0..70);
    builder.rearm(|_| None);
    let last = builder.drain().remove(0).close(counted(0), CLOCK).unwrap();
    assert_eq!(last.repeat.count, 70);
}

#[test]
fn alerts_without_a_window_do_not_stay_repeated_in_the_kernel() {
    let (mut builder, mut scene) = (builder(), scene("acme/app", "/usr/bin/nc"));
    let event = scene.event(listen("0.0.0.0", 4444));
    let finding = scene.inspect(listen("0.0.0.0", 4444)).remove(0);
    for object in 0..MAX_OPEN + 2 {
        let findings = vec![Finding {
            object: object.to_string(),
            ..finding.clone()
        }];
        scene.with_context(&event, |context| {
            builder.raise(context, findings, &mut Said::default())
        });
    }
    assert_eq!(rearm(&mut builder, 5).len(), 2);
    assert_eq!((builder.rearmed(), builder.overflowed()), (2, 2 + 2 * 4));
}

/// A container chooses its arguments, and each of its alerts shows them.
#[test]
fn windows_of_large_alerts_are_fewer() {
    let (mut builder, mut scene) = (builder(), scene("acme/app", "/usr/bin/nc"));
    scene.exe.args = "x".repeat(64 << 10).as_str().into();
    let event = scene.event(listen("0.0.0.0", 4444));
    let finding = scene.inspect(listen("0.0.0.0", 4444)).remove(0);
    let mut raise = |object: usize| {
        let object = object.to_string();
        let findings = vec![Finding {
            object,
            ..finding.clone()
        }];
        scene.with_context(&event, |context| {
            builder.raise(context, findings, &mut Said::default())
        })
    };
    assert!((0..1000).all(|object| raise(object).is_some()), "each leaves");
    let open = builder.open();
    assert!((10..1000).contains(&open), "{open} windows");
    assert_eq!(builder.drain().len(), open);
    let mut scene = crate::detect::testing::scene("nginx", "/usr/bin/python3");
    assert!(super::tests::raise(&mut builder, &mut scene, core_pattern()).is_some());
    assert_eq!(builder.open(), 1, "there is room again");
}

#[test]
fn ids_are_version_7_and_reproducible() {
    let mut scene = scene("nginx", "/usr/bin/python3");
    let one = raise(&mut builder(), &mut scene, core_pattern()).unwrap().id;
    assert_eq!(raise(&mut builder(), &mut scene, core_pattern()).unwrap().id, one);
    assert_eq!(one.get_version_num(), 7);
    let mut ids = AlertIds::new(1);
    let time = crate::event::Timestamp(1_700_000_000_000_000_000);
    let all: std::collections::HashSet<_> = (0..100_000).map(|_| ids.next(time)).collect();
    assert_eq!(all.len(), 100_000);
}

fn samples() -> Vec<Alert> {
    let mut builder = builder();
    let mut scene = scene("acme/app", "/usr/bin/nc").with_profile("listen: [{port: 80}]");
    let payloads = [
        core_pattern(),
        listen("0.0.0.0", 4444),
        connect("169.254.169.254", 80),
        Payload::Exec(scene.exec()),
    ];
    let mut alerts: Vec<_> = payloads
        .into_iter()
        .filter_map(|payload| raise(&mut builder, &mut scene, payload))
        .collect();
    let finding = SensorFinding::CapabilityDegraded {
        capability: "file_open".into(),
        reason: "x".into(),
    }
    .into_finding();
    alerts.extend(builder.raise_sensor(finding, None, BootTime(1), &scene.host));
    alerts
}

#[test]
fn alerts_keep_to_their_schema() {
    let validator = jsonschema::validator_for(&schema::schema()).unwrap();
    let samples = samples();
    assert_eq!(samples.len(), 4);
    for alert in samples {
        let value = serde_json::to_value(&alert).unwrap();
        let errors: Vec<String> = validator
            .iter_errors(&value)
            .map(|error| error.to_string())
            .collect();
        assert!(errors.is_empty(), "{errors:?} in {value:#}");
        assert_eq!(serde_json::from_value::<Alert>(value).unwrap(), alert);
    }
    assert!(!validator.is_valid(&json!({"schema": "vigia.alert/v1"})));
}

/// The committed file, or what it must become when `VIGIA_BLESS` is set.
fn committed(name: &str, current: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs").join(name);
    if std::env::var_os("VIGIA_BLESS").is_some() {
        std::fs::write(&path, current).unwrap();
    }
    let text = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        text == current,
        "docs/{name} is not current: VIGIA_BLESS=1 cargo test -p agent writes it"
    );
}

#[test]
fn the_committed_schema_is_current() {
    committed("alert.schema.json", &schema::document());
}

#[test]
fn the_committed_rules_are_current() {
    committed("rules.md", &crate::detect::markdown(rules()));
}

#[test]
fn activity_has_the_shape_of_alerts() {
    let scene = scene("nginx", "/usr/sbin/nginx");
    let event = scene.event(listen("0.0.0.0", 80));
    let line = scene.with_context(&event, |context| {
        Activity::of(context.event, context.host, context.neighbours)
    });
    let value = serde_json::to_value(line).unwrap();
    assert_eq!(
        (&value["schema"], &value["kind"]),
        (&json!("vigia.event/v1"), &json!(EventKind::LISTEN.name()))
    );
    assert_eq!(
        (&value["evidence"]["local_port"], &value["container"]["name"]),
        (&json!(80), &json!("web"))
    );
}

#[test]
fn the_runtime_is_named_by_the_cgroup_until_it_answers() {
    let with = |cgroup: &str, metadata: Metadata| {
        describe::container(&Container {
            key: OWN,
            id: id(),
            cgroup: cgroup.to_owned(),
            first_seen: BootTime(0),
            metadata,
        })
        .runtime
    };
    let hex = "0123456789abcdef".repeat(4);
    let docker = format!("/system.slice/docker-{hex}.scope");
    assert_eq!(with(&docker, Metadata::Pending).as_deref(), Some("docker"));
    assert_eq!(with(&docker, Metadata::Unavailable).as_deref(), Some("docker"));
    assert_eq!(with(&format!("/x/{hex}"), Metadata::Pending), None);
    let known = ContainerMetadata {
        runtime: "podman".to_owned(),
        ..ContainerMetadata::default()
    };
    let resolved = Metadata::Resolved(Arc::new(known));
    assert_eq!(with(&docker, resolved).as_deref(), Some("podman"));
}
