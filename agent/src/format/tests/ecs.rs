use super::{core_pattern, sample, samples};
use crate::alert::Alert;
use crate::format::Format;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::path::Path;

/// Fields of the schema; true for those that may hold any keys.
fn fields() -> HashMap<String, bool> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/ecs/fields.txt");
    let text = std::fs::read_to_string(path).unwrap();
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| match line.strip_suffix(" *") {
            Some(field) => (field.to_owned(), true),
            None => (line.to_owned(), false),
        })
        .collect()
}

/// Fields of the document that the schema does not know.
fn unknown(fields: &HashMap<String, bool>, value: &Value, path: &str, found: &mut Vec<String>) {
    match value {
        _ if fields.get(path) == Some(&true) => {}
        Value::Object(map) => {
            for (key, value) in map {
                let below = if path.is_empty() {
                    key.clone()
                } else {
                    format!("{path}.{key}")
                };
                unknown(fields, value, &below, found);
            }
        }
        _ if fields.contains_key(path) => {}
        _ => found.push(path.to_owned()),
    }
}

fn document(alert: &Alert) -> Value {
    serde_json::from_str(&Format::Ecs.line(alert)).unwrap()
}

#[test]
fn every_field_is_the_schema_s_or_our_own() {
    let fields = fields();
    for (rule, alert) in samples() {
        let mut document = document(alert);
        document.as_object_mut().unwrap().remove("vigia").unwrap();
        let mut found = Vec::new();
        unknown(&fields, &document, "", &mut found);
        assert_eq!(found, [""; 0], "{}", rule.id);
        assert_eq!(document["event"]["kind"], "alert");
    }
}

#[test]
fn evidence_is_text_so_that_a_key_has_one_type() {
    for (rule, alert) in samples() {
        let evidence = document(alert)["vigia"]["evidence"].clone();
        for (key, value) in evidence.as_object().unwrap() {
            assert!(!value.is_number() && !value.is_boolean(), "{} {key}", rule.id);
        }
    }
}

#[test]
fn a_peer_that_was_asked_for_by_a_name_has_it() {
    let mut alert = sample("lateral.first_contact");
    assert!(document(&alert)["destination"].get("domain").is_none());
    alert
        .evidence
        .insert("peer_name".to_owned(), json!("cache.shop.svc.cluster.local"));
    let destination = document(&alert)["destination"].clone();
    assert_eq!(destination["domain"], "cache.shop.svc.cluster.local");
    assert_eq!(destination["ip"], "172.17.0.3");
}

#[test]
fn labels_techniques_and_outcome() {
    let mut alert = core_pattern();
    alert.attack = vec!["T1552.007".to_owned(), "T1611".to_owned()];
    alert.evidence.insert("ret".to_owned(), json!(-13));
    let document = document(&alert);
    assert_eq!(
        document["container"]["labels"],
        json!({"app": "shop", "app_kubernetes_io/name": "shop"})
    );
    assert_eq!(
        document["threat"]["technique"],
        json!({"id": ["T1552", "T1611"], "subtechnique": {"id": ["T1552.007"]}})
    );
    assert_eq!(document["event"]["outcome"], "failure");
    assert_eq!(
        document["event"]["category"],
        json!(["intrusion_detection", "file"])
    );
}
