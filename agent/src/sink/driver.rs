//! From the spool to a sink: batches, retries, the cursor.

use super::{AlertBatch, Sink, SinkError};
use crate::detect::Severity;
use crate::spool::{Record, Sequence, SpoolError, SpoolReader};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Alerts per delivery.
const BATCH: usize = 64;
const FIRST_BACKOFF: Duration = Duration::from_millis(100);
const LONGEST_BACKOFF: Duration = Duration::from_secs(30);

/// What a sink's driver counts.
#[derive(Debug, Default)]
pub struct SinkStats {
    delivered: AtomicU64,
    retries: AtomicU64,
    rejected: AtomicU64,
    /// Milliseconds since the Unix epoch; 0: nothing waits.
    oldest_unix_ms: AtomicU64,
}

impl SinkStats {
    /// Alerts that the receiver has.
    #[must_use]
    pub fn delivered_total(&self) -> u64 {
        self.delivered.load(Ordering::Relaxed)
    }

    /// Deliveries that failed and are tried again.
    #[must_use]
    pub fn retries_total(&self) -> u64 {
        self.retries.load(Ordering::Relaxed)
    }

    /// Alerts that the receiver will never take.
    #[must_use]
    pub fn rejected_total(&self) -> u64 {
        self.rejected.load(Ordering::Relaxed)
    }

    /// How long the oldest undelivered alert waits at `now_unix_ms`, seconds; 0: nothing waits.
    #[must_use]
    pub fn oldest_undelivered_seconds(&self, now_unix_ms: u64) -> f64 {
        match self.oldest_unix_ms.load(Ordering::Relaxed) {
            0 => 0.0,
            oldest => Duration::from_millis(now_unix_ms.saturating_sub(oldest)).as_secs_f64(),
        }
    }
}

/// Feeds one sink.
pub struct SinkDriver {
    pub name: String,
    pub sink: Box<dyn Sink>,
    pub reader: SpoolReader,
    /// Alerts below are acknowledged without being delivered.
    pub min_severity: Severity,
    pub stats: Arc<SinkStats>,
}

impl std::fmt::Debug for SinkDriver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SinkDriver")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl SinkDriver {
    /// Delivers until `stop`, then what is committed already, ending at the first failure. What was not
    /// delivered stays in the spool.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut backoff = Backoff::new(FIRST_BACKOFF);
        loop {
            let next = tokio::select! {
                biased;
                () = stop.cancelled() => break,
                next = self.reader.next_batch(BATCH) => next,
            };
            match self.step(next).await {
                Ok(()) => self.recovered(&mut backoff),
                Err(error) => {
                    self.failed(&error, &backoff);
                    tokio::select! {
                        () = stop.cancelled() => break,
                        () = tokio::time::sleep(backoff.next()) => {}
                    }
                }
            }
        }
        self.finish().await;
    }

    async fn finish(&mut self) {
        while !self.reader.is_drained() {
            let next = self.reader.available(BATCH).await;
            if let Err(error) = self.step(next).await {
                tracing::warn!(sink = self.name, %error, "alerts stay in the spool: sink failed while stopping");
                return;
            }
        }
    }

    async fn step(&mut self, next: Result<Vec<Arc<Record>>, SpoolError>) -> Result<(), SinkError> {
        let records = next.map_err(|error| SinkError::Retry {
            action: "read the spool".to_owned(),
            source: std::io::Error::other(error),
        })?;
        let Some(last) = records.last().map(|record| record.sequence) else {
            return Ok(());
        };
        let oldest = records.first().map_or(0, |record| record.time_unix_ms);
        self.stats.oldest_unix_ms.store(oldest, Ordering::Relaxed);
        let min = self.min_severity;
        let batch = AlertBatch {
            records: records
                .into_iter()
                .filter(|record| record.severity >= min)
                .collect(),
        };
        self.deliver(batch, last).await
    }

    async fn deliver(&mut self, batch: AlertBatch, last: Sequence) -> Result<(), SinkError> {
        if !batch.records.is_empty() {
            match self.sink.deliver(&batch).await {
                Ok(()) => self.count_delivered(batch.records.len()),
                Err(SinkError::Reject { reason }) => self.deliver_singly(batch, &reason).await?,
                Err(retry @ SinkError::Retry { .. }) => return Err(retry),
            }
        }
        self.reader.acknowledge(last);
        if self.reader.is_drained() {
            self.stats.oldest_unix_ms.store(0, Ordering::Relaxed);
        }
        Ok(())
    }

    /// One alert that the receiver refuses must not take its neighbours with it.
    async fn deliver_singly(&mut self, batch: AlertBatch, reason: &str) -> Result<(), SinkError> {
        if let [record] = &batch.records[..] {
            self.stats.rejected.fetch_add(1, Ordering::Relaxed);
            tracing::error!(
                sink = self.name,
                sequence = record.sequence.0,
                reason,
                "sink rejected an alert"
            );
            return Ok(());
        }
        for record in batch.records {
            let sequence = record.sequence;
            match self
                .sink
                .deliver(&AlertBatch {
                    records: vec![record],
                })
                .await
            {
                Ok(()) => self.count_delivered(1),
                Err(SinkError::Reject { reason }) => {
                    self.stats.rejected.fetch_add(1, Ordering::Relaxed);
                    tracing::error!(
                        sink = self.name,
                        sequence = sequence.0,
                        reason,
                        "sink rejected an alert"
                    );
                }
                Err(retry @ SinkError::Retry { .. }) => return Err(retry),
            }
            self.reader.acknowledge(sequence);
        }
        Ok(())
    }

    fn count_delivered(&self, count: usize) {
        self.stats.delivered.fetch_add(count as u64, Ordering::Relaxed);
    }

    fn failed(&self, error: &SinkError, backoff: &Backoff) {
        self.stats.retries.fetch_add(1, Ordering::Relaxed);
        if backoff.is_first() {
            tracing::warn!(sink = self.name, %error, "sink failed, alerts stay in the spool; trying again");
        }
    }

    fn recovered(&self, backoff: &mut Backoff) {
        if !backoff.is_first() {
            tracing::info!(sink = self.name, "sink works again");
        }
        *backoff = Backoff::new(FIRST_BACKOFF);
    }
}

/// Doubles with each failure; jitter keeps many agents from returning together.
#[derive(Debug)]
struct Backoff {
    next: Duration,
}

impl Backoff {
    fn new(first: Duration) -> Self {
        Self { next: first }
    }

    fn is_first(&self) -> bool {
        self.next == FIRST_BACKOFF
    }

    fn next(&mut self) -> Duration {
        let base = self.next;
        self.next = (base * 2).min(LONGEST_BACKOFF);
        let percent = u32::try_from(RandomState::new().build_hasher().finish() % 50).unwrap_or(0);
        base * (75 + percent) / 100
    }
}
