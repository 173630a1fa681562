//! `_bulk` of Elasticsearch and OpenSearch. Documents are created under the alert's id and revision: what was there before is a
//! success, so alerts that come twice are stored once.

use super::client::{Body, HttpClient};
use crate::format::Format;
use crate::sink::{AlertBatch, Sink, SinkError};
use crate::sinks::failure::{excerpt, retry};
use crate::sinks::fields;
use async_trait::async_trait;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;

const CONFLICT: u16 = 409;
const TOO_MANY_REQUESTS: u16 = 429;

/// Creates documents.
#[derive(Debug)]
pub(super) struct Elasticsearch {
    client: HttpClient,
    index: String,
    format: Format,
}

#[derive(Debug, Deserialize)]
struct Answer {
    items: Vec<BTreeMap<String, Item>>,
}

#[derive(Debug, Deserialize)]
struct Item {
    status: u16,
    #[serde(default)]
    error: Value,
}

impl Elasticsearch {
    pub(super) fn new(client: HttpClient, index: String, format: Format) -> Self {
        Self {
            client,
            index,
            format,
        }
    }
}

#[async_trait]
impl Sink for Elasticsearch {
    async fn deliver(&mut self, batch: &AlertBatch) -> Result<(), SinkError> {
        let body = Body {
            content_type: "application/x-ndjson",
            bytes: body(batch, &self.index, self.format)?,
            headers: Vec::new(),
        };
        let answer = self.client.post("/_bulk", body).await?;
        judge(&answer, batch.records.len())
    }

    async fn healthcheck(&mut self) -> Result<(), SinkError> {
        self.client.get("/").await
    }
}

fn body(batch: &AlertBatch, index: &str, format: Format) -> Result<Vec<u8>, SinkError> {
    let mut bytes = Vec::new();
    for alert in fields::of_batch(batch, format)? {
        let action = json!({ "create": { "_index": index, "_id": alert.unique_id() } });
        bytes.extend_from_slice(action.to_string().as_bytes());
        bytes.push(b'\n');
        match alert.body.strip_prefix('{').filter(|_| format != Format::Ecs) {
            // Data streams need the time under this name, which ECS has of its own.
            Some(rest) => {
                let time = alert.time.to_rfc3339();
                bytes.extend_from_slice(format!("{{\"@timestamp\":\"{time}\",{rest}").as_bytes());
            }
            None => bytes.extend_from_slice(alert.body.as_bytes()),
        }
        bytes.push(b'\n');
    }
    Ok(bytes)
}

/// Every item has a status of its own. One that may work later is a reason to send all again: what was created conflicts then.
fn judge(answer: &[u8], sent: usize) -> Result<(), SinkError> {
    let action = "understand the answer to _bulk";
    let parsed: Answer = serde_json::from_slice(answer)
        .map_err(|error| retry(action, format!("{error}: `{}`", excerpt(answer))))?;
    let items: Vec<&Item> = parsed
        .items
        .iter()
        .filter_map(|item| item.values().next())
        .collect();
    if items.len() != sent {
        return Err(retry(
            action,
            format!("{} of {sent} alerts are answered", items.len()),
        ));
    }
    let mut refused = None;
    for item in items {
        match item.status {
            200..=299 | CONFLICT => {}
            TOO_MANY_REQUESTS | 500.. | 401 | 403 | 404 => {
                return Err(retry("create documents", reason(item)));
            }
            _ => refused = Some(reason(item)),
        }
    }
    match refused {
        Some(reason) => Err(SinkError::Reject { reason }),
        None => Ok(()),
    }
}

fn reason(item: &Item) -> String {
    let said = item.error["reason"]
        .as_str()
        .map_or_else(|| item.error.to_string(), str::to_owned);
    format!("{}: {}", item.status, excerpt(said.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_have_ids_and_a_time() {
        let bytes = body(&fields::samples(1), "vigia", Format::Native).unwrap();
        let lines: Vec<Value> = bytes
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty())
            .map(|line| serde_json::from_slice(line).unwrap())
            .collect();
        assert_eq!(
            lines[0]["create"]["_id"],
            "01930000-0000-7000-8000-000000000000-1"
        );
        assert_eq!(lines[1]["@timestamp"], "2026-11-28T10:00:00.123456789Z");
        assert_eq!(lines[1]["rule"], "escape.core_pattern");
    }

    #[test]
    fn a_conflict_is_a_success_and_an_overload_is_not() {
        let answer = |status: u16| {
            json!({"errors": true, "items": [{"create": {"status": status, "error": {"reason": "why"}}}]})
                .to_string()
        };
        assert!(judge(answer(201).as_bytes(), 1).is_ok());
        assert!(judge(answer(409).as_bytes(), 1).is_ok());
        assert!(matches!(
            judge(answer(429).as_bytes(), 1),
            Err(SinkError::Retry { .. })
        ));
        assert!(matches!(
            judge(answer(400).as_bytes(), 1),
            Err(SinkError::Reject { .. })
        ));
        assert!(matches!(
            judge(answer(201).as_bytes(), 2),
            Err(SinkError::Retry { .. })
        ));
        assert!(matches!(judge(b"<html>", 1), Err(SinkError::Retry { .. })));
    }
}
