//! Where records come from: the kernel's rings when live.

use async_trait::async_trait;

/// Records that were read together, oldest first.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct RawBatch {
    pub records: Vec<Vec<u8>>,
}

/// Why a source ended.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    #[error("the sensor's rings cannot be waited for: {0}")]
    Wait(#[source] std::io::Error),
}

/// A source of records. Nothing downstream is awaited while the source's buffers are borrowed: records are copied out.
#[async_trait]
pub trait EventSource: Send {
    /// Waits until records are there or the poll interval passed (the batch may be empty then).
    ///
    /// # Errors
    /// When the source is broken; it will not recover.
    async fn next_batch(&mut self) -> Result<RawBatch, SourceError>;
}
