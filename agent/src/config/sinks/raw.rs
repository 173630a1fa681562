//! A sink as it is written. Which keys belong to which type is checked in [`super`], so that a key of another type is an error and
//! not ignored.

use crate::detect::{Class, Severity};
use crate::format::Format;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// A destination of alerts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("required" = ["name", "type"]))]
pub struct RawSink {
    /// Unique; names the sink's cursor in the spool and its metrics.
    pub name: String,
    /// `stdout`, `file`, `syslog`, `webhook`, `otlp`, `alertmanager`, `splunk_hec`, `elasticsearch`, `loki`, `nats` or `kafka`.
    // A fragment that changes a sink of an earlier file need not say it again.
    #[serde(rename = "type", default, skip_serializing_if = "String::is_empty")]
    pub kind: String,
    /// How alerts are written: `native`, `ocsf`, `ecs`, `cef`, `falco`.
    #[serde(default)]
    pub format: Format,
    /// Alerts below are not sent here: `info`, `low`, `medium`, `high`, `critical`.
    #[serde(default = "lowest")]
    pub min_severity: Severity,
    /// Only alerts of these classes are sent here. Left out: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub classes: Option<Vec<Class>>,
    /// Only alerts of pods in these Kubernetes namespaces are sent here. Left out: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespaces: Option<Vec<String>>,
    /// file: what to write.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<PathBuf>,
    /// file: size at which it is rotated, MiB; 10 when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_size_mib: Option<u64>,
    /// file: rotated files that are kept; 5 when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_files: Option<u32>,
    /// All behind HTTP, and otlp: `http://…` or `https://…`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// All behind HTTP: headers that each request carries. Secrets do not belong here: see `token_file`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub headers: Option<BTreeMap<String, String>>,
    /// All behind HTTP, otlp, nats: a file with the token that the receiver wants.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_file: Option<PathBuf>,
    /// All behind HTTP, kafka: who to log in as, with `password_file`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// See `username`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_file: Option<PathBuf>,
    /// webhook: a file with the key that requests are signed with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_file: Option<PathBuf>,
    /// elasticsearch: index or data stream. `splunk_hec`: index, when it is not the token's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index: Option<String>,
    /// loki: value of `X-Scope-OrgID`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// syslog: `udp`, `tcp` or `tls`. otlp: `http` or `grpc`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transport: Option<String>,
    /// syslog: `host:port`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// syslog: number of the facility, 0 to 23; 10 (security) when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub facility: Option<u8>,
    /// nats: `nats://host:port` or `tls://host:port`. kafka: `host:port`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub servers: Option<Vec<String>>,
    /// nats: alerts go to `<subject>.<severity>.<rule>`; `vigia` when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// nats: a `.creds` file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials_file: Option<PathBuf>,
    /// kafka: the topic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topic: Option<String>,
    /// All that speak TLS. kafka: TLS is spoken when this is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<RawTls>,
    /// All over the network: seconds until a delivery that is not answered counts as failed; 10 when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_secs: Option<u64>,
}

/// Files that TLS needs, PEM.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RawTls {
    /// Authorities that may sign the receiver's certificate. Left out: the system's.
    pub ca_file: Option<PathBuf>,
    /// The agent's own certificate, with `key_file`.
    pub cert_file: Option<PathBuf>,
    /// See `cert_file`.
    pub key_file: Option<PathBuf>,
    /// Name in the receiver's certificate, when it is not the address's. Not for receivers behind HTTP.
    pub server_name: Option<String>,
}

fn lowest() -> Severity {
    Severity::Info
}
