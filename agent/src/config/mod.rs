//! Configuration: defaults, then the file, then `conf.d/*.yaml` beside it, then `VIGIA_*`, then flags. [`RawConfig`] is
//! what was written, [`Config`] is what was understood: valid by construction. [`Origins`] says which layer each value is from.

mod destination;
mod docker;
mod escapes;
mod files;
mod injected;
mod layers;
#[cfg(test)]
mod layers_tests;
mod origin;
mod placed;
mod print;
mod raw;
mod run_dir;
mod runtimes;
mod sinks;
#[cfg(test)]
mod tests;
mod tree;
mod validate;
pub mod yaml;

pub use destination::{
    Credentials, FileSink, HttpApi, HttpSink, KafkaSink, NatsSink, OtlpGrpcSink, SinkKind, SyslogSink,
    SyslogTransport, TlsFiles,
};
pub use docker::DockerVariables;
pub use files::{DEFAULT_FILE, Place, is_fragment};
pub use layers::{ConfigError, Flags, Loaded, Sources, load};
pub use origin::{Origin, Origins};
pub use raw::{DEFAULT_RULES, LogFormat, LogLevel, OnExit, RawConfig, RawLog};
pub use run_dir::find_socket;
pub use runtimes::{RuntimeKind, RuntimeSocket};
pub use sinks::{RawSink, RawTls};
pub use validate::{Problem, validate};

use crate::detect::{Class, Severity};
use crate::format::Format;
use crate::profile::Matching;
use std::net::SocketAddr;
use std::path::PathBuf;

/// The commented default file, as `agent config default` prints it.
pub const DEFAULT_YAML: &str = include_str!("default.yaml");

/// The control socket in `run_dir`.
const SOCKET: &str = "agent.sock";

/// A configuration that can be used as it is.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// Overrides the host's name.
    pub node: Option<String>,
    pub state_dir: PathBuf,
    pub run_dir: PathBuf,
    pub profiles_dir: PathBuf,
    pub rules_dir: PathBuf,
    pub metrics: Metrics,
    pub docker: Docker,
    /// The other runtimes that are switched on.
    pub sockets: Vec<RuntimeSocket>,
    pub sinks: Vec<SinkConfig>,
    pub spool: Spool,
    pub on_exit: OnExit,
    /// What complete profiles have in mode `enforce` is denied.
    pub enforces: bool,
    /// `Some`: escapes are denied in every container but these.
    pub escapes: Option<Matching>,
    /// Where what denies is pinned by [`OnExit::Keep`].
    pub keep_in: PathBuf,
    pub log: RawLog,
}

impl Config {
    /// The control socket.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.run_dir.join(SOCKET)
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
    pub format: Format,
    pub filter: SinkFilter,
}

/// Which alerts a sink is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SinkFilter {
    /// Alerts below are not.
    pub min_severity: Severity,
    /// `None`: of every class.
    pub classes: Option<Vec<Class>>,
    /// Kubernetes namespaces; `None`: of every one, and of what is in no pod.
    pub namespaces: Option<Vec<String>>,
}

impl Default for SinkFilter {
    /// Everything.
    fn default() -> Self {
        Self {
            min_severity: Severity::Info,
            classes: None,
            namespaces: None,
        }
    }
}

impl SinkConfig {
    /// The sink that is there when none is configured.
    #[must_use]
    pub fn stdout() -> Self {
        Self {
            name: "stdout".to_owned(),
            kind: SinkKind::Stdout,
            format: Format::default(),
            filter: SinkFilter::default(),
        }
    }
}

/// The buffer on disk between detection and sinks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spool {
    /// Largest size on disk, bytes.
    pub max_bytes: u64,
}
