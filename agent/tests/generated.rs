//! Files that are generated from the code are current. `UPDATE_GENERATED=1 cargo test -p agent --test generated`
//! writes them anew.
#![allow(clippy::unwrap_used, reason = "a test")]

use agent::config::RawConfig;
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

fn pretty(value: &serde_json::Value) -> String {
    serde_json::to_string_pretty(value).unwrap() + "\n"
}

#[test]
fn the_configuration_follows_its_schema() {
    let schema = schemars::schema_for!(RawConfig).to_value();
    check("docs/config.schema.json", &pretty(&schema));
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
