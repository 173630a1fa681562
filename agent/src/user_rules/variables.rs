//! What conditions, placeholders and exceptions see of an event: its evidence, process and container as `agent watch --json` shows them,
//! but complete. What an event does not have is empty, so that a condition need not ask whether it is there.

use super::derived;
use super::fields::{CONTAINER, Field, FieldType, PROCESS, event_fields};
use super::model::Given;
use crate::alert::Activity;
use crate::config::yaml::suggest;
use crate::detect::DetectContext;
use crate::event::EventKind;
use serde::Serialize;
use serde_json::{Map, Value, json};

/// Items of a list that its container makes as long as it likes: macros go through them.
const MAX_ITEMS: usize = 256;

/// The three variables.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Variables {
    pub(super) event: Map<String, Value>,
    pub(super) process: Map<String, Value>,
    pub(super) container: Map<String, Value>,
}

impl Variables {
    /// Of an event.
    pub(super) fn of(context: &DetectContext<'_>) -> Self {
        let kind = context.event.raw.header.kind;
        let shown = Activity::of(context.event, context.host, context.neighbours);
        let mut process = object(&shown.process);
        if shorten(&mut process, "args") | shorten(&mut process, "ancestors") {
            process.insert("truncated".to_owned(), true.into());
        }
        let age = shown.time.since(shown.process.start).as_millis();
        process.insert("age_ms".to_owned(), i64::try_from(age).unwrap_or(i64::MAX).into());
        let variables = Self {
            event: shown.evidence,
            process,
            container: object(&shown.container),
        };
        variables.completed(kind)
    }

    /// Of an event that has nothing.
    pub(super) fn absent(kind: EventKind) -> Self {
        let variables = Self {
            event: Map::new(),
            process: Map::new(),
            container: Map::new(),
        };
        variables.completed(kind)
    }

    /// Of an event that has everything.
    pub(super) fn full(kind: EventKind) -> Self {
        let mut event = filled(event_fields(kind));
        event.insert("kind".to_owned(), kind.name().into());
        Self {
            event,
            process: filled(PROCESS.iter()),
            container: filled(CONTAINER.iter()),
        }
    }

    /// Of what a test gives; else the reason why that is no event.
    pub(super) fn given(given: &Given) -> Result<Self, String> {
        let kind = given.kind.0;
        admit("event", &given.event, &event_fields(kind).collect::<Vec<_>>())?;
        admit("process", &given.process, &PROCESS.iter().collect::<Vec<_>>())?;
        admit(
            "container",
            &given.container,
            &CONTAINER.iter().collect::<Vec<_>>(),
        )?;
        let variables = Self {
            event: given.event.clone(),
            process: given.process.clone(),
            container: given.container.clone(),
        };
        Ok(variables.completed(kind))
    }

    /// With names for what is often asked, and with everything that is not there.
    fn completed(mut self, kind: EventKind) -> Self {
        self.event.insert("kind".to_owned(), kind.name().into());
        let exe = self.process.get("exe").or(self.event.get("exe"));
        // A test may name the file that is executed only; real events have both.
        let executed = self.event.get("path").filter(|_| kind == EventKind::EXEC);
        let exe = exe.or(executed).cloned();
        for (map, key) in [(&mut self.event, "exe"), (&mut self.process, "exe")] {
            keep(map, key, exe.as_ref());
        }
        if kind == EventKind::EXEC {
            keep(&mut self.event, "path", exe.as_ref());
        }
        derived::complete(kind, &self.event, &mut self.process);
        let of_pod = self.container.get("pod").and_then(|pod| pod.get("namespace"));
        match (of_pod.cloned(), self.container.get("namespace").cloned()) {
            (Some(of_pod), None) => drop(self.container.insert("namespace".to_owned(), of_pod)),
            (None, Some(own)) => {
                let pod = self.container.entry("pod").or_insert_with(|| json!({}));
                if let Some(pod) = pod.as_object_mut() {
                    pod.insert("namespace".to_owned(), own);
                }
            }
            _ => {}
        }
        complete(&mut self.event, event_fields(kind));
        complete(&mut self.process, PROCESS.iter());
        complete(&mut self.container, CONTAINER.iter());
        self
    }

    /// The image's reference.
    pub(super) fn image(&self) -> Option<&str> {
        self.container.get("image")?.get("ref")?.as_str()
    }

    /// What a path of names leads to.
    pub(super) fn at(&self, root: &str, names: &[String]) -> Option<&Value> {
        let map = match root {
            "event" => &self.event,
            "process" => &self.process,
            _ => &self.container,
        };
        let (first, rest) = names.split_first()?;
        rest.iter()
            .try_fold(map.get(first)?, |value, name| value.get(name))
    }
}

