//! Configuration: defaults, then the file, then `VIGIA_*`, then flags. [`RawConfig`] is what was written,
//! [`Config`] is what was understood: valid by construction.

mod docker;
mod injected;
mod layers;
mod raw;
#[cfg(test)]
mod tests;
mod validate;
pub mod yaml;

pub use docker::DockerVariables;
pub use layers::{ConfigError, DEFAULT_FILE, Flags, Loaded, Sources, load};
pub use raw::{LogFormat, LogLevel, OnExit, RawConfig, RawLog};
pub use validate::{Problem, validate};

use crate::detect::Severity;
use std::net::SocketAddr;
use std::path::PathBuf;

/// The commented default file, as `agent config default` prints it.
pub const DEFAULT_YAML: &str = include_str!("default.yaml");

/// A configuration that can be used as it is.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    pub state_dir: PathBuf,
    pub run_dir: PathBuf,
    pub profiles_dir: PathBuf,
    pub metrics: Metrics,
    pub docker: Docker,
    pub sinks: Vec<SinkConfig>,
    pub spool: Spool,
    pub on_exit: OnExit,
    pub log: RawLog,
}

impl Config {
    /// The control socket.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.run_dir.join("agent.sock")
    }

    /// The folder of the spool.
    #[must_use]
    pub fn spool_dir(&self) -> PathBuf {
        self.state_dir.join("spool")
    }
}

/// Metrics and health.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metrics {
    /// `None`: switched off.
    pub listen: Option<SocketAddr>,
}

/// Docker's API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Docker {
    pub enabled: bool,
    pub address: DockerAddress,
}

/// Where Docker's API answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DockerAddress {
    Unix(PathBuf),
    /// `host:port`.
    Tcp(String),
}

impl std::fmt::Display for DockerAddress {
    /// In the form of `DOCKER_HOST`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
            Self::Tcp(address) => write!(f, "tcp://{address}"),
        }
    }
}

/// A destination of alerts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SinkConfig {
    pub name: String,
    pub kind: SinkKind,
    /// Alerts below are not sent here.
    pub min_severity: Severity,
}

impl SinkConfig {
    /// The sink that is there when none is configured.
    #[must_use]
    pub fn stdout() -> Self {
        Self {
            name: "stdout".to_owned(),
            kind: SinkKind::Stdout,
            min_severity: Severity::Info,
        }
    }
}

/// What a sink writes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SinkKind {
    Stdout,
    File(FileSink),
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

/// The buffer on disk between detection and sinks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spool {
    /// Largest size on disk, bytes.
    pub max_bytes: u64,
}
