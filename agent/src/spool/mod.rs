//! The spool: every alert is on disk before any sink sees it, and stays until every sink has it.
//!
//! Invariants:
//! - A sequence is published to readers only after its record is durable. While the disk refuses, records are kept
//!   in bounded memory instead, and [`SpoolStats::degraded`] says so.
//! - A cursor is durable before the segments behind it are removed; so a crash sends again, and never skips.
//! - Damage costs the records it touches, is counted and set aside, and never stops the agent.
//! - Every queue is bounded; what does not fit is dropped lowest severity first, and counted.
//!
//! One thread writes. It commits as soon as something is there; what arrives during a commit makes the next batch.

mod cursor;
mod find;
mod inbox;
mod inspect;
mod reader;
mod record;
mod retain;
mod segment;
mod stats;
mod tail;
#[cfg(test)]
mod tests;
mod writer;

pub use find::{for_each, newest};
pub use inspect::{CursorReport, SegmentReport, SpoolReport, inspect};
pub use reader::SpoolReader;
pub use record::{Record, SEVERITIES, Sequence, severity_number};
pub use segment::VERSION;
pub use stats::SpoolStats;

use crate::alert::Alert;
use crate::detect::Severity;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use tokio::sync::watch;

/// Why the spool cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    #[error("spool: cannot {action} {}: {source}", path.display())]
    Io {
        action: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("spool: no sink named `{name}`")]
    UnknownSink { name: String },
}

/// What a spool is made with.
#[derive(Debug, Clone)]
pub struct Options {
    pub dir: PathBuf,
    /// Largest size on disk, bytes.
    pub max_bytes: u64,
    /// Names of the sinks; the cursors of others hold nothing back.
    pub sinks: Vec<String>,
}

/// Handle of the spool: appends, and makes readers. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Spool {
    shared: Arc<Shared>,
    writer: Arc<Mutex<Option<JoinHandle<()>>>>,
}

#[derive(Debug)]
struct Shared {
    dir: PathBuf,
    inbox: inbox::Inbox,
    tail: Mutex<tail::Tail>,
    /// Newest sequence that readers may see.
    committed: watch::Sender<Sequence>,
    /// Those of the sinks there are now.
    cursors: Mutex<Vec<Arc<reader::Cursor>>>,
    stats: SpoolStats,
}

impl Shared {
    fn tail(&self) -> std::sync::MutexGuard<'_, tail::Tail> {
        self.tail.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn cursors(&self) -> std::sync::MutexGuard<'_, Vec<Arc<reader::Cursor>>> {
        self.cursors.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn cursor(&self, sink: &str) -> Option<Arc<reader::Cursor>> {
        let cursors = self.cursors();
        cursors.iter().find(|cursor| cursor.sink() == sink).cloned()
    }

    /// What every sink has acknowledged.
    fn delivered(&self) -> Sequence {
        let slowest = self.cursors().iter().map(|cursor| cursor.get()).min();
        slowest.unwrap_or_else(|| *self.committed.borrow())
    }
}

impl Spool {
    /// Alerts that may wait for the writer.
    pub const QUEUE: usize = inbox::MAX_QUEUED;
    /// Longest line, bytes.
    pub const MAX_LINE_BYTES: usize = record::MAX_PAYLOAD_BYTES;

    /// Opens the spool, recovers what an earlier run left, and starts the writer.
    ///
    /// # Errors
    /// When the folder cannot be made or read. Damage inside is no error: see [`SpoolStats`].
    pub fn open(options: &Options) -> Result<Self, SpoolError> {
        make_dir(&options.dir)?;
        let stats = SpoolStats::default();
        let recovered = retain::recover(&options.dir, &stats)?;
        let open = |sink: &String| Arc::new(reader::Cursor::open(&options.dir, sink, recovered.last));
        let cursors: Vec<_> = options.sinks.iter().map(open).collect();
        let last = cursors
            .iter()
            .map(|cursor| cursor.get())
            .fold(recovered.last, Sequence::max);
        let shared = Arc::new(Shared {
            dir: options.dir.clone(),
            inbox: inbox::Inbox::new(last),
            tail: Mutex::new(tail::Tail::new(last)),
            committed: watch::Sender::new(last),
            cursors: Mutex::new(cursors),
            stats,
        });
        let writer = writer::start(Arc::clone(&shared), recovered.segments, options.max_bytes)?;
        Ok(Self {
            shared,
            writer: Arc::new(Mutex::new(Some(writer))),
        })
    }

