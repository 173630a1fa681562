//! What a sink writes to: addresses, credentials by file, TLS.

use std::path::PathBuf;
use std::time::Duration;

/// What a sink writes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SinkKind {
    Stdout,
    File(FileSink),
    Syslog(SyslogSink),
    Http(HttpSink),
    OtlpGrpc(OtlpGrpcSink),
    Nats(NatsSink),
    Kafka(KafkaSink),
}

/// A file of alerts, rotated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileSink {
    pub path: PathBuf,
    /// Size at which it is rotated, bytes.
    pub max_bytes: u64,
    /// Rotated files that are kept.
    pub max_files: u32,
}

impl FileSink {
    /// 10 MiB, 5 old files.
    #[must_use]
    pub fn new(path: PathBuf) -> Self {
        Self {
            path,
            max_bytes: 10 << 20,
            max_files: 5,
        }
    }
}

/// Files that TLS needs, PEM.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TlsFiles {
    /// Authorities that may sign the receiver's certificate. Left out: the system's.
    pub ca: Option<PathBuf>,
    /// The agent's own certificate, and its key.
    pub identity: Option<(PathBuf, PathBuf)>,
    /// Name in the receiver's certificate, when it is not the address's.
    pub server_name: Option<String>,
}

/// A syslog receiver, RFC 5424.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyslogSink {
    pub transport: SyslogTransport,
    /// `host:port`.
    pub address: String,
    /// Number of the facility, 0 to 23.
    pub facility: u8,
    pub tls: TlsFiles,
    pub timeout: Duration,
}

/// How messages travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SyslogTransport {
    /// RFC 5426: one datagram per alert, nothing is promised.
    Udp,
    /// RFC 6587, octet counting.
    Tcp,
    /// RFC 5425.
    Tls,
}

/// A receiver behind HTTP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpSink {
    pub api: HttpApi,
    pub url: String,
    /// Names and values that each request carries.
    pub headers: Vec<(String, String)>,
    pub credentials: Credentials,
    pub tls: TlsFiles,
    pub timeout: Duration,
}

/// What is spoken over HTTP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HttpApi {
    /// CloudEvents; signed with the key in the file, if there is one.
    Webhook { secret_file: Option<PathBuf> },
    /// Alertmanager's API v2.
    Alertmanager,
    /// HTTP event collector. `None`: what the token says.
    SplunkHec { index: Option<String> },
    /// `_bulk` of Elasticsearch and OpenSearch, into this index or data stream.
    Elasticsearch { index: String },
    /// Push API; the tenant of a shared Loki.
    Loki { tenant: Option<String> },
    /// OTLP logs as protobuf.
    Otlp,
}

/// Who the agent says it is. Files are read at each delivery: secrets may be rotated.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Credentials {
    #[default]
    None,
    /// `Authorization: <scheme> <content of the file>`.
    Token { scheme: &'static str, file: PathBuf },
    Basic {
        username: String,
        password_file: PathBuf,
    },
}

/// An OTLP collector by gRPC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OtlpGrpcSink {
    /// `http://host:port` or `https://host:port`.
    pub url: String,
    pub token_file: Option<PathBuf>,
    pub tls: TlsFiles,
    pub timeout: Duration,
}

/// NATS `JetStream`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NatsSink {
    /// `nats://host:port` or `tls://host:port`, one or more.
    pub servers: Vec<String>,
    /// Alerts go to `<subject>.<severity>.<rule>`.
    pub subject: String,
    /// A `.creds` file, as `nsc` writes them.
    pub credentials_file: Option<PathBuf>,
    pub token_file: Option<PathBuf>,
    pub tls: TlsFiles,
    pub timeout: Duration,
}

/// Kafka, or what speaks its protocol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KafkaSink {
    /// `host:port`, one or more.
    pub brokers: Vec<String>,
    pub topic: String,
    pub tls: Option<TlsFiles>,
    /// SASL/PLAIN.
    pub login: Option<(String, PathBuf)>,
    pub timeout: Duration,
}
