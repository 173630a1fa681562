use super::ContainerMetadata;
use crate::event::ContainerId;
use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use tokio::sync::mpsc;

/// What a runtime tells. Part of recordings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum RuntimeEvent {
    /// The container exists and is described so. Sent again when more is known.
    Described {
        id: ContainerId,
        metadata: Arc<ContainerMetadata>,
    },
    /// The runtime removed it.
    Removed { id: ContainerId },
    /// A full list ended: running containers that it did not describe are not this runtime's.
    Listed { runtime: String, ids: Vec<ContainerId> },
    /// The runtime answers.
    Connected { runtime: String },
    /// The runtime does not answer (any more).
    Disconnected { runtime: String, reason: String },
}

/// Why a runtime gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum RuntimeError {
    #[error("{runtime}: cannot connect to {address}: {reason}")]
    Connect {
        runtime: &'static str,
        address: String,
        reason: String,
    },
    #[error("{runtime}: {request} failed: {reason}")]
    Request {
        runtime: &'static str,
        request: &'static str,
        reason: String,
    },
    #[error("{runtime}: {request} gave no answer within {seconds} s")]
    Timeout {
        runtime: &'static str,
        request: &'static str,
        seconds: u64,
    },
    /// It answers, and has no such API: perhaps it was built or configured without.
    #[error("{runtime} answers, but offers no {service}")]
    NotOffered {
        runtime: &'static str,
        service: &'static str,
    },
    #[error("the receiver of runtime events is gone")]
    Closed,
}

/// A container runtime's API. It only adds names: a hung or absent runtime delays nothing but them.
#[async_trait]
pub trait ContainerRuntime: Send + Sync {
    /// `docker`, `containerd`, …
    fn name(&self) -> &'static str;

    /// Describes every container that runs now, then sends [`RuntimeEvent::Listed`].
    ///
    /// # Errors
    /// When the runtime does not answer in time.
    async fn list(&self, events: &mpsc::Sender<RuntimeEvent>) -> Result<(), RuntimeError>;

    /// Follows the runtime's events until the connection ends.
    ///
    /// # Errors
    /// When the connection breaks; the caller reconnects with back-off and lists again.
    async fn watch(&self, events: &mpsc::Sender<RuntimeEvent>) -> Result<(), RuntimeError>;
}