    /// Hands an alert to the writer and returns its number at once. It reaches sinks when the disk has it.
    pub fn append(&self, alert: &Alert) -> Sequence {
        self.append_line(alert.severity, alert.to_line(Self::MAX_LINE_BYTES).into_bytes())
    }

    /// As [`Spool::append`], for a line that is JSON already. A line longer than [`Self::MAX_LINE_BYTES`] is dropped.
    pub fn append_line(&self, severity: Severity, payload: Vec<u8>) -> Sequence {
        let (sequence, dropped) = self.shared.inbox.push(severity, payload);
        if let Some(dropped) = dropped {
            self.shared.stats.dropped(dropped);
        }
        sequence
    }

    /// From now on alerts are kept for `sink`: from its stored cursor on, else from the next alert on. Blocks for as long
    /// as the disk takes.
    pub fn add_sink(&self, sink: &str) {
        // Under the lock, so that the writer cannot remove what is committed between the look and the entry.
        let mut cursors = self.shared.cursors();
        if cursors.iter().all(|cursor| cursor.sink() != sink) {
            let committed = *self.shared.committed.borrow();
            let cursor = reader::Cursor::join(&self.shared.dir, sink, committed);
            cursors.push(Arc::new(cursor));
        }
    }

    /// Nothing is kept for `sink` any more. Its cursor stays on the disk: when the sink comes back, it goes on there, as
    /// far as the spool still has the alerts. Blocks for as long as the disk takes.
    ///
    /// # Errors
    /// When the cursor cannot be stored; then the one of a second ago stays.
    pub fn remove_sink(&self, sink: &str) -> Result<(), SpoolError> {
        let removed = {
            let mut cursors = self.shared.cursors();
            let at = cursors.iter().position(|cursor| cursor.sink() == sink);
            at.map(|at| cursors.swap_remove(at))
        };
        removed.map_or(Ok(()), |cursor| cursor.store(&self.shared.dir).map(drop))
    }

    /// The reader of a sink, at what the sink acknowledged last.
    ///
    /// # Errors
    /// When the spool has no such sink.
    pub fn reader(&self, sink: &str) -> Result<SpoolReader, SpoolError> {
        SpoolReader::new(&self.shared, sink)
    }

    /// Counters and gauges.
    #[must_use]
    pub fn stats(&self) -> &SpoolStats {
        &self.shared.stats
    }

    /// Alerts that wait for the writer.
    #[must_use]
    pub fn queue_depth(&self) -> usize {
        self.shared.inbox.len()
    }

    /// Alerts that `sink` has not acknowledged yet, dropped ones included.
    #[must_use]
    pub fn pending(&self, sink: &str) -> u64 {
        let committed = self.shared.committed.borrow().0;
        let cursor = self.shared.cursor(sink);
        cursor.map_or(0, |cursor| committed.saturating_sub(cursor.get().0))
    }

    /// Waits until everything appended so far is committed, or in bounded memory when the disk refuses.
    pub async fn flush(&self) {
        let target = self.shared.inbox.last();
        let mut committed = self.shared.committed.subscribe();
        // An error means that the writer ended; it commits everything before it does.
        let _ended = committed.wait_for(|sequence| *sequence >= target).await;
    }

    /// Commits what is queued, stores the cursors, ends the writer. Blocks for as long as the disk takes.
    pub fn close(&self) {
        self.shared.inbox.close();
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if writer.is_some_and(|writer| writer.join().is_err()) {
            tracing::error!("spool writer panicked");
        }
    }
}

fn make_dir(dir: &Path) -> Result<(), SpoolError> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .map_err(|source| SpoolError::Io {
            action: "create",
            path: dir.to_owned(),
            source,
        })
}