/// True when there was more than conditions may go through.
fn shorten(map: &mut Map<String, Value>, key: &str) -> bool {
    let Some(Value::Array(items)) = map.get_mut(key) else {
        return false;
    };
    let long = items.len() > MAX_ITEMS;
    items.truncate(MAX_ITEMS);
    long
}

fn keep(map: &mut Map<String, Value>, key: &str, value: Option<&Value>) {
    if let (None, Some(value)) = (map.get(key), value) {
        map.insert(key.to_owned(), value.clone());
    }
}

fn object(value: &impl Serialize) -> Map<String, Value> {
    match serde_json::to_value(value) {
        Ok(Value::Object(map)) => map,
        // Of no container there is nothing to show.
        _ => Map::new(),
    }
}

pub(super) fn named(fields: &'static [Field], name: &str) -> Option<&'static Field> {
    fields.iter().find(|field| field.name == name)
}

fn complete(map: &mut Map<String, Value>, fields: impl Iterator<Item = &'static Field>) {
    for field in fields {
        let value = map.entry(field.name).or_insert(Value::Null);
        match (value, field.kind) {
            (value @ Value::Null, kind) => *value = empty(kind),
            (Value::Object(inner), FieldType::Object(fields)) => complete(inner, fields.iter()),
            (Value::Array(items), FieldType::List(FieldType::Object(fields))) => {
                for item in items.iter_mut().filter_map(Value::as_object_mut) {
                    complete(item, fields.iter());
                }
            }
            _ => {}
        }
    }
}

fn empty(kind: FieldType) -> Value {
    match kind {
        FieldType::Text => "".into(),
        FieldType::Number => 0.into(),
        FieldType::Flag => false.into(),
        FieldType::MaybeNumber | FieldType::MaybeFlag => Value::Null,
        FieldType::List(_) => Value::Array(Vec::new()),
        FieldType::Object(fields) => {
            let mut map = Map::new();
            complete(&mut map, fields.iter());
            Value::Object(map)
        }
        FieldType::Labels => Value::Object(Map::new()),
    }
}

fn filled(fields: impl Iterator<Item = &'static Field>) -> Map<String, Value> {
    fields
        .map(|field| (field.name.to_owned(), sample(field.kind)))
        .collect()
}

fn sample(kind: FieldType) -> Value {
    match kind {
        FieldType::Text => "sample".into(),
        FieldType::Number | FieldType::MaybeNumber => 7.into(),
        FieldType::Flag | FieldType::MaybeFlag => true.into(),
        FieldType::List(item) => Value::Array(vec![sample(*item)]),
        FieldType::Object(fields) => Value::Object(filled(fields.iter())),
        FieldType::Labels => json!({"sample": "sample"}),
    }
}

/// Every key must be a field, every value of its type.
fn admit(what: &str, map: &Map<String, Value>, fields: &[&'static Field]) -> Result<(), String> {
    for (key, value) in map {
        let path = format!("{what}.{key}");
        let Some(field) = fields.iter().find(|field| field.name == key) else {
            let names: Vec<&str> = fields.iter().map(|field| field.name).collect();
            return Err(unknown(&path, key, &names));
        };
        if !fits(field.kind, value) {
            return Err(format!("`{path}` is {}, not {value}", field.kind.name()));
        }
        if let (FieldType::Object(fields), Value::Object(inner)) = (field.kind, value) {
            admit(&path, inner, &fields.iter().collect::<Vec<_>>())?;
        }
    }
    Ok(())
}

/// That there is no such field, and which one may be meant.
pub(super) fn unknown(path: &str, name: &str, names: &[&str]) -> String {
    let near = suggest(name, names.iter().copied());
    let meant = near.map_or_else(
        || format!("there are {}", names.join(", ")),
        |near| format!("did you mean `{near}`?"),
    );
    format!("there is no field `{path}`; {meant}")
}

fn fits(kind: FieldType, value: &Value) -> bool {
    match kind {
        FieldType::Text => value.is_string(),
        FieldType::Number => value.is_i64() || value.is_u64(),
        FieldType::MaybeNumber => value.is_null() || value.is_i64() || value.is_u64(),
        FieldType::Flag => value.is_boolean(),
        FieldType::MaybeFlag => value.is_null() || value.is_boolean(),
        FieldType::List(item) => value
            .as_array()
            .is_some_and(|items| items.iter().all(|value| fits(*item, value))),
        FieldType::Object(_) => value.is_object(),
        FieldType::Labels => value
            .as_object()
            .is_some_and(|labels| labels.values().all(Value::is_string)),
    }
}
