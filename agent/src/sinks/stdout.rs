//! Lines on standard output. A reader that went away is a reason to retry, never to stop.

use crate::format::Format;
use crate::sink::{AlertBatch, Sink, SinkError};
use async_trait::async_trait;
use tokio::io::{AsyncWriteExt, Stdout};

/// Standard output.
#[derive(Debug)]
pub struct StdoutAlerts {
    stdout: Stdout,
    format: Format,
}

impl StdoutAlerts {
    /// Writes lines of `format`.
    #[must_use]
    pub fn new(format: Format) -> Self {
        Self {
            stdout: tokio::io::stdout(),
            format,
        }
    }
}

#[async_trait]
impl Sink for StdoutAlerts {
    async fn deliver(&mut self, batch: &AlertBatch) -> Result<(), SinkError> {
        let retry = |source| SinkError::Retry {
            action: "write to stdout".to_owned(),
            source,
        };
        let lines = batch.to_lines(self.format)?;
        self.stdout.write_all(&lines).await.map_err(retry)?;
        self.stdout.flush().await.map_err(retry)
    }
}
