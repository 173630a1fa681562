//! Sinks: where alerts go. The trait stands here, with its consumer; implementations are in [`crate::sinks`].

mod driver;
mod filter;
#[cfg(test)]
mod tests;

pub use driver::{SinkDriver, SinkStats};

use crate::format::Format;
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
    /// The alerts in `format`: one line each, newline included.
    ///
    /// # Errors
    /// [`SinkError::Reject`] when the spool holds what is no alert, so that it cannot be translated.
    pub fn to_lines(&self, format: Format) -> Result<Vec<u8>, SinkError> {
        let mut lines = Vec::with_capacity(self.records.iter().map(|record| record.payload.len() + 1).sum());
        for record in &self.records {
            let line = format
                .translate(&record.payload)
                .map_err(|error| SinkError::Reject {
                    reason: format!("no alert that format `{}` could say: {error}", format.name()),
                })?;
            lines.extend_from_slice(&line);
            lines.push(b'\n');
        }
        Ok(lines)
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

    /// Whether the receiver can be reached and takes the credentials, without delivering anything.
    ///
    /// # Errors
    /// [`SinkError::Retry`] with the reason.
    async fn healthcheck(&mut self) -> Result<(), SinkError> {
        Ok(())
    }

    /// Called now and then while there is nothing to deliver: time to notice that a connection is gone.
    ///
    /// # Errors
    /// [`SinkError::Retry`] with the reason.
    async fn tend(&mut self) -> Result<(), SinkError> {
        Ok(())
    }

    /// Called at last: what has to be said before a connection ends. Must not take longer than half a second.
    async fn close(&mut self) {}
}
