//! OTLP by HTTP, as protobuf.

use super::client::{Body, HttpClient};
use crate::format::Format;
use crate::sink::{AlertBatch, Sink, SinkError};
use crate::sinks::failure::retry;
use crate::sinks::{fields, otlp};
use async_trait::async_trait;
use opentelemetry_proto::tonic::collector::logs::v1::{ExportLogsServiceRequest, ExportLogsServiceResponse};
use prost::Message;

/// Posts to `/v1/logs`.
#[derive(Debug)]
pub(super) struct OtlpHttp {
    client: HttpClient,
    format: Format,
}

impl OtlpHttp {
    pub(super) fn new(client: HttpClient, format: Format) -> Self {
        Self { client, format }
    }

    async fn export(&self, logs: &ExportLogsServiceRequest) -> Result<(), SinkError> {
        let body = Body {
            content_type: "application/x-protobuf",
            bytes: logs.encode_to_vec(),
            headers: Vec::new(),
        };
        let answer = self.client.post("/v1/logs", body).await?;
        let answer = ExportLogsServiceResponse::decode(answer.as_slice())
            .map_err(|error| retry("understand the collector's answer", error))?;
        otlp::judge(&answer)
    }
}

#[async_trait]
impl Sink for OtlpHttp {
    async fn deliver(&mut self, batch: &AlertBatch) -> Result<(), SinkError> {
        self.export(&otlp::request(&fields::of_batch(batch, self.format)?))
            .await
    }

    async fn healthcheck(&mut self) -> Result<(), SinkError> {
        self.export(&ExportLogsServiceRequest::default()).await
    }
}
