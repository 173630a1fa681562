//! Reading: one position per sink, moved only by acknowledgement.

use super::record::{Record, Sequence};
use super::{Shared, SpoolError, cursor, segment};
use std::collections::VecDeque;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::watch;

/// What a sink has acknowledged.
#[derive(Debug)]
pub(super) struct Cursor {
    sink: String,
    position: AtomicU64,
    /// What the disk has of it; locked while it is written.
    stored: Mutex<Option<Sequence>>,
}

impl Cursor {
    /// A new sink begins after `last`; one whose cursor is damaged gets everything that is left.
    pub(super) fn open(dir: &Path, sink: &str, last: Sequence) -> Self {
        let position = match cursor::read(dir, sink) {
            cursor::Stored::At(sequence) => sequence,
            cursor::Stored::Missing => last,
            cursor::Stored::Damaged => {
                tracing::warn!(
                    sink,
                    "cursor is damaged: alerts that are still in the spool are sent again"
                );
                Sequence(0)
            }
        };
        Self {
            sink: sink.to_owned(),
            position: AtomicU64::new(position.0),
            // That of a new sink is stored at the first opportunity.
            stored: Mutex::default(),
        }
    }

    /// As [`Cursor::open`], for a spool that is in use: one from beyond its end, of a spool that was lost, would hide
    /// what comes next.
    pub(super) fn join(dir: &Path, sink: &str, committed: Sequence) -> Self {
        let mut cursor = Self::open(dir, sink, committed);
        let position = cursor.position.get_mut();
        *position = committed.0.min(*position);
        cursor
    }

    pub(super) fn get(&self) -> Sequence {
        Sequence(self.position.load(Ordering::Acquire))
    }

    pub(super) fn sink(&self) -> &str {
        &self.sink
    }

    /// Puts it on the disk when it moved, and returns what is there now.
    pub(super) fn store(&self, dir: &Path) -> Result<Sequence, SpoolError> {
        let mut stored = self.stored.lock().unwrap_or_else(PoisonError::into_inner);
        let position = self.get();
        if *stored != Some(position) {
            cursor::write(dir, &self.sink, position)?;
            *stored = Some(position);
        }
        Ok(position)
    }
}

/// Reads alerts for one sink, in order. Batches repeat until they are acknowledged.
#[derive(Debug)]
pub struct SpoolReader {
    shared: Arc<Shared>,
    cursor: Arc<Cursor>,
    committed: watch::Receiver<Sequence>,
    /// Read from disk already, oldest first.
    backlog: VecDeque<Arc<Record>>,
}

impl SpoolReader {
    pub(super) fn new(shared: &Arc<Shared>, sink: &str) -> Result<Self, SpoolError> {
        let cursor = shared.cursor(sink).ok_or_else(|| SpoolError::UnknownSink {
            name: sink.to_owned(),
        })?;
        Ok(Self {
            shared: Arc::clone(shared),
            cursor,
            committed: shared.committed.subscribe(),
            backlog: VecDeque::new(),
        })
    }

    /// What was acknowledged last.
    #[must_use]
    pub fn position(&self) -> Sequence {
        self.cursor.get()
    }

    /// True when nothing is committed that was not acknowledged.
    #[must_use]
    pub fn is_drained(&self) -> bool {
        self.position() >= *self.shared.committed.borrow()
    }

    /// The next alerts after the acknowledged ones, at most `max`, at least one. Waits for them.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub async fn next_batch(&mut self, max: usize) -> Result<Vec<Arc<Record>>, SpoolError> {
        loop {
            let batch = self.available(max).await?;
            if !batch.is_empty() {
                return Ok(batch);
            }
            self.changed().await;
        }
    }

    /// Waits until more is committed than [`SpoolReader::available`] looked at last.
    pub async fn changed(&mut self) {
        // The spool is gone only together with this reader, which holds it.
        let _changed = self.committed.changed().await;
    }

    /// As [`SpoolReader::next_batch`], but returns nothing instead of waiting.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub async fn available(&mut self, max: usize) -> Result<Vec<Arc<Record>>, SpoolError> {
        loop {
            let committed = *self.committed.borrow_and_update();
            let position = self.position();
            if position >= committed {
                return Ok(Vec::new());
            }
            while self
                .backlog
                .front()
                .is_some_and(|record| record.sequence <= position)
            {
                self.backlog.pop_front();
            }
            if !self.backlog.is_empty() {
                return Ok(self.backlog.iter().take(max).cloned().collect());
            }
            let (tail, floor) = {
                let tail = self.shared.tail();
                (tail.after(position, max), tail.floor())
            };
            match tail {
                // Everything up to `committed` was dropped: nothing to deliver, so nothing to wait for.
                Some(records) if records.is_empty() => self.acknowledge(committed),
                Some(records) => return Ok(records),
                None => self.load(position, floor).await?,
            }
        }
    }

    /// The sink has everything up to `sequence`.
    pub fn acknowledge(&mut self, sequence: Sequence) {
        self.cursor.position.fetch_max(sequence.0, Ordering::AcqRel);
    }

    /// Reads the first segment with records after `position`; when there is none up to `floor`, they were dropped.
    async fn load(&mut self, position: Sequence, floor: Sequence) -> Result<(), SpoolError> {
        let dir = self.shared.dir.clone();
        let read = tokio::task::spawn_blocking(move || first_after(&dir, position, floor)).await;
        self.backlog = read.unwrap_or_else(|_| Ok(VecDeque::new()))?;
        if self.backlog.is_empty() {
            self.acknowledge(floor);
        }
        Ok(())
    }
}

fn first_after(dir: &Path, position: Sequence, floor: Sequence) -> Result<VecDeque<Arc<Record>>, SpoolError> {
    let segments = segment::list(dir)?;
    // Segments do not overlap: those before the last one that begins at or before the position cannot matter.
    let start = segments
        .partition_point(|segment| segment.first <= position)
        .saturating_sub(1);
    for file in &segments[start..] {
        // Removed or shrunk by the writer in between, or unreadable: counted at the next start.
        let Ok(scan) = segment::read(&file.path) else {
            continue;
        };
        let wanted = |record: &Record| record.sequence > position && record.sequence <= floor;
        let records: VecDeque<_> = scan.records.into_iter().filter(wanted).map(Arc::new).collect();
        if !records.is_empty() {
            return Ok(records);
        }
    }
    Ok(VecDeque::new())
}
