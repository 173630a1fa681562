//! NATS `JetStream`: published with the alert's id and revision as message id, acknowledged by the stream, which keeps one of what
//! comes twice.

use crate::config::NatsSink;
use crate::format::Format;
use crate::sink::{AlertBatch, Sink, SinkError};
use crate::sinks::failure::{chain, retry};
use crate::sinks::fields::{self, Fields};
use crate::sinks::{secret, tls};
use async_nats::ConnectOptions;
use async_nats::jetstream::context::{Context, PublishErrorKind};
use async_nats::jetstream::message::PublishMessage;
use async_trait::async_trait;

/// Publishes alerts.
#[derive(Debug)]
pub(super) struct Nats {
    config: NatsSink,
    format: Format,
    context: Option<Context>,
}

impl Nats {
    /// Connects when the first alert comes.
    #[must_use]
    pub(super) fn new(config: NatsSink, format: Format) -> Self {
        Self {
            config,
            format,
            context: None,
        }
    }

    async fn connected(&mut self) -> Result<Context, SinkError> {
        if let Some(context) = &self.context {
            return Ok(context.clone());
        }
        let action = || format!("connect to {}", self.config.servers.join(", "));
        let options = options(&self.config)
            .await
            .map_err(|error| retry(action(), error))?;
        let client = options
            .connect(self.config.servers.as_slice())
            .await
            .map_err(|error| retry(action(), chain(&error)))?;
        let mut context = async_nats::jetstream::new(client);
        context.set_timeout(self.config.timeout);
        self.context = Some(context.clone());
        Ok(context)
    }

    async fn publish(&self, context: &Context, batch: &AlertBatch) -> Result<(), SinkError> {
        let mut promised = Vec::with_capacity(batch.records.len());
        for alert in fields::of_batch(batch, self.format)? {
            let message = PublishMessage::build()
                .message_id(alert.unique_id())
                .payload(alert.body.to_string().into());
            let subject = subject(&self.config.subject, &alert);
            let acknowledgement = context
                .send_publish(subject, message)
                .await
                .map_err(|error| self.failed(error.kind(), &chain(&error)))?;
            promised.push(acknowledgement);
        }
        for acknowledgement in promised {
            acknowledgement
                .await
                .map_err(|error| self.failed(error.kind(), &chain(&error)))?;
        }
        Ok(())
    }

    fn failed(&self, kind: PublishErrorKind, reason: &str) -> SinkError {
        let action = format!("publish to {}", self.config.servers.join(", "));
        match kind {
            PublishErrorKind::MaxPayloadExceeded => SinkError::Reject {
                reason: reason.to_owned(),
            },
            PublishErrorKind::StreamNotFound => retry(
                action,
                format!(
                    "no stream takes the subjects `{0}.>`: make one, such as `nats stream add ALERTS --subjects '{0}.>'`",
                    self.config.subject
                ),
            ),
            _ => retry(action, reason),
        }
    }
}

#[async_trait]
impl Sink for Nats {
    async fn deliver(&mut self, batch: &AlertBatch) -> Result<(), SinkError> {
        let context = self.connected().await?;
        self.publish(&context, batch).await
    }

    async fn healthcheck(&mut self) -> Result<(), SinkError> {
        let context = self.connected().await?;
        let action = || "ask JetStream for its account".to_owned();
        context
            .query_account()
            .await
            .map(drop)
            .map_err(|error| retry(action(), chain(&error)))
    }
}

async fn options(config: &NatsSink) -> std::io::Result<ConnectOptions> {
    let mut options = ConnectOptions::new()
        .name("vigia")
        .connection_timeout(config.timeout)
        .request_timeout(Some(config.timeout));
    if let Some(file) = &config.credentials_file {
        options = options.credentials_file(file).await?;
    }
    if let Some(file) = &config.token_file {
        options = options.token(secret::read(file)?);
    }
    if config.servers.iter().any(|server| server.starts_with("tls:")) {
        options = options
            .require_tls(true)
            .tls_client_config(tls::client_config(&config.tls)?);
    }
    Ok(options)
}

/// `<subject>.<severity>.<rule>`: subscribers choose by severity, class and rule.
fn subject(prefix: &str, alert: &Fields<'_>) -> String {
    format!("{prefix}.{}.{}", alert.severity.name(), alert.rule)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subscribers_can_choose_by_severity_and_class() {
        let batch = fields::samples(1);
        let alert = fields::of_line(&batch.records[0].payload, Format::Native).unwrap();
        assert_eq!(subject("vigia", &alert), "vigia.critical.escape.core_pattern");
    }
}
