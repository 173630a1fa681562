//! NDJSON on standard output. A reader that went away is a reason to retry, never to stop.

use crate::sink::{AlertBatch, Sink, SinkError};
use async_trait::async_trait;
use tokio::io::{AsyncWriteExt, Stdout};

/// Standard output.
#[derive(Debug)]
pub struct StdoutAlerts {
    stdout: Stdout,
}

impl Default for StdoutAlerts {
    fn default() -> Self {
        Self {
            stdout: tokio::io::stdout(),
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
        self.stdout.write_all(&batch.to_ndjson()).await.map_err(retry)?;
        self.stdout.flush().await.map_err(retry)
    }
}
