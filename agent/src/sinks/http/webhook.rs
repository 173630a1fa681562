//! Webhook: a batch of CloudEvents 1.0, signed by HMAC-SHA256 where a secret is given.

use super::client::{Body, HttpClient};
use crate::format::Format;
use crate::sink::{AlertBatch, Sink, SinkError};
use crate::sinks::failure::retry;
use crate::sinks::fields::{self, Outgoing};
use crate::sinks::secret;
use async_trait::async_trait;
use hmac::{Hmac, Mac};
use serde_json::value::RawValue;
use sha2::Sha256;
use std::path::PathBuf;

const TYPE: &str = "dev.vigia.alert.v1";
/// `sha256=` and the signature of the body, hexadecimal: the form that GitHub's receivers know.
const SIGNATURE: &str = "x-vigia-signature-256";

/// Posts batches of CloudEvents.
#[derive(Debug)]
pub(super) struct Webhook {
    client: HttpClient,
    secret_file: Option<PathBuf>,
    format: Format,
}

/// One event. `id` differs between revisions: receivers may take equal ids for duplicates.
#[derive(Debug, serde::Serialize)]
struct CloudEvent<'a> {
    specversion: &'static str,
    id: String,
    source: String,
    r#type: &'static str,
    time: String,
    datacontenttype: &'static str,
    severity: &'static str,
    rule: &'a str,
    data: Box<RawValue>,
}

impl Webhook {
    pub(super) fn new(client: HttpClient, secret_file: Option<PathBuf>, format: Format) -> Self {
        Self {
            client,
            secret_file,
            format,
        }
    }
}

impl Webhook {
    async fn post(&self, content_type: &'static str, bytes: Vec<u8>) -> Result<(), SinkError> {
        let mut headers = Vec::new();
        if let Some(file) = &self.secret_file {
            let key = secret::read(file).map_err(|error| retry("sign alerts", error))?;
            headers.push((SIGNATURE, format!("sha256={}", signature(key.as_bytes(), &bytes))));
        }
        let body = Body {
            content_type,
            bytes,
            headers,
        };
        self.client.post("", body).await.map(drop)
    }
}

#[async_trait]
impl Sink for Webhook {
    async fn deliver(&mut self, batch: &AlertBatch) -> Result<(), SinkError> {
        let alerts = fields::of_batch(batch, self.format)?;
        if self.format != Format::Falco {
            let events = serde_json::to_vec(&alerts.iter().map(event).collect::<Vec<_>>());
            let events = events.map_err(|error| SinkError::Reject {
                reason: error.to_string(),
            })?;
            return self.post("application/cloudevents-batch+json", events).await;
        }
        // What takes Falco's alerts takes one at a time, and no envelope.
        for alert in alerts {
            self.post("application/json", alert.body.into_owned().into())
                .await?;
        }
        Ok(())
    }
}

fn event<'a>(alert: &'a Outgoing<'_>) -> CloudEvent<'a> {
    CloudEvent {
        specversion: "1.0",
        id: alert.unique_id(),
        source: format!("//{}/vigia", alert.node),
        r#type: TYPE,
        time: alert.time.to_rfc3339(),
        datacontenttype: "application/json",
        severity: alert.severity.name(),
        rule: &alert.rule,
        data: alert.json(),
    }
}

fn signature(key: &[u8], body: &[u8]) -> String {
    // Keys of every length are taken.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else {
        return String::new();
    };
    mac.update(body);
    mac.finalize()
        .into_bytes()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_is_what_rfc_4231_says() {
        // Test case 2.
        assert_eq!(
            signature(b"Jefe", b"what do ya want for nothing?"),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
    }

    #[test]
    fn each_event_carries_the_alert_as_it_is() {
        let batch = fields::samples(2);
        let alerts = fields::of_batch(&batch, Format::Native).unwrap();
        let events = serde_json::to_value(alerts.iter().map(event).collect::<Vec<_>>()).unwrap();
        let alert: serde_json::Value = serde_json::from_slice(&batch.records[1].payload).unwrap();
        assert_eq!(events[1]["data"], alert);
        assert_eq!(events[1]["specversion"], "1.0");
        assert_eq!(
            events[1]["id"],
            format!("{}-{}", alert["id"].as_str().unwrap(), alert["revision"])
        );
    }
}
