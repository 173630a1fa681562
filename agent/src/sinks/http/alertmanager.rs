//! Alertmanager, API v2. Labels are what an alert is grouped and de-duplicated by, so they hold no process ids and no paths; what
//! changes stands in the annotations.

use super::client::{Body, HttpClient};
use crate::format::Format;
use crate::sink::{AlertBatch, Sink, SinkError};
use crate::sinks::fields::{self, Fields};
use async_trait::async_trait;
use serde_json::{Map, Value, json};

/// Posts alerts.
#[derive(Debug)]
pub(super) struct Alertmanager {
    client: HttpClient,
}

impl Alertmanager {
    pub(super) fn new(client: HttpClient) -> Self {
        Self { client }
    }
}

#[async_trait]
impl Sink for Alertmanager {
    async fn deliver(&mut self, batch: &AlertBatch) -> Result<(), SinkError> {
        let alerts = fields::of_batch(batch, Format::Native)?;
        let posted: Vec<Value> = alerts.iter().map(|alert| alert_of(alert)).collect();
        let body = Body {
            content_type: "application/json",
            bytes: Value::from(posted).to_string().into_bytes(),
            headers: Vec::new(),
        };
        self.client.post("/api/v2/alerts", body).await.map(drop)
    }

    async fn healthcheck(&mut self) -> Result<(), SinkError> {
        self.client.get("/-/ready").await
    }
}

/// Without an end, which would be Alertmanager's `resolve_timeout` after the start: an alert that comes late, for the receiver was
/// away, would have ended before anybody was told.
fn alert_of(alert: &Fields<'_>) -> Value {
    json!({
        "labels": labels(alert),
        "annotations": {
            "summary": alert.summary,
            "description": format!("Vigia rule {} on {}", alert.rule, alert.node),
            "alert_id": alert.unique_id(),
        },
        "startsAt": alert.time.to_rfc3339(),
    })
}

/// Absent ones are left out: an empty label is none to Alertmanager.
fn labels(alert: &Fields<'_>) -> Map<String, Value> {
    let container = alert.container.as_ref();
    let pod = alert.pod();
    let pairs = [
        ("alertname", Some(alert.rule.as_ref())),
        ("severity", Some(alert.severity.name())),
        ("class", Some(alert.class.name())),
        ("rule", Some(alert.rule.as_ref())),
        ("source", Some("vigia")),
        ("hostname", Some(alert.node.as_ref())),
        ("namespace", pod.map(|pod| pod.namespace.as_ref())),
        ("pod_name", pod.map(|pod| pod.name.as_ref())),
        (
            "container_name",
            container.and_then(|container| container.name.as_deref()),
        ),
        ("container_id", container.map(|container| short(&container.id))),
        (
            "image",
            container.and_then(|container| container.image.reference.as_deref()),
        ),
    ];
    pairs
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), Value::from(value?))))
        .collect()
}

/// Twelve digits, as the runtimes' tools show them.
fn short(id: &str) -> &str {
    id.get(..12).unwrap_or(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_few_and_texts() {
        let batch = fields::samples(1);
        let alert = fields::of_line(&batch.records[0].payload, Format::Native).unwrap();
        let posted = alert_of(&alert);
        let labels = posted["labels"].as_object().unwrap();
        assert!(labels.values().all(Value::is_string), "{labels:?}");
        assert!(
            labels
                .keys()
                .all(|name| name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'))
        );
        assert_eq!(labels["namespace"], "shop");
        assert_eq!(posted["startsAt"], "2026-11-28T10:00:00.123456789Z");
        assert_eq!(posted.get("endsAt"), None);
    }
}
