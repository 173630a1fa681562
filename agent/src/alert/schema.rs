//! The alert's JSON Schema, made from the types. `docs/alert.schema.json` is its committed form.

use super::Alert;
use agent_common::event::EventKind;
use serde_json::{Value, json};

/// The schema as a JSON document.
#[must_use]
pub fn schema() -> Value {
    let mut schema = schemars::schema_for!(Alert).to_value();
    let kinds: Vec<&str> = EventKind::ALL
        .iter()
        .map(|(_, name)| *name)
        .chain(["sensor"])
        .collect();
    let evidence = json!({
        "description": "`kind` and what belongs to it; further keys come with the kind and the rule.",
        "type": "object",
        "required": ["kind"],
        "properties": {
            "kind": {"type": "string", "enum": kinds},
            "trust": {"type": "string", "enum": ["resolved", "racy", "arguments", "unknown"]},
            "backend": {"type": "string", "enum": ["tracepoint", "fentry", "lsm", "cgroup", "unknown"]},
        },
    });
    for (pointer, value) in [
        (
            "/properties/schema",
            json!({"type": "string", "const": super::SCHEMA}),
        ),
        ("/properties/evidence", evidence),
        (
            "/properties/metadata",
            json!({"type": "string", "enum": ["pending", "resolved", "unavailable"]}),
        ),
    ] {
        if let Some(place) = schema.pointer_mut(pointer) {
            *place = value;
        }
    }
    schema
}

/// The schema as the file has it.
#[must_use]
pub fn document() -> String {
    // `:#` is serde_json's pretty form.
    format!("{:#}\n", schema())
}
