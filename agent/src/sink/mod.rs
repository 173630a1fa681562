//! Sinks: where alerts go. The trait stands here, with its consumer; implementations are in [`crate::sinks`].

mod driver;
#[cfg(test)]
mod tests;

pub use driver::{SinkDriver, SinkStats};

use crate::spool::Record;
use async_trait::async_trait;
use std::io;
use std::sync::Arc;

/// Alerts that are delivered together, oldest first.
#[derive(Debug, Clone, Default)]
pub struct AlertBatch {
    pub records: Vec<Arc<Record>>,
}

impl AlertBatch {
    /// The alerts as NDJSON: one line each, newline included.
    #[must_use]
    pub fn to_ndjson(&self) -> Vec<u8> {
        let mut lines = Vec::with_capacity(self.records.iter().map(|record| record.payload.len() + 1).sum());
        for record in &self.records {
            lines.extend_from_slice(&record.payload);
            lines.push(b'\n');
        }
        lines
    }
}

/// Why a batch was not taken.
#[derive(Debug, thiserror::Error)]
pub enum SinkError {
    /// It may be taken later.
    #[error("{action}: {source}")]
    Retry {
        action: String,
        #[source]
        source: io::Error,
    },
    /// It will never be taken.
    #[error("rejected: {reason}")]
    Reject { reason: String },
}

/// A destination. `Ok` means that the receiver has the batch: only then may the spool forget it.
#[async_trait]
pub trait Sink: Send {
    /// Takes the whole batch or says why not. A batch that failed comes again, in part or whole.
    ///
    /// # Errors
    /// [`SinkError::Retry`] when it is worth trying again, [`SinkError::Reject`] when it is not.
    async fn deliver(&mut self, batch: &AlertBatch) -> Result<(), SinkError>;
}
