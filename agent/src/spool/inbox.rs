//! The queue in front of the writer: bounded, lowest severity dropped first.

use super::record::{MAX_PAYLOAD_BYTES, Record, Sequence};
use crate::detect::Severity;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Alerts that may wait for one commit. At 16 a millisecond the slowest commit seen (100 ms) still fits.
pub(super) const MAX_QUEUED: usize = 2048;

#[derive(Debug)]
pub(super) struct Inbox {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    queue: Vec<Record>,
    last: Sequence,
    open: bool,
}

/// What the writer is to do next.
#[derive(Debug)]
pub(super) struct Work {
    pub records: Vec<Record>,
    /// Everything up to here was handed over: what is not among `records` was dropped.
    pub through: Sequence,
    pub closed: bool,
}

impl Inbox {
    pub(super) fn new(last: Sequence) -> Self {
        let state = State {
            queue: Vec::new(),
            last,
            open: true,
        };
        Self {
            state: Mutex::new(state),
            changed: Condvar::new(),
        }
    }

    /// Queues a record; returns the severity of the one that was dropped to make room, if any.
    pub(super) fn push(&self, severity: Severity, payload: Vec<u8>) -> (Sequence, Option<Severity>) {
        let mut state = self.lock();
        state.last.0 += 1;
        let sequence = state.last;
        if !state.open || payload.len() > MAX_PAYLOAD_BYTES {
            return (sequence, Some(severity));
        }
        state.queue.push(Record {
            sequence,
            severity,
            time_unix_ms: now_unix_ms(),
            payload,
        });
        let dropped = (state.queue.len() > MAX_QUEUED)
            .then(|| drop_lowest(&mut state.queue))
            .flatten();
        self.changed.notify_one();
        (sequence, dropped)
    }

    /// Waits for records, at most `patience`.
    pub(super) fn take(&self, patience: Duration) -> Work {
        let state = self.lock();
        let (mut state, _timeout) = self
            .changed
            .wait_timeout_while(state, patience, |state| state.queue.is_empty() && state.open)
            .unwrap_or_else(PoisonError::into_inner);
        Work {
            records: std::mem::take(&mut state.queue),
            through: state.last,
            closed: !state.open,
        }
    }

    pub(super) fn close(&self) {
        self.lock().open = false;
        self.changed.notify_all();
    }

    pub(super) fn last(&self) -> Sequence {
        self.lock().last
    }

    pub(super) fn len(&self) -> usize {
        self.lock().queue.len()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn drop_lowest(queue: &mut Vec<Record>) -> Option<Severity> {
    let (at, _) = queue
        .iter()
        .enumerate()
        .min_by_key(|(_, record)| record.severity)?;
    Some(queue.remove(at).severity)
}

fn now_unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
