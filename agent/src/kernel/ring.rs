//! The two rings.

use super::error::KernelError;
use agent_common::event::{EventHeader, EventKind, RecordFlags};
use agent_common::limits::ALERT_RING_BYTES;
use aya::Ebpf;
use aya::maps::{MapData, RingBuf};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use zerocopy::FromBytes;

/// Reader of both rings.
pub struct RingReader {
    alerts: RingBuf<MapData>,
    activity: RingBuf<MapData>,
    #[cfg(feature = "debug-log")]
    messages: super::messages::Messages,
    /// Bytes of the batch, and where each record is in them.
    bytes: Vec<u8>,
    index: Vec<Entry>,
    answers: Vec<RecordFlags>,
}

/// A record of the batch. Sorted by time; of one moment, lifecycle and deviations first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    time_boot_ns: u64,
    ring: u8,
    start: usize,
    end: usize,
}

/// Bytes of one batch of each ring: all that the urgent one can hold; the other, when it is busy, is drained in several.
const MAX_BATCH: usize = ALERT_RING_BYTES as usize;

impl std::fmt::Debug for RingReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RingReader").finish_non_exhaustive()
    }
}

impl RingReader {
    pub(super) fn take(ebpf: &mut Ebpf) -> Result<Self, KernelError> {
        Ok(Self {
            alerts: super::map(ebpf, "ALERTS", RingBuf::try_from)?,
            activity: super::map(ebpf, "ACTIVITY", RingBuf::try_from)?,
            #[cfg(feature = "debug-log")]
            messages: super::messages::Messages::take(ebpf)?,
            bytes: Vec::new(),
            index: Vec::new(),
            answers: Vec::new(),
        })
    }

    /// Readable when an urgent record was written. A descriptor of its own: it may outlive the reader.
    ///
    /// # Errors
    /// When the descriptor cannot be duplicated or watched; outside of a tokio runtime it panics.
    pub fn wake_up(&self) -> io::Result<AsyncFd<OwnedFd>> {
        let descriptor = self.alerts.as_fd().try_clone_to_owned()?;
        // SAFETY: the descriptor is owned by the AsyncFd and stays open and the same until that is dropped. The safe
        // constructors are deprecated.
        Ok(unsafe { AsyncFd::register_with_interest(descriptor, Interest::READABLE) }?)
    }

    /// Hands out everything that is there (up to a batch), oldest first; returns how many records.
    ///
    /// ACTIVITY is read before ALERTS: what made a container known was written before anything it did, so a batch
    /// never has an event without the record that introduces its container.
    pub fn drain(&mut self, out: &mut impl FnMut(&[u8])) -> usize {
        #[cfg(feature = "debug-log")]
        self.messages.flush();
        self.bytes.clear();
        self.index.clear();
        copy(&mut self.activity, 1, &mut self.bytes, &mut self.index);
        copy(&mut self.alerts, 0, &mut self.bytes, &mut self.index);
        self.index.sort_unstable();
        let mut records = 0;
        for entry in &self.index {
            let Some(record) = self.bytes.get(entry.start..entry.end) else {
                continue;
            };
            if let Some(flags) = answer(record) {
                self.answers.push(flags);
            } else {
                out(record);
                records += 1;
            }
        }
        records
    }

    /// Flags of the programs' answers to the daemon that were drained since the last call.
    pub fn take_answers(&mut self) -> Vec<RecordFlags> {
        std::mem::take(&mut self.answers)
    }
}

fn copy(ring: &mut RingBuf<MapData>, number: u8, bytes: &mut Vec<u8>, index: &mut Vec<Entry>) {
    let limit = bytes.len() + MAX_BATCH;
    while bytes.len() < limit {
        let Some(record) = ring.next() else { return };
        let start = bytes.len();
        bytes.extend_from_slice(&record);
        index.push(Entry {
            time_boot_ns: time_of(&record),
            ring: number,
            start,
            end: bytes.len(),
        });
    }
}

/// A record that is no event, but an answer to [`super::Sensor::call`].
fn answer(record: &[u8]) -> Option<RecordFlags> {
    let (header, _) = EventHeader::read_from_prefix(record).ok()?;
    (header.kind == EventKind::HEARTBEAT).then_some(header.flags)
}

/// The header begins with its time.
fn time_of(record: &[u8]) -> u64 {
    const _: () = assert!(std::mem::offset_of!(EventHeader, time_boot_ns) == 0);
    record.first_chunk().map_or(0, |bytes| u64::from_ne_bytes(*bytes))
}
