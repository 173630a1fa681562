//! Loki's push API. Few labels: each combination is a stream, and a stream costs Loki memory.

use super::client::{Body, HttpClient};
use crate::format::Format;
use crate::sink::{AlertBatch, Sink, SinkError};
use crate::sinks::fields::{self, Outgoing};
use async_trait::async_trait;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Pushes lines.
#[derive(Debug)]
pub(super) struct Loki {
    client: HttpClient,
    tenant: Option<String>,
    format: Format,
}

impl Loki {
    pub(super) fn new(client: HttpClient, tenant: Option<String>, format: Format) -> Self {
        Self {
            client,
            tenant,
            format,
        }
    }
}

#[async_trait]
impl Sink for Loki {
    async fn deliver(&mut self, batch: &AlertBatch) -> Result<(), SinkError> {
        let tenant = self.tenant.clone().map(|tenant| ("x-scope-orgid", tenant));
        let body = Body {
            content_type: "application/json",
            bytes: body(&fields::of_batch(batch, self.format)?)
                .to_string()
                .into_bytes(),
            headers: tenant.into_iter().collect(),
        };
        self.client.post("/loki/api/v1/push", body).await.map(drop)
    }

    async fn healthcheck(&mut self) -> Result<(), SinkError> {
        self.client.get("/ready").await
    }
}

fn body(alerts: &[Outgoing<'_>]) -> Value {
    let mut streams: BTreeMap<String, (Value, Vec<Value>)> = BTreeMap::new();
    for alert in alerts {
        let labels = labels(alert);
        let stream = streams
            .entry(labels.to_string())
            .or_insert_with(|| (labels, Vec::new()));
        stream
            .1
            .push(json!([alert.unix_ns().to_string(), alert.body, metadata(alert)]));
    }
    let streams: Vec<Value> = streams
        .into_values()
        .map(|(labels, values)| json!({ "stream": labels, "values": values }))
        .collect();
    json!({ "streams": streams })
}

fn labels(alert: &Outgoing<'_>) -> Value {
    let mut labels = Map::new();
    labels.insert("source".to_owned(), "vigia".into());
    labels.insert("rule".to_owned(), alert.rule.as_ref().into());
    labels.insert("priority".to_owned(), alert.severity.name().into());
    labels.insert("hostname".to_owned(), alert.node.as_ref().into());
    if let Some(pod) = alert.pod() {
        labels.insert("k8s_ns_name".to_owned(), pod.namespace.as_ref().into());
    }
    labels.into()
}

/// What is looked up and not grouped by: structured metadata.
fn metadata(alert: &Outgoing<'_>) -> Value {
    let mut metadata = Map::new();
    metadata.insert("alert_id".to_owned(), alert.unique_id().into());
    if let Some(container) = &alert.container {
        metadata.insert("container_id".to_owned(), container.id.as_ref().into());
    }
    if let Some(pod) = alert.pod() {
        metadata.insert("k8s_pod_name".to_owned(), pod.name.as_ref().into());
    }
    metadata.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alerts_of_one_kind_share_a_stream() {
        let batch = fields::samples(3);
        let pushed = body(&fields::of_batch(&batch, Format::Native).unwrap());
        let streams = pushed["streams"].as_array().unwrap();
        assert_eq!(streams.len(), 1);
        assert_eq!(streams[0]["values"].as_array().unwrap().len(), 3);
        assert_eq!(streams[0]["values"][0][0], "1795860000123456789");
        assert_eq!(streams[0]["stream"]["k8s_ns_name"], "shop");
    }
}
