use super::{core_pattern, sample, samples};
use crate::alert::{Action, Alert};
use crate::format::Format;
use serde_json::{Value, json};
use std::path::Path;

fn finding(alert: &Alert) -> Value {
    serde_json::from_str(&Format::Ocsf.line(alert)).unwrap()
}

fn validator() -> jsonschema::Validator {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/ocsf/detection_finding.schema.json");
    let schema: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    jsonschema::validator_for(&schema).unwrap()
}

fn errors(validator: &jsonschema::Validator, finding: &Value) -> Vec<String> {
    validator
        .iter_errors(finding)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect()
}

#[test]
fn every_rule_s_finding_keeps_to_the_published_schema() {
    let validator = validator();
    for (rule, alert) in samples() {
        for revision in [0, 3] {
            for action in [Action::Alerted, Action::Denied, Action::Killed] {
                let alert = Alert {
                    revision,
                    action,
                    ..alert.clone()
                };
                let finding = finding(&alert);
                assert_eq!(errors(&validator, &finding), [""; 0], "{}", rule.id);
                assert!(finding.get("unmapped").is_none());
            }
        }
    }
}

#[test]
fn alerts_that_know_little_keep_to_it_too() {
    let validator = validator();
    let mut alert = core_pattern();
    let process = alert.process.as_mut().unwrap();
    process.ancestors.clear();
    process.args.clear();
    (process.exe, process.cwd) = (String::new(), String::new());
    let container = alert.container.as_mut().unwrap();
    (container.name, container.runtime, container.pod) = (None, None, None);
    container.image = Default::default();
    assert_eq!(errors(&validator, &finding(&alert)), [""; 0]);
    (alert.process, alert.container, alert.profile) = (None, None, None);
    alert.evidence = [("kind".to_owned(), json!("sensor"))].into_iter().collect();
    alert.attack.clear();
    alert.rule = "escape.of_another_version".to_owned();
    assert_eq!(errors(&validator, &finding(&alert)), [""; 0]);
}

#[test]
fn the_schema_refuses_what_is_not_in_it() {
    let validator = validator();
    let good = finding(&core_pattern());
    for (pointer, value) in [
        ("/type_uid", json!(200_499_999)),
        ("/severity_id", json!("high")),
        ("/evidences/0/process/container/image", json!({"name": "x"})),
        ("/finding_info", json!({"uid": "1", "vigia": true})),
        ("/device/type_id", Value::Null),
    ] {
        let mut bad = good.clone();
        *bad.pointer_mut(pointer).unwrap() = value;
        assert!(!errors(&validator, &bad).is_empty(), "{pointer}");
    }
}

#[test]
fn a_revision_updates_the_finding_and_a_denial_blocks() {
    let first = core_pattern();
    let shown = finding(&first);
    assert_eq!(shown["finding_info"]["uid"], json!(first.id));
    assert_eq!(
        (
            &shown["activity_id"],
            &shown["type_uid"],
            &shown["disposition_id"]
        ),
        (&json!(1), &json!(200_401), &json!(19))
    );
    let later = finding(&Alert {
        revision: 1,
        action: Action::Denied,
        ..first
    });
    assert_eq!(later["finding_info"]["uid"], shown["finding_info"]["uid"]);
    assert_ne!(later["metadata"]["uid"], shown["metadata"]["uid"]);
    assert_eq!(
        (
            &later["activity_id"],
            &later["type_uid"],
            &later["disposition_id"]
        ),
        (&json!(2), &json!(200_402), &json!(2))
    );
}

#[test]
fn a_connection_names_both_ends_and_a_listener_one() {
    let of = |rule: &str| finding(&sample(rule))["evidences"][0].clone();
    let contact = of("lateral.first_contact");
    assert_eq!(
        contact["src_endpoint"],
        json!({"ip": "172.17.0.2", "port": 40_001})
    );
    assert_eq!(contact["dst_endpoint"]["ip"], "172.17.0.3");
    assert_eq!(contact["dst_endpoint"]["container"]["name"], "cache");
    assert_eq!(contact["connection_info"]["protocol_num"], 6);
    let mut named = sample("lateral.first_contact");
    named
        .evidence
        .insert("peer_name".to_owned(), json!("cache.example"));
    let shown = finding(&named);
    assert_eq!(shown["evidences"][0]["dst_endpoint"]["hostname"], "cache.example");
    assert_eq!(errors(&validator(), &shown), [""; 0]);
    let listener = of("listener.shell_spawned");
    assert_eq!(listener["dst_endpoint"]["port"], 4444);
    assert!(listener.get("src_endpoint").is_none());
    assert_eq!(listener["connection_info"]["direction_id"], 1);
}
