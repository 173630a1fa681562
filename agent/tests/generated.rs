//! Files that are generated from the code are current. `UPDATE_GENERATED=1 cargo test -p agent --test generated`
//! writes them anew.

use agent::alert::{
    Action, Alert, AlertContainer, AlertImage, AlertProcess, AlertProfile, Ancestor, Repeat, SCHEMA,
};
use agent::config::RawConfig;
use agent::detect::{Class, Severity};
use agent::event::Timestamp;
use agent::telemetry::Metrics;
use std::fmt::Write;
use std::path::Path;

fn check(file: &str, content: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(file);
    if std::env::var_os("UPDATE_GENERATED").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
    }
    let stored = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        stored == content,
        "{file} is not current; see the head of this test"
    );
}

fn schema<T: schemars::JsonSchema>() -> serde_json::Value {
    schemars::schema_for!(T).to_value()
}

fn pretty(value: &serde_json::Value) -> String {
    serde_json::to_string_pretty(value).unwrap() + "\n"
}

fn alert() -> Alert {
    let time = Timestamp(1_700_000_000_123_456_789);
    Alert {
        schema: SCHEMA.to_owned(),
        id: uuid::Uuid::now_v7(),
        time,
        class: Class::Escape,
        rule: "escape.core_pattern".to_owned(),
        severity: Severity::Critical,
        action: Action::Alerted,
        revision: 0,
        also: vec!["drift.tmp_exec".to_owned()],
        summary: "/bin/sh wrote /proc/sys/kernel/core_pattern".to_owned(),
        attack: vec!["T1611".to_owned()],
        lossy: false,
        metadata: "resolved".to_owned(),
        container: Some(AlertContainer {
            id: "ab".repeat(32),
            name: Some("web".to_owned()),
            runtime: Some("docker".to_owned()),
            image: AlertImage {
                reference: Some("nginx:1.25".to_owned()),
                ..AlertImage::default()
            },
            pod: None,
            labels: [("team".to_owned(), "a".to_owned())].into(),
            privileged: true,
        }),
        profile: Some(AlertProfile {
            name: None,
            state: "none".to_owned(),
            mode: "monitor".to_owned(),
        }),
        process: Some(AlertProcess {
            pid: 41,
            host_pid: 9312,
            start: time,
            exe: "/bin/sh".to_owned(),
            args: vec!["sh".to_owned()],
            cwd: "/".to_owned(),
            uid: 0,
            ancestors: vec![Ancestor {
                host_pid: 1,
                exe: "/sbin/init".to_owned(),
                args: Vec::new(),
                host: true,
            }],
            ancestors_truncated: false,
            in_image: None,
            truncated: false,
        }),
        evidence: [("kind".to_owned(), "file_open".into())].into_iter().collect(),
        repeat: Repeat {
            count: 1,
            first: time,
            last: time,
        },
        node: "host-1".to_owned(),
    }
}

#[test]
fn alerts_follow_their_schema_and_come_back_unchanged() {
    let schema = schema::<Alert>();
    check("docs/schema/alert.v1.json", &pretty(&schema));
    let validator = jsonschema::validator_for(&schema).unwrap();
    let value = serde_json::to_value(alert()).unwrap();
    let errors: Vec<String> = validator
        .iter_errors(&value)
        .map(|error| error.to_string())
        .collect();
    assert!(errors.is_empty(), "{errors:?}");
    assert_eq!(value["container"]["image"]["ref"], "nginx:1.25");
    assert_eq!(value["time"], "2023-11-14T22:13:20.123456789Z");
    let mut wrong = value.clone();
    wrong["severity"] = "bad".into();
    assert!(!validator.is_valid(&wrong));
    let again: Alert = serde_json::from_value(value.clone()).unwrap();
    assert_eq!(serde_json::to_value(again).unwrap(), value);
}

#[test]
fn the_configuration_follows_its_schema() {
    let schema = schema::<RawConfig>();
    check("docs/schema/config.json", &pretty(&schema));
    let validator = jsonschema::validator_for(&schema).unwrap();
    assert!(validator.is_valid(&serde_json::to_value(RawConfig::default()).unwrap()));
}

#[test]
fn every_metric_is_documented() {
    let mut text = "# Metrics\n\nServed at `/metrics` on `metrics.listen`. Labels come from closed sets: \
                    never a pid, path or container id.\n\n| Metric | Labels | Meaning |\n|---|---|---|\n"
        .to_owned();
    for (name, help, labels) in Metrics::declared() {
        writeln!(text, "| `{name}` | {} | {help} |", labels.join(", ")).unwrap();
    }
    check("docs/metrics.md", &text);
}
