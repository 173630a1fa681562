//! Receivers behind HTTP: one client, and a module for what each of them speaks.

mod alertmanager;
mod client;
mod elasticsearch;
mod loki;
mod otlp;
mod splunk;
mod webhook;

use crate::config::{HttpApi, HttpSink};
use crate::format::Format;
use crate::sink::{Sink, SinkError};
use client::HttpClient;

/// Makes the sink for what is spoken there.
///
/// # Errors
/// When a certificate cannot be used.
pub(super) fn open(config: &HttpSink, format: Format) -> Result<Box<dyn Sink>, SinkError> {
    let client = HttpClient::new(config)?;
    Ok(match &config.api {
        HttpApi::Webhook { secret_file } => {
            Box::new(webhook::Webhook::new(client, secret_file.clone(), format))
        }
        HttpApi::Alertmanager => Box::new(alertmanager::Alertmanager::new(client)),
        HttpApi::SplunkHec { index } => Box::new(splunk::SplunkHec::new(client, index.clone(), format)),
        HttpApi::Elasticsearch { index } => {
            Box::new(elasticsearch::Elasticsearch::new(client, index.clone(), format))
        }
        HttpApi::Loki { tenant } => Box::new(loki::Loki::new(client, tenant.clone(), format)),
        HttpApi::Otlp => Box::new(otlp::OtlpHttp::new(client, format)),
    })
}
