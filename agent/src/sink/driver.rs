//! From the spool to a sink: batches, retries, the cursor.

use super::{AlertBatch, Sink, SinkError};
use crate::config::SinkFilter;
use crate::spool::{Record, Sequence, SpoolError, SpoolReader};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Alerts per delivery, and bytes of them: receivers take a few MiB.
const BATCH: usize = 256;
const BATCH_BYTES: usize = 1 << 20;
/// While there is nothing to deliver.
const TEND_EVERY: Duration = Duration::from_secs(1);
const FIRST_BACKOFF: Duration = Duration::from_millis(100);
const LONGEST_BACKOFF: Duration = Duration::from_secs(30);

/// What a sink's driver counts.
#[derive(Debug, Default)]
pub struct SinkStats {
    delivered: AtomicU64,
    retries: AtomicU64,
    rejected: AtomicU64,
    filtered: AtomicU64,
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

    /// Alerts that the sink's filter keeps from it.
    #[must_use]
    pub fn filtered_total(&self) -> u64 {
        self.filtered.load(Ordering::Relaxed)
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
    /// Alerts that it does not take are acknowledged without being delivered, and counted.
    pub filter: SinkFilter,
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
                next = self.reader.available(BATCH) => next,
            };
            if matches!(&next, Ok(records) if records.is_empty()) {
                // Beside the waiting only: what is read from a slow disk is not begun again each second.
                tokio::select! {
                    biased;
                    () = stop.cancelled() => break,
                    () = self.reader.changed() => {}
                    () = tokio::time::sleep(TEND_EVERY) => self.tend(&mut backoff).await,
                }
                continue;
            }
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
        self.sink.close().await;
    }

    /// Nothing is to be delivered: failures are said as those of deliveries are, the next delivery shows what becomes of them.
    async fn tend(&mut self, backoff: &mut Backoff) {
        match self.sink.tend().await {
            Ok(()) => self.recovered(backoff),
            Err(error) => {
                self.failed(&error, backoff);
                backoff.next();
            }
        }
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
        let records = first_of(records, BATCH_BYTES);
        let Some(last) = records.last().map(|record| record.sequence) else {
            return Ok(());
        };
        let oldest = records.first().map_or(0, |record| record.time_unix_ms);
        self.stats.oldest_unix_ms.store(oldest, Ordering::Relaxed);
        let (records, filtered): (Vec<_>, Vec<_>) =
            records.into_iter().partition(|record| self.filter.takes(record));
        self.deliver(AlertBatch { records }, &filtered, last).await
    }

    async fn deliver(
        &mut self,
        batch: AlertBatch,
        mut filtered: &[Arc<Record>],
        last: Sequence,
    ) -> Result<(), SinkError> {
        if !batch.records.is_empty() {
            match self.sink.deliver(&batch).await {
                Ok(()) => self.count_delivered(batch.records.len()),
                Err(SinkError::Reject { reason }) => {
                    self.deliver_singly(batch, &mut filtered, &reason).await?
                }
                Err(retry @ SinkError::Retry { .. }) => return Err(retry),
            }
        }
        self.acknowledge(last, &mut filtered);
        if self.reader.is_drained() {
            self.stats.oldest_unix_ms.store(0, Ordering::Relaxed);
        }
        Ok(())
    }

    /// One alert that the receiver refuses must not take its neighbours with it.
    async fn deliver_singly(
        &mut self,
        batch: AlertBatch,
        filtered: &mut &[Arc<Record>],
        reason: &str,
    ) -> Result<(), SinkError> {
        if let [record] = &batch.records[..] {
            self.count_rejected(record.sequence, reason);
            return Ok(());
        }
        for record in batch.records {
            let sequence = record.sequence;
            let alone = AlertBatch {
                records: vec![record],
            };
            match self.sink.deliver(&alone).await {
                Ok(()) => self.count_delivered(1),
                Err(SinkError::Reject { reason }) => self.count_rejected(sequence, &reason),
                Err(retry @ SinkError::Retry { .. }) => return Err(retry),
            }
            self.acknowledge(sequence, filtered);
        }
        Ok(())
    }

    /// Moves the cursor; what it passes of `filtered` is counted and taken from it: it does not come again.
    fn acknowledge(&mut self, to: Sequence, filtered: &mut &[Arc<Record>]) {
        let passed = filtered.partition_point(|record| record.sequence <= to);
        self.stats.filtered.fetch_add(passed as u64, Ordering::Relaxed);
        *filtered = filtered.get(passed..).unwrap_or_default();
        self.reader.acknowledge(to);
    }

    fn count_rejected(&self, sequence: Sequence, reason: &str) {
        self.stats.rejected.fetch_add(1, Ordering::Relaxed);
        tracing::error!(
            sink = self.name,
            sequence = sequence.0,
            reason,
            "sink rejected an alert"
        );
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

/// The first records that fit, at least one.
fn first_of(mut records: Vec<Arc<Record>>, max_bytes: usize) -> Vec<Arc<Record>> {
    let mut bytes = 0;
    let fitting = records.iter().take_while(|record| {
        bytes += record.payload.len();
        bytes <= max_bytes
    });
    let count = fitting.count().max(1);
    records.truncate(count);
    records
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
