//! OTLP logs: an alert as a log record, by HTTP or gRPC. The messages are the protocol's own; sending is ours, for the spool has to
//! know what was taken.

use crate::config::OtlpGrpcSink;
use crate::detect::Severity;
use crate::format::Format;
use crate::sink::{AlertBatch, Sink, SinkError};
use crate::sinks::failure::{chain, retry};
use crate::sinks::fields::{self, Fields, Outgoing};
use crate::sinks::secret;
use async_trait::async_trait;
use opentelemetry_proto::tonic::collector::logs::v1::logs_service_client::LogsServiceClient;
use opentelemetry_proto::tonic::collector::logs::v1::{ExportLogsServiceRequest, ExportLogsServiceResponse};
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::resource::v1::Resource;
use std::collections::BTreeMap;
use std::path::Path;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};
use tonic::{Code, Request, Status};

/// Exports by gRPC.
#[derive(Debug)]
pub(super) struct OtlpGrpc {
    config: OtlpGrpcSink,
    format: Format,
    channel: Channel,
}

impl OtlpGrpc {
    /// Connects when the first alert comes.
    ///
    /// # Errors
    /// When the address or a certificate cannot be used.
    pub(super) fn open(config: &OtlpGrpcSink, format: Format) -> Result<Self, SinkError> {
        let channel = endpoint(config)
            .map_err(|reason| retry(format!("reach {}", config.url), reason))?
            .connect_lazy();
        Ok(Self {
            config: config.clone(),
            format,
            channel,
        })
    }

    fn request(&self, logs: ExportLogsServiceRequest) -> Result<Request<ExportLogsServiceRequest>, String> {
        let mut request = Request::new(logs);
        request.set_timeout(self.config.timeout);
        if let Some(file) = &self.config.token_file {
            let token = secret::read(file).map_err(|error| error.to_string())?;
            let value = format!("Bearer {token}")
                .parse()
                .map_err(|_| "the token holds characters that no header may carry")?;
            request.metadata_mut().insert("authorization", value);
        }
        Ok(request)
    }
}

#[async_trait]
impl Sink for OtlpGrpc {
    async fn deliver(&mut self, batch: &AlertBatch) -> Result<(), SinkError> {
        let action = || format!("export to {}", self.config.url);
        let request = self
            .request(request(&fields::of_batch(batch, self.format)?))
            .map_err(|reason| retry(action(), reason))?;
        match LogsServiceClient::new(self.channel.clone()).export(request).await {
            Ok(answer) => judge(answer.get_ref()),
            Err(status) => Err(refused(&status, action())),
        }
    }

    async fn healthcheck(&mut self) -> Result<(), SinkError> {
        let action = || format!("export to {}", self.config.url);
        let request = self
            .request(ExportLogsServiceRequest::default())
            .map_err(|reason| retry(action(), reason))?;
        let answer = LogsServiceClient::new(self.channel.clone()).export(request).await;
        answer.map(drop).map_err(|status| refused(&status, action()))
    }
}

/// The protocol names the codes that are worth another try; wrong credentials are too, for people put them right.
fn refused(status: &Status, action: String) -> SinkError {
    let reason = format!("{:?}: {}", status.code(), chain(status));
    match status.code() {
        Code::InvalidArgument | Code::OutOfRange | Code::DataLoss => SinkError::Reject { reason },
        _ => retry(action, reason),
    }
}

/// What a collector took only in part it refused for good.
///
/// # Errors
/// [`SinkError::Reject`] then.
pub(super) fn judge(answer: &ExportLogsServiceResponse) -> Result<(), SinkError> {
    match &answer.partial_success {
        Some(partial) if partial.rejected_log_records > 0 => Err(SinkError::Reject {
            reason: format!(
                "{} log records: {}",
                partial.rejected_log_records, partial.error_message
            ),
        }),
        _ => Ok(()),
    }
}

fn endpoint(config: &OtlpGrpcSink) -> Result<Endpoint, String> {
    let endpoint = Endpoint::from_shared(config.url.clone())
        .map_err(|error| chain(&error))?
        .timeout(config.timeout)
        .connect_timeout(config.timeout);
    if !config.url.starts_with("https:") {
        return Ok(endpoint);
    }
    let mut tls = ClientTlsConfig::new();
    match &config.tls.ca {
        Some(path) => tls = tls.ca_certificate(Certificate::from_pem(file(path)?)),
        None => {
            let roots = rustls_native_certs::load_native_certs().certs;
            tls = tls.trust_anchors(roots.iter().filter_map(anchor));
        }
    }
    if let Some((certificate, key)) = &config.tls.identity {
        tls = tls.identity(Identity::from_pem(file(certificate)?, file(key)?));
    }
    if let Some(name) = &config.tls.server_name {
        tls = tls.domain_name(name);
    }
    endpoint.tls_config(tls).map_err(|error| chain(&error))
}

