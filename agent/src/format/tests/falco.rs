//! What falcosidekick checks (`types.FalcoPayload.Check`, `handlers.newFalcoPayload`) before it passes an event on.

use super::{core_pattern, samples};
use crate::alert::Alert;
use crate::event::Timestamp;
use crate::format::Format;
use serde_json::Value;

const PRIORITIES: [&str; 8] = [
    "Emergency",
    "Alert",
    "Critical",
    "Error",
    "Warning",
    "Notice",
    "Informational",
    "Debug",
];

fn event(alert: &Alert) -> Value {
    serde_json::from_str(&Format::Falco.line(alert)).unwrap()
}

fn is_taken(event: &Value) -> bool {
    let text = |key: &str| event[key].as_str().unwrap_or_default().to_owned();
    let fields = event["output_fields"].as_object().unwrap();
    let names = ["k8s.ns.name", "k8s.pod.name"].map(|key| &fields[key]);
    PRIORITIES.contains(&text("priority").as_str())
        && !text("rule").is_empty()
        && Timestamp::from_rfc3339(&text("time")).is_some()
        && !fields.is_empty()
        && names.iter().all(|name| name.is_string() || name.is_null())
        && event["tags"].as_array().unwrap().iter().all(Value::is_string)
        && [text("output"), text("source"), text("hostname")]
            .iter()
            .all(|text| !text.is_empty())
}

#[test]
fn every_rule_s_event_is_taken() {
    for (rule, alert) in samples() {
        assert!(is_taken(&event(alert)), "{}", rule.id);
    }
}

#[test]
fn the_fields_are_those_that_dashboards_know() {
    let event = event(&core_pattern());
    assert_eq!(event["priority"], "Critical");
    assert_eq!(event["source"], "syscall");
    assert_eq!(event["time"], "2023-11-14T22:15:00.000000000Z");
    assert!(
        event["output"]
            .as_str()
            .unwrap()
            .starts_with("22:15:00.000000000: Critical /usr/bin/python3 in web opened"),
        "{event}"
    );
    let fields = &event["output_fields"];
    let expected = [
        ("container.id", "000000000000"),
        ("container.name", "web"),
        ("container.image.repository", "registry.example:5000/acme/app"),
        ("container.image.tag", "1.2"),
        ("k8s.ns.name", "shop"),
        ("k8s.pod.name", "web-0"),
        ("proc.name", "python3"),
        ("proc.exepath", "/usr/bin/python3"),
        ("proc.pname", "sh"),
        ("user.name", "root"),
        ("fd.name", "/proc/sys/kernel/core_pattern"),
    ];
    for (key, value) in expected {
        assert_eq!(fields[key], value, "{key}");
    }
    assert_eq!(fields["evt.time"], 1_700_000_100_000_000_000_i64);
}

#[test]
fn what_is_in_no_container_is_the_host_s() {
    let alert = Alert {
        container: None,
        process: None,
        ..core_pattern()
    };
    let event = event(&alert);
    assert!(is_taken(&event));
    assert_eq!(event["output_fields"]["container.id"], "host");
    assert!(event["output_fields"]["k8s.ns.name"].is_null());
}
