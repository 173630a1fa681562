//! What an event has to look like: conditions on fields of a `vigia.event/v1` line.

use anyhow::{Context, Result, bail};
use regex::Regex;
use serde::Deserialize;
use serde_json::{Map, Value};
use std::borrow::Cow;

/// All conditions must hold. Field names are the evidence's; those with `process.` before them are the process's, and
/// a number after a dot is a place in a list. `local` and `remote` are `address:port`, `anything` is every text of the
/// evidence.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "Map<String, Value>")]
pub(super) struct Matcher(Vec<(String, Vec<Condition>)>);

#[derive(Debug, Clone)]
enum Condition {
    Equals(Value),
    Prefix(String),
    Suffix(String),
    Matches(Regex),
    Min(i64),
    Max(i64),
    /// Every bit of it.
    Bits(u64),
    /// None of them.
    Without(u64),
    Present(bool),
}

impl TryFrom<Map<String, Value>> for Matcher {
    type Error = anyhow::Error;

    fn try_from(fields: Map<String, Value>) -> Result<Self> {
        let compiled = fields.into_iter().map(|(name, wanted)| {
            let conditions = conditions(wanted).with_context(|| name.clone())?;
            Ok((name, conditions))
        });
        Ok(Self(compiled.collect::<Result<_>>()?))
    }
}

fn conditions(wanted: Value) -> Result<Vec<Condition>> {
    match wanted {
        Value::Object(named) => named
            .into_iter()
            .map(|(name, value)| condition(&name, &value))
            .collect(),
        value => Ok(vec![Condition::Equals(value)]),
    }
}

fn condition(name: &str, value: &Value) -> Result<Condition> {
    let text = || value.as_str().map(str::to_owned).context("no text");
    let number = || value.as_i64().context("no number");
    Ok(match name {
        "prefix" => Condition::Prefix(text()?),
        "suffix" => Condition::Suffix(text()?),
        "regex" => Condition::Matches(Regex::new(&text()?)?),
        "min" => Condition::Min(number()?),
        "max" => Condition::Max(number()?),
        "bits" => Condition::Bits(value.as_u64().context("no bits")?),
        "without" => Condition::Without(value.as_u64().context("no bits")?),
        "present" => Condition::Present(value.as_bool().context("no bool")?),
        other => bail!("no condition is called {other}"),
    })
}

impl Matcher {
    pub(super) fn matches(&self, line: &Value) -> bool {
        self.0.iter().all(|(name, conditions)| {
            let found = field(line, name);
            conditions
                .iter()
                .all(|condition| condition.holds_for(found.as_deref()))
        })
    }

    /// The fields that were asked for, with what the event has in them; of lists, what was asked for.
    pub(super) fn decisive(&self, line: &Value) -> Vec<(String, Value)> {
        let named = self.0.iter().filter(|(name, _)| name != "kind");
        let found = named.filter_map(|(name, conditions)| {
            let value = field(line, name)?.into_owned();
            let is_asked = |element: &Value| {
                conditions
                    .iter()
                    .all(|condition| condition.holds_for(Some(element)))
            };
            let value = match value {
                Value::Array(elements) => elements.into_iter().find(is_asked)?,
                value => value,
            };
            Some((name.clone(), value))
        });
        found.collect()
    }
}

impl std::fmt::Display for Matcher {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (number, (name, conditions)) in self.0.iter().enumerate() {
            let blank = if number == 0 { "" } else { " " };
            let said: Vec<String> = conditions.iter().map(ToString::to_string).collect();
            write!(formatter, "{blank}{name}{}", said.join(","))?;
        }
        Ok(())
    }
}

impl std::fmt::Display for Condition {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Equals(Value::String(text)) => write!(formatter, "={text}"),
            Self::Equals(value) => write!(formatter, "={value}"),
            Self::Prefix(text) => write!(formatter, "={text}…"),
            Self::Suffix(text) => write!(formatter, "=…{text}"),
            Self::Matches(regex) => write!(formatter, "~{regex}"),
            Self::Min(number) => write!(formatter, ">={number}"),
            Self::Max(number) => write!(formatter, "<={number}"),
            Self::Bits(bits) => write!(formatter, "&{bits:#x}"),
            Self::Without(bits) => write!(formatter, "&!{bits:#x}"),
            Self::Present(true) => write!(formatter, " present"),
            Self::Present(false) => write!(formatter, " absent"),
        }
    }
}

