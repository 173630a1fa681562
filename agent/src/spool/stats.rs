//! What the spool counts.

use super::record::{SEVERITIES, severity_number};
use crate::detect::Severity;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// Counters and gauges, read at each scrape.
#[derive(Debug, Default)]
pub struct SpoolStats {
    dropped: [AtomicU64; SEVERITIES.len()],
    appended: AtomicU64,
    commits: AtomicU64,
    commit_ns: AtomicU64,
    damaged_bytes: AtomicU64,
    damaged_segments: AtomicU64,
    disk_bytes: AtomicU64,
    segments: AtomicU64,
    errors: AtomicU64,
    degraded: AtomicBool,
}

impl SpoolStats {
    /// Alerts that were dropped undelivered, by severity.
    pub fn dropped_total(&self) -> impl Iterator<Item = (Severity, u64)> + '_ {
        SEVERITIES.into_iter().zip(self.dropped.iter().map(load))
    }

    /// Alerts that were committed.
    #[must_use]
    pub fn appended_total(&self) -> u64 {
        load(&self.appended)
    }

    /// Commits, and the time they took.
    #[must_use]
    pub fn commits_total(&self) -> (u64, Duration) {
        (load(&self.commits), Duration::from_nanos(load(&self.commit_ns)))
    }

    /// Bytes that belonged to no valid record, and segments they were found in.
    #[must_use]
    pub fn damaged_total(&self) -> (u64, u64) {
        (load(&self.damaged_bytes), load(&self.damaged_segments))
    }

    /// Bytes and files on disk.
    #[must_use]
    pub fn disk(&self) -> (u64, u64) {
        (load(&self.disk_bytes), load(&self.segments))
    }

    /// Writes that the disk refused.
    #[must_use]
    pub fn errors_total(&self) -> u64 {
        load(&self.errors)
    }

    /// The disk refuses: alerts are kept in bounded memory and a restart would lose them.
    #[must_use]
    pub fn degraded(&self) -> bool {
        self.degraded.load(Ordering::Relaxed)
    }

    pub(super) fn dropped(&self, severity: Severity) {
        self.dropped[usize::from(severity_number(severity))].fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn committed(&self, records: usize, took: Duration) {
        add(&self.appended, records as u64);
        add(&self.commits, 1);
        add(
            &self.commit_ns,
            u64::try_from(took.as_nanos()).unwrap_or(u64::MAX),
        );
    }

    pub(super) fn damaged(&self, bytes: u64) {
        add(&self.damaged_bytes, bytes);
        add(&self.damaged_segments, 1);
    }

    pub(super) fn set_disk(&self, bytes: u64, segments: usize) {
        self.disk_bytes.store(bytes, Ordering::Relaxed);
        self.segments.store(segments as u64, Ordering::Relaxed);
    }

    pub(super) fn error(&self) {
        add(&self.errors, 1);
    }

    /// Returns what it was before.
    pub(super) fn degrade(&self) -> bool {
        self.degraded.swap(true, Ordering::Relaxed)
    }

    /// Returns what it was before.
    pub(super) fn recover(&self) -> bool {
        self.degraded.swap(false, Ordering::Relaxed)
    }
}

fn load(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}

fn add(counter: &AtomicU64, more: u64) {
    counter.fetch_add(more, Ordering::Relaxed);
}
