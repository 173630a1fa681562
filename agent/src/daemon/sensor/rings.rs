//! Both rings as a source of records.

use super::{Shared, lock};
use crate::source::{EventSource, RawBatch, SourceError};
use async_trait::async_trait;
use std::os::fd::OwnedFd;
use std::time::Duration;
use tokio::io::unix::AsyncFd;
use tokio::time::Instant;

/// How often rings are read that nobody announced anything in.
const POLL: Duration = Duration::from_millis(50);
/// When they are read again after an urgent record: another one within a millisecond on its CPU wakes nobody.
const AGAIN: Duration = Duration::from_millis(2);

/// Both rings.
pub(super) struct Rings {
    wake: AsyncFd<OwnedFd>,
    live: Shared,
    /// When what came right after an urgent record is to be read.
    again: Option<Instant>,
}

impl Rings {
    pub(super) fn new(wake: AsyncFd<OwnedFd>, live: Shared) -> Self {
        Self {
            wake,
            live,
            again: None,
        }
    }

    fn drain(&self) -> RawBatch {
        let mut batch = RawBatch::default();
        lock(&self.live)
            .sensor
            .rings
            .drain(&mut |record| batch.records.push(record.to_vec()));
        batch
    }
}

#[async_trait]
impl EventSource for Rings {
    async fn next_batch(&mut self) -> Result<RawBatch, SourceError> {
        let batch = self.drain();
        if !batch.records.is_empty() {
            return Ok(batch);
        }
        let until = self.again.unwrap_or_else(|| Instant::now() + POLL);
        let again = tokio::select! {
            ready = self.wake.readable() => {
                ready.map_err(SourceError::Wait)?.clear_ready();
                Some(Instant::now() + AGAIN)
            }
            () = tokio::time::sleep_until(until) => None,
        };
        // Nothing is awaited from here on: a dropped future loses no record.
        self.again = again;
        Ok(self.drain())
    }
}
