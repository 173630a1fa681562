//! The control socket: `agent status`, `agent watch`, `agent graph`, `agent profile learn` talk to the daemon through it.
//!
//! It never blocks detection: requests go to the engine's task through a bounded queue and are answered by a
//! one-shot; watchers have a bounded queue each, and one that does not keep up is told how much it missed.

pub mod client;
mod graph;
pub mod lock;
pub mod protocol;
pub mod server;
mod status;
mod taps;
#[cfg(test)]
mod tests;

pub use graph::{GraphEdge, GraphNode, GraphReport, GraphStatus, NodeKind};
pub use status::{
    CapabilityStatus, ContainerCounters, ContainerStatus, EnforcementStatus, FailingRule, KindCounters,
    PolicyStatus, QueueStatus, RecordCounters, RuntimeStatus, SinkStatus, SpoolStatus, StatusReport,
    TableStatus, UserRulesStatus,
};
pub use taps::{Filter, TapItem, TapLine, TapStream, Taps};

use crate::profile::ProfileSet;
use crate::user_rules::UserRuleSet;
use protocol::{LearnTarget, Reloaded};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;

/// What the engine's task is asked. A reply that nobody waits for any more is dropped.
#[derive(Debug)]
pub enum ControlRequest {
    Status {
        reply: oneshot::Sender<Box<StatusReport>>,
    },
    Graph {
        reply: oneshot::Sender<Box<GraphReport>>,
    },
    /// Observe for `duration`, then answer with a profile as YAML.
    Learn {
        target: LearnTarget,
        duration: Duration,
        reply: oneshot::Sender<Result<String, Refusal>>,
    },
    /// Other profiles, rules and sockets of runtimes (name and path) are in force from now on.
    Adopt {
        profiles: Arc<ProfileSet>,
        rules: Arc<UserRuleSet>,
        sockets: Vec<(String, PathBuf)>,
        reply: oneshot::Sender<()>,
    },
}

/// Read the configuration, the profiles and the rules again. When something is wrong, what runs stays.
#[derive(Debug)]
pub struct ReloadRequest {
    pub reply: oneshot::Sender<Result<Reloaded, Refusal>>,
}

/// Why a request was not done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    pub code: RefusalCode,
    pub message: String,
}

/// What kind of refusal it is; decides the client's exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefusalCode {
    /// The request makes no sense to this version.
    BadRequest,
    /// No such container, image or profile.
    NotFound,
    /// The configuration or profiles are broken.
    BadConfig,
    /// The daemon is busy or stopping.
    Unavailable,
}

/// Requests that may wait for the engine.
pub const REQUEST_QUEUE: usize = 16;
/// Reloads that may wait for the one that is under way.
pub const RELOAD_QUEUE: usize = 4;
