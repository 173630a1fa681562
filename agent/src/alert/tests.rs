mod deeds;
mod outside;
mod windows;

use super::*;
use crate::container::{Container, ContainerMetadata, Metadata};
use crate::detect::testing::{CLOCK, OWN, SECOND, Scene, connect, container, file, listen, open, scene};
use crate::detect::{Finding, SensorFinding, Severity, rules};
use crate::event::{BootTime, ContainerId, EventKind, FileFlags, Payload, RecordFlags};
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
