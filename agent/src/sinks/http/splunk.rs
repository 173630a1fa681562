//! Splunk's HTTP event collector, with indexer acknowledgement where the token asks for it: only then Splunk promises that it has
//! written what it took.

use super::client::{Body, HttpClient};
use crate::format::Format;
use crate::sink::{AlertBatch, Sink, SinkError};
use crate::sinks::failure::{excerpt, retry};
use crate::sinks::fields;
use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::collections::HashMap;
use std::time::Duration;
use tokio::time::{Instant, sleep};

const EVENTS: &str = "/services/collector/event";
/// Indexers write within seconds; after this the batch is sent again.
const ACKNOWLEDGED_WITHIN: Duration = Duration::from_secs(60);
const ASK_EVERY: Duration = Duration::from_millis(250);

/// Posts events, and asks whether they are indexed.
#[derive(Debug)]
pub(super) struct SplunkHec {
    client: HttpClient,
    index: Option<String>,
    format: Format,
    /// One per sink and start: acknowledgements are numbered within it.
    channel: String,
}

#[derive(Debug, Serialize)]
struct Event<'a> {
    /// Seconds since the Unix epoch, with a fraction.
    time: String,
    host: &'a str,
    source: &'static str,
    sourcetype: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    index: Option<&'a str>,
    event: &'a RawValue,
}

#[derive(Debug, Deserialize)]
struct Taken {
    #[serde(rename = "ackId")]
    ack_id: Option<u64>,
}

#[derive(Debug, Deserialize)]
struct Acknowledged {
    acks: HashMap<String, bool>,
}

impl SplunkHec {
    pub(super) fn new(client: HttpClient, index: Option<String>, format: Format) -> Self {
        Self {
            client,
            index,
            format,
            channel: uuid::Uuid::now_v7().to_string(),
        }
    }

    async fn post(&self, path: &str, bytes: Vec<u8>) -> Result<Vec<u8>, SinkError> {
        let body = Body {
            content_type: "application/json",
            bytes,
            headers: vec![("x-splunk-request-channel", self.channel.clone())],
        };
        match self.client.post(path, body).await {
            // An unknown index or channel is the configuration's fault, and may be put right.
            Err(SinkError::Reject { reason }) if !reason.contains("Invalid data format") => {
                Err(retry("post to Splunk", reason))
            }
            other => other,
        }
    }

    async fn wait_for(&self, id: u64) -> Result<(), SinkError> {
        let question = serde_json::json!({ "acks": [id] }).to_string();
        let until = Instant::now() + ACKNOWLEDGED_WITHIN;
        while Instant::now() < until {
            let answer = self
                .post("/services/collector/ack", question.clone().into_bytes())
                .await?;
            let acknowledged: Acknowledged = understood(&answer)?;
            if acknowledged.acks.get(&id.to_string()) == Some(&true) {
                return Ok(());
            }
            sleep(ASK_EVERY).await;
        }
        Err(retry(
            "wait for Splunk's acknowledgement",
            "the indexers did not confirm within 60 s",
        ))
    }
}

#[async_trait]
impl Sink for SplunkHec {
    async fn deliver(&mut self, batch: &AlertBatch) -> Result<(), SinkError> {
        let bytes = body(batch, self.index.as_deref(), self.format)?;
        let answer = self.post(EVENTS, bytes).await?;
        let taken: Taken = understood(&answer)?;
        match taken.ack_id {
            Some(id) => self.wait_for(id).await,
            None => Ok(()),
        }
    }

    async fn healthcheck(&mut self) -> Result<(), SinkError> {
        self.client.get("/services/collector/health").await
    }
}

/// Events one after the other, as the collector takes them.
fn body(batch: &AlertBatch, index: Option<&str>, format: Format) -> Result<Vec<u8>, SinkError> {
    let mut bytes = Vec::new();
    for alert in fields::of_batch(batch, format)? {
        let ns = alert.unix_ns();
        let event = alert.json();
        let event = Event {
            time: format!("{}.{:06}", ns / 1_000_000_000, ns % 1_000_000_000 / 1000),
            host: &alert.node,
            source: "vigia",
            sourcetype: "vigia:alert",
            index,
            event: &event,
        };
        serde_json::to_writer(&mut bytes, &event).map_err(|error| SinkError::Reject {
            reason: error.to_string(),
        })?;
        bytes.push(b'\n');
    }
    Ok(bytes)
}

fn understood<'a, T: Deserialize<'a>>(answer: &'a [u8]) -> Result<T, SinkError> {
    serde_json::from_slice(answer)
        .map_err(|_| retry("understand Splunk's answer", format!("`{}`", excerpt(answer))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_carry_time_host_and_the_alert() {
        let bytes = body(&fields::samples(2), Some("security"), Format::Native).unwrap();
        let events: Vec<serde_json::Value> = serde_json::Deserializer::from_slice(&bytes)
            .into_iter()
            .collect::<Result<_, _>>()
            .unwrap();
        assert_eq!(events.len(), 2);
        assert_eq!(events[0]["time"], "1795860000.123456");
        assert_eq!(events[0]["index"], "security");
        assert_eq!(events[0]["event"]["rule"], "escape.core_pattern");
    }
}
