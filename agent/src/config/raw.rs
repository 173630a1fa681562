//! The configuration as it is written: every field has a default, unknown keys are errors.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// `/etc/vigia/config.yaml`. Everything is optional.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RawConfig {
    /// What must survive a restart: the spool.
    pub state_dir: PathBuf,
    /// Control socket and lock.
    pub run_dir: PathBuf,
    /// Behaviour profiles, `*.yaml`.
    pub profiles_dir: PathBuf,
    pub metrics: RawMetrics,
    pub runtimes: RawRuntimes,
    pub enforcement: RawEnforcement,
    /// Where alerts go. Left out: stdout.
    pub sinks: Option<Vec<RawSink>>,
    pub spool: RawSpool,
    /// What becomes of the kernel programs when the agent stops.
    pub on_exit: OnExit,
    pub log: RawLog,
}

/// Prometheus metrics and health.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RawMetrics {
    pub enabled: bool,
    /// Address and port of /metrics, /livez, /readyz.
    pub listen: String,
}

/// Container runtimes that give containers their names.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RawRuntimes {
    pub docker: RawDocker,
}

/// Docker's API.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RawDocker {
    pub enabled: bool,
    /// A path, `unix://…` or `tcp://host:port`; no TLS. Left out: `DOCKER_HOST`, else `/var/run/docker.sock`.
    pub socket: Option<String>,
}

/// Denying. This version detects only.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RawEnforcement {
    pub enabled: bool,
}

/// A destination of alerts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawSink {
    /// Unique; names the sink's cursor in the spool and its metrics.
    pub name: String,
    /// `stdout` or `file`.
    #[serde(rename = "type")]
    pub kind: String,
    /// File to write, for type `file`.
    #[serde(default)]
    pub path: Option<PathBuf>,
    /// `native`.
    #[serde(default = "native")]
    pub format: String,
    /// Alerts below are not sent here: `info`, `low`, `medium`, `high`, `critical`.
    #[serde(default = "lowest")]
    pub min_severity: crate::detect::Severity,
    /// Size at which the file is rotated, MiB.
    #[serde(default = "ten")]
    pub max_size_mib: u64,
    /// Rotated files that are kept.
    #[serde(default = "five")]
    pub max_files: u32,
}

/// The buffer on disk between detection and sinks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RawSpool {
    /// Largest size on disk, MiB. When it is full, alerts of the lowest severity go first, counted.
    pub max_size_mib: u64,
}

/// What becomes of the kernel programs when the agent stops.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnExit {
    /// Nothing stays in the kernel.
    #[default]
    Detach,
    /// Pinned programs stay and go on denying.
    Keep,
}

/// Logs on stderr.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RawLog {
    pub level: LogLevel,
    pub format: LogFormat,
}

/// Least important message that is logged.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LogLevel {
    Error,
    Warn,
    #[default]
    Info,
    Debug,
    Trace,
}

/// Shape of log lines.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One object per line.
    Json,
}

fn native() -> String {
    "native".to_owned()
}

fn lowest() -> crate::detect::Severity {
    crate::detect::Severity::Info
}

fn ten() -> u64 {
    10
}

fn five() -> u32 {
    5
}

impl Default for RawConfig {
    fn default() -> Self {
        Self {
            state_dir: "/var/lib/vigia".into(),
            run_dir: "/run/vigia".into(),
            profiles_dir: "/etc/vigia/profiles".into(),
            metrics: RawMetrics::default(),
            runtimes: RawRuntimes::default(),
            enforcement: RawEnforcement::default(),
            sinks: None,
            spool: RawSpool::default(),
            on_exit: OnExit::default(),
            log: RawLog::default(),
        }
    }
}

impl Default for RawMetrics {
    fn default() -> Self {
        Self {
            enabled: true,
            listen: "127.0.0.1:9478".to_owned(),
        }
    }
}

impl Default for RawDocker {
    fn default() -> Self {
        Self {
            enabled: true,
            socket: None,
        }
    }
}

impl Default for RawSpool {
    fn default() -> Self {
        Self { max_size_mib: 256 }
    }
}
