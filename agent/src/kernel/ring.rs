//! The two rings.

use super::error::KernelError;
use agent_common::event::EventHeader;
use aya::Ebpf;
use aya::maps::{MapData, RingBuf};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Reader of both rings.
pub struct RingReader {
    alerts: RingBuf<MapData>,
    activity: RingBuf<MapData>,
    /// Bytes of the batch, and where each record is in them.
    bytes: Vec<u8>,
    index: Vec<Entry>,
}

/// A record of the batch. Sorted by time; of one moment, lifecycle and deviations first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    time_boot_ns: u64,
    ring: u8,
    start: usize,
    end: usize,
}

/// Bytes of one batch: a busy ring is drained in several.
const MAX_BATCH: usize = 4 << 20;

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
            bytes: Vec::new(),
            index: Vec::new(),
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
        self.bytes.clear();
        self.index.clear();
        copy(&mut self.activity, 1, &mut self.bytes, &mut self.index);
        copy(&mut self.alerts, 0, &mut self.bytes, &mut self.index);
        self.index.sort_unstable();
        for entry in &self.index {
            if let Some(record) = self.bytes.get(entry.start..entry.end) {
                out(record);
            }
        }
        self.index.len()
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

/// The header begins with its time.
fn time_of(record: &[u8]) -> u64 {
    const _: () = assert!(std::mem::offset_of!(EventHeader, time_boot_ns) == 0);
    record.first_chunk().map_or(0, |bytes| u64::from_ne_bytes(*bytes))
}