impl Condition {
    fn holds_for(&self, found: Option<&Value>) -> bool {
        match (self, found) {
            (Self::Present(wanted), found) => found.is_some() == *wanted,
            (_, None) => false,
            (Self::Equals(wanted), Some(found)) if wanted == found => true,
            // A list satisfies what one of its elements does.
            (_, Some(Value::Array(elements))) => elements.iter().any(|element| self.holds_for(Some(element))),
            (_, Some(found)) => self.holds_for_one(found),
        }
    }

    fn holds_for_one(&self, found: &Value) -> bool {
        let text = |accept: &dyn Fn(&str) -> bool| found.as_str().is_some_and(accept);
        match self {
            Self::Equals(_) | Self::Present(_) => false,
            Self::Prefix(prefix) => text(&|text| text.starts_with(prefix.as_str())),
            Self::Suffix(suffix) => text(&|text| text.ends_with(suffix.as_str())),
            Self::Matches(regex) => text(&|text| regex.is_match(text)),
            Self::Min(least) => found.as_i64().is_some_and(|number| number >= *least),
            Self::Max(most) => found.as_i64().is_some_and(|number| number <= *most),
            Self::Bits(bits) => found.as_u64().is_some_and(|number| number & bits == *bits),
            Self::Without(bits) => found.as_u64().is_some_and(|number| number & bits == 0),
        }
    }
}

fn field<'a>(line: &'a Value, name: &str) -> Option<Cow<'a, Value>> {
    let evidence = &line["evidence"];
    let (root, path) = match name.strip_prefix("process.") {
        Some(rest) => (&line["process"], rest),
        None => (evidence, name),
    };
    match name {
        "local" | "remote" => end(evidence, name).map(Cow::Owned),
        "anything" => Some(Cow::Owned(texts(line))),
        _ => root
            .pointer(&format!("/{}", path.replace('.', "/")))
            .map(Cow::Borrowed),
    }
}

fn end(evidence: &Value, side: &str) -> Option<Value> {
    let address = evidence[format!("{side}_address")].as_str()?;
    let port = evidence[format!("{side}_port")].as_u64()?;
    Some(Value::String(format!("{address}:{port}")))
}

fn texts(line: &Value) -> Value {
    let evidence = &line["evidence"];
    let arguments = line["process"]["args"].as_array().into_iter().flatten();
    let fields = evidence.as_object().into_iter().flatten().map(|(_, value)| value);
    let texts = fields.chain(arguments).filter(|value| value.is_string()).cloned();
    texts
        .chain(["local", "remote"].iter().filter_map(|side| end(evidence, side)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn matcher(fields: &Value) -> Matcher {
        serde_json::from_value(fields.clone()).unwrap()
    }

    #[test]
    fn every_condition_must_hold() {
        let line = json!({
            "process": {"args": ["cat", "/etc/shadow"]},
            "evidence": {"kind": "file_open", "path": "/etc/shadow", "ret": -13, "open_flags": 0o101, "args": [3, 7],
                "remote_address": "10.0.0.1", "remote_port": 80},
        });
        for (fields, holds) in [
            (json!({"kind": "file_open", "path": "/etc/shadow"}), true),
            (json!({"kind": "exec", "path": "/etc/shadow"}), false),
            (json!({"path": {"prefix": "/etc/", "suffix": "shadow"}}), true),
            (json!({"path": {"prefix": "/etc/", "suffix": "passwd"}}), false),
            (json!({"path": {"regex": "^/etc/.hadow$"}}), true),
            (json!({"ret": {"max": -1}}), true),
            (json!({"ret": {"min": 0}}), false),
            (json!({"open_flags": {"bits": 0o100}}), true),
            (json!({"open_flags": {"bits": 0o1000}}), false),
            (json!({"open_flags": {"without": 0o1000}}), true),
            (json!({"open_flags": {"without": 0o100}}), false),
            (json!({"process.args": "/etc/shadow"}), true),
            (json!({"process.args.0": "/etc/shadow"}), false),
            (json!({"args.1": 7}), true),
            (json!({"remote": "10.0.0.1:80"}), true),
            (json!({"anything": {"suffix": ":80"}}), true),
            (json!({"anything": {"suffix": ":81"}}), false),
            (json!({"other": {"present": false}}), true),
            (json!({"other": {"regex": ".*"}}), false),
        ] {
            assert_eq!(matcher(&fields).matches(&line), holds, "{fields}");
        }
    }

    #[test]
    fn unknown_conditions_are_refused() {
        assert!(serde_json::from_value::<Matcher>(json!({"path": {"ending": "x"}})).is_err());
    }
}
