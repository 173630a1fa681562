//! The configuration as it is written: every field has a default, unknown keys are errors.

use super::sinks::RawSink;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// The folder of rules that need not exist.
pub const DEFAULT_RULES: &str = "/etc/vigia/rules.d";

/// `/etc/vigia/config.yaml`. Everything is optional.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RawConfig {
    /// The host's name in alerts. Left out: the one that this process sees, which in a container is the container's.
    pub node: Option<String>,
    /// What must survive a restart: the spool.
    pub state_dir: PathBuf,
    /// Control socket and lock.
    pub run_dir: PathBuf,
    /// Behaviour profiles, `*.yaml`.
    pub profiles_dir: PathBuf,
    pub rules: RawRules,
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

/// Rules that users write.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RawRules {
    /// Folder of rules, `*.yaml`. The default one need not be there.
    pub dir: PathBuf,
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
    /// containerd's CRI. Left out: `/run/containerd/containerd.sock`.
    pub containerd: RawSocket,
    /// CRI-O's CRI. Left out: `/var/run/crio/crio.sock`.
    pub crio: RawSocket,
    /// Podman's API, which is Docker's. Left out: `/run/podman/podman.sock`.
    pub podman: RawSocket,
}

/// Docker's API.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RawDocker {
    pub enabled: bool,
    /// A path, `unix://…` or `tcp://host:port`; no TLS. Left out: `DOCKER_HOST`, else `/var/run/docker.sock`.
    pub socket: Option<String>,
}

/// A runtime that is asked by its socket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RawSocket {
    pub enabled: bool,
    /// An absolute path or `unix://…`. Left out: the usual one, which need not be there.
    pub socket: Option<String>,
}

/// Denying what profiles do not name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RawEnforcement {
    /// Classes that a complete profile has in mode `enforce` are denied. Otherwise they are monitored, and alerts say what would have been
    /// denied.
    pub enabled: bool,
    pub escapes: RawEscapes,
    /// Folder of a BPF filesystem for `on_exit: keep`. Its parent must be there.
    pub keep_in: PathBuf,
}

/// Denying what is an escape beyond doubt, whatever a profile says.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RawEscapes {
    /// In every container, from its first program on.
    pub deny: bool,
    /// But in these.
    pub except: RawExcept,
}

/// Containers, as a profile's `match` names them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RawExcept {
    /// Patterns of repository and tag. They hold from the moment the image's name is known.
    pub images: Vec<String>,
    /// Patterns of paths of control groups, as the host has them.
    pub cgroups: Vec<String>,
}

impl Default for RawEnforcement {
    fn default() -> Self {
        Self {
            enabled: false,
            escapes: RawEscapes::default(),
            keep_in: "/sys/fs/bpf/vigia".into(),
        }
    }
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
    #[serde(alias = "detach")]
    Release,
    /// What denies is pinned, and goes on when the agent has ended, however it did.
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

impl Default for RawConfig {
    fn default() -> Self {
        Self {
            node: None,
            state_dir: "/var/lib/vigia".into(),
            run_dir: "/run/vigia".into(),
            profiles_dir: "/etc/vigia/profiles".into(),
            rules: RawRules::default(),
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

impl Default for RawRules {
    fn default() -> Self {
        Self {
            dir: DEFAULT_RULES.into(),
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

impl Default for RawSocket {
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