fn anchor(
    certificate: &rustls::pki_types::CertificateDer<'static>,
) -> Option<rustls::pki_types::TrustAnchor<'static>> {
    let mut store = rustls::RootCertStore::empty();
    store.add(certificate.clone()).ok()?;
    store.roots.pop()
}

fn file(path: &Path) -> Result<Vec<u8>, String> {
    std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()))
}

/// One resource per node, container and pod: that is what collectors route by.
pub(super) fn request(alerts: &[Outgoing<'_>]) -> ExportLogsServiceRequest {
    let mut resources: BTreeMap<String, ResourceLogs> = BTreeMap::new();
    for alert in alerts {
        let container = alert
            .container
            .as_ref()
            .map_or("", |container| container.id.as_ref());
        let logs = resources
            .entry(format!("{}/{container}", alert.node))
            .or_insert_with(|| of_resource(alert));
        if let Some(scope) = logs.scope_logs.first_mut() {
            scope.log_records.push(record(alert));
        }
    }
    ExportLogsServiceRequest {
        resource_logs: resources.into_values().collect(),
    }
}

fn of_resource(alert: &Fields<'_>) -> ResourceLogs {
    let container = alert.container.as_ref();
    let pod = alert.pod();
    let attributes = [
        ("service.name", Some("vigia")),
        ("host.name", Some(alert.node.as_ref())),
        ("container.id", container.map(|container| container.id.as_ref())),
        (
            "container.name",
            container.and_then(|container| container.name.as_deref()),
        ),
        (
            "container.image.name",
            container.and_then(|container| container.image.reference.as_deref()),
        ),
        ("k8s.namespace.name", pod.map(|pod| pod.namespace.as_ref())),
        ("k8s.pod.name", pod.map(|pod| pod.name.as_ref())),
    ];
    ResourceLogs {
        resource: Some(Resource {
            attributes: attributes
                .into_iter()
                .filter_map(|(key, value)| Some(attribute(key, value?)))
                .collect(),
            ..Resource::default()
        }),
        scope_logs: vec![ScopeLogs {
            scope: Some(InstrumentationScope {
                name: "vigia".to_owned(),
                version: env!("CARGO_PKG_VERSION").to_owned(),
                ..InstrumentationScope::default()
            }),
            ..ScopeLogs::default()
        }],
        ..ResourceLogs::default()
    }
}

fn record(alert: &Outgoing<'_>) -> LogRecord {
    LogRecord {
        time_unix_nano: alert.unix_ns(),
        observed_time_unix_nano: alert.unix_ns(),
        severity_number: severity_number(alert.severity),
        severity_text: alert.severity.name().to_owned(),
        body: Some(text(&alert.body)),
        attributes: vec![
            attribute("vigia.alert.id", &alert.unique_id()),
            attribute("vigia.rule", &alert.rule),
            attribute("vigia.summary", &alert.summary),
        ],
        event_name: format!("vigia.{}", alert.rule),
        ..LogRecord::default()
    }
}

/// Of the data model: 5 debug, 9 info, 13 warning, 17 error, 21 fatal.
fn severity_number(severity: Severity) -> i32 {
    match severity {
        Severity::Info => 9,
        Severity::Low => 10,
        Severity::Medium => 13,
        Severity::High => 17,
        Severity::Critical => 21,
    }
}

fn attribute(key: &str, value: &str) -> KeyValue {
    KeyValue {
        key: key.to_owned(),
        value: Some(text(value)),
        ..KeyValue::default()
    }
}

fn text(value: &str) -> AnyValue {
    AnyValue {
        value: Some(any_value::Value::StringValue(value.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsPartialSuccess;

    #[test]
    fn alerts_of_one_container_share_a_resource() {
        let batch = fields::samples(3);
        let request = request(&fields::of_batch(&batch, Format::Native).unwrap());
        assert_eq!(request.resource_logs.len(), 1);
        let records = &request.resource_logs[0].scope_logs[0].log_records;
        assert_eq!(records.len(), 3);
        assert_eq!(records[0].severity_number, 21);
        assert_eq!(records[0].event_name, "vigia.escape.core_pattern");
        assert_eq!(records[0].time_unix_nano, 1_795_860_000_123_456_789);
    }

    #[test]
    fn what_a_collector_refuses_in_part_is_said() {
        let mut answer = ExportLogsServiceResponse::default();
        assert!(judge(&answer).is_ok());
        let partial = ExportLogsPartialSuccess {
            rejected_log_records: 1,
            error_message: "too old".to_owned(),
        };
        answer.partial_success = Some(partial);
        assert!(judge(&answer).unwrap_err().to_string().contains("too old"));
    }
}
