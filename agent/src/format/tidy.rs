//! Trees of JSON without what says nothing.

use serde_json::{Map, Value};

/// The value without nulls, empty objects and empty lists, at every depth.
pub(super) fn without_empty(value: Value) -> Value {
    match value {
        Value::Object(map) => Value::Object(map_without_empty(map)),
        Value::Array(items) => items
            .into_iter()
            .map(without_empty)
            .filter(says_something)
            .collect(),
        scalar => scalar,
    }
}

fn map_without_empty(map: Map<String, Value>) -> Map<String, Value> {
    map.into_iter()
        .map(|(key, value)| (key, without_empty(value)))
        .filter(|(_, value)| says_something(value))
        .collect()
}

fn says_something(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Object(map) => !map.is_empty(),
        Value::Array(items) => !items.is_empty(),
        _ => true,
    }
}

/// The value with every scalar as text: receivers that give each key one type take it whatever the kind of evidence.
pub(super) fn as_texts(value: Value) -> Value {
    match value {
        Value::Object(map) => map
            .into_iter()
            .map(|(key, value)| (key, as_texts(value)))
            .collect(),
        Value::Array(items) => items.into_iter().map(as_texts).collect(),
        Value::Bool(flag) => flag.to_string().into(),
        Value::Number(number) => number.to_string().into(),
        other => other,
    }
}
