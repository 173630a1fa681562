//! The writing thread.

use super::inbox::Work;
use super::record::{self, Record, Sequence};
use super::retain::{self, Closed};
use super::segment::{SEGMENT_BYTES, SegmentFile, SegmentWriter};
use super::tail::Place;
use super::{Shared, SpoolError};
use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Cursors are stored at most this late: a crash repeats what was delivered in between.
const CURSOR_INTERVAL: Duration = Duration::from_secs(1);
/// How often a disk that refused is tried again.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);

struct Writer {
    shared: Arc<Shared>,
    segments: VecDeque<Closed>,
    active: Option<SegmentWriter>,
    /// Newest sequence in the active segment.
    last: Sequence,
    max_bytes: u64,
    cursors_due: Instant,
    retry_at: Instant,
}

/// Starts the thread.
pub(super) fn start(
    shared: Arc<Shared>,
    segments: VecDeque<Closed>,
    max_bytes: u64,
) -> Result<JoinHandle<()>, SpoolError> {
    let path = shared.dir.clone();
    let now = Instant::now();
    let writer = Writer {
        shared,
        segments,
        active: None,
        last: Sequence(0),
        max_bytes,
        cursors_due: now,
        retry_at: now,
    };
    std::thread::Builder::new()
        .name("spool".to_owned())
        .spawn(move || writer.run())
        .map_err(|source| SpoolError::Io {
            action: "start the writer of",
            path,
            source,
        })
}

impl Writer {
    fn run(mut self) {
        loop {
            let work = self.shared.inbox.take(CURSOR_INTERVAL);
            let closed = work.closed && work.records.is_empty();
            self.write(work);
            if closed {
                self.retry_disk(Instant::now());
                self.store_cursors();
                self.close_active();
                return;
            }
            let now = Instant::now();
            if now >= self.cursors_due {
                self.store_cursors();
                self.cursors_due = now + CURSOR_INTERVAL;
            }
            if self.shared.stats.degraded() && now >= self.retry_at {
                self.retry_disk(now);
            }
        }
    }

    fn write(&mut self, work: Work) {
        let records: Vec<Arc<Record>> = work.records.into_iter().map(Arc::new).collect();
        let place = if records.is_empty() {
            Place::Disk
        } else if self.shared.stats.degraded() {
            Place::MemoryOnly
        } else {
            self.commit(&records)
                .map_or_else(|error| self.degrade(&error), |()| Place::Disk)
        };
        self.publish(records, place, work.through);
    }

    fn publish(&self, records: Vec<Arc<Record>>, place: Place, through: Sequence) {
        let mut tail = self.shared.tail();
        for record in records {
            for lost in tail.push(record, place) {
                self.shared.stats.dropped(lost.severity);
            }
        }
        drop(tail);
        self.shared.committed.send_if_modified(|committed| {
            let moved = through > *committed;
            *committed = through.max(*committed);
            moved
        });
    }

    /// Writes and syncs; as many segments as it takes.
    fn commit(&mut self, records: &[Arc<Record>]) -> io::Result<()> {
        let started = Instant::now();
        let mut bytes = Vec::new();
        for record in records {
            let length = record::encoded_len(record);
            if self
                .active
                .as_ref()
                .is_some_and(|active| active.is_full(bytes.len() + length))
            {
                self.commit_bytes(&mut bytes)?;
                self.close_active();
            }
            if self.active.is_none() {
                self.make_room();
                self.active = Some(SegmentWriter::create(&self.shared.dir, record.sequence)?);
            }
            record::encode(record, &mut bytes);
            self.last = record.sequence;
        }
        self.commit_bytes(&mut bytes)?;
        self.shared.stats.committed(records.len(), started.elapsed());
        self.report_disk();
        Ok(())
    }

    fn commit_bytes(&mut self, bytes: &mut Vec<u8>) -> io::Result<()> {
        if let Some(active) = self.active.as_mut().filter(|_| !bytes.is_empty()) {
            active.commit(bytes)?;
            bytes.clear();
        }
        Ok(())
    }

    fn make_room(&mut self) {
        let delivered = self.shared.delivered();
        let room = self.max_bytes.saturating_sub(SEGMENT_BYTES);
        retain::remove_delivered(&mut self.segments, delivered);
        retain::enforce_cap(&mut self.segments, room, delivered, &self.shared.stats);
    }

    fn close_active(&mut self) {
        let Some(active) = self.active.take() else {
            return;
        };
        let file = SegmentFile {
            first: active.first,
            path: active.path.clone(),
            bytes: active.used,
        };
        if active.is_empty() {
            // Its name would be taken again by the segment that begins with the same record.
            let _gone = std::fs::remove_file(&file.path);
            return;
        }
        if let Err(error) = active.close() {
            tracing::warn!(%error, "spool segment could not be trimmed");
        }
        self.segments.push_back(Closed {
            file,
            last: self.last,
        });
    }

    /// The disk refused: whatever the segment holds is read at the next start, but nothing is added to it.
    fn degrade(&mut self, error: &io::Error) -> Place {
        self.shared.stats.error();
        self.close_active();
        self.retry_at = Instant::now() + RETRY_INTERVAL;
        if !self.shared.stats.degrade() {
            tracing::error!(%error, "spool cannot write: alerts are kept in memory only until the disk works again");
        }
        Place::MemoryOnly
    }

    fn retry_disk(&mut self, now: Instant) {
        if !self.shared.stats.degraded() {
            return;
        }
        let waiting = self.shared.tail().memory_only();
        self.retry_at = now + RETRY_INTERVAL;
        let written = if waiting.is_empty() {
            self.probe()
        } else {
            self.commit(&waiting)
        };
        match written {
            Ok(()) => {
                self.shared.tail().saved();
                self.shared.stats.recover();
                tracing::warn!(alerts = waiting.len(), "spool writes again");
            }
            Err(error) => {
                self.degrade(&error);
            }
        }
    }

    /// Nothing waits, so a commit would not touch the disk: the next segment is made instead. It is removed when it
    /// stays empty.
    fn probe(&mut self) -> io::Result<()> {
        if self.active.is_none() {
            self.make_room();
            let next = Sequence(self.shared.committed.borrow().0 + 1);
            self.active = Some(SegmentWriter::create(&self.shared.dir, next)?);
        }
        Ok(())
    }

    /// Cursors first, then the segments behind them: the other way round a crash would skip.
    fn store_cursors(&mut self) {
        // Those there are now: one that comes meanwhile begins at what is committed, which is not less than any of these.
        let cursors = self.shared.cursors().clone();
        let mut durable = *self.shared.committed.borrow();
        let mut all = true;
        for cursor in cursors {
            match cursor.store(&self.shared.dir) {
                Ok(position) => durable = durable.min(position),
                Err(error) => {
                    all = false;
                    self.shared.stats.error();
                    tracing::warn!(%error, "cursor could not be stored");
                }
            }
        }
        if all {
            self.shared.tail().delivered(durable);
            retain::remove_delivered(&mut self.segments, durable);
            self.report_disk();
        }
    }

    fn report_disk(&self) {
        let active = self.active.as_ref().map_or(0, |active| active.used);
        let count = self.segments.len() + usize::from(self.active.is_some());
        self.shared
            .stats
            .set_disk(retain::total(&self.segments) + active, count);
    }
}
