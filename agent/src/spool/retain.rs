//! What stays on disk: recovery at start, removal of what was delivered, the size cap.

use super::SpoolError;
use super::record::{Record, SEVERITIES, Sequence};
use super::segment::{self, SegmentFile};
use super::stats::SpoolStats;
use std::collections::VecDeque;
use std::io;
use std::path::Path;

/// Damaged segments that are set aside for a person to look at; further ones are only counted.
const MAX_SET_ASIDE: usize = 4;

/// What an earlier run left.
#[derive(Debug)]
pub(super) struct Recovered {
    pub segments: VecDeque<Closed>,
    /// Newest sequence on disk.
    pub last: Sequence,
}

/// A segment that is written no more.
#[derive(Debug)]
pub(super) struct Closed {
    pub file: SegmentFile,
    pub last: Sequence,
}

/// Reads every segment, sets damaged ones aside, gives back reserved space, removes empty ones.
pub(super) fn recover(dir: &Path, stats: &SpoolStats) -> Result<Recovered, SpoolError> {
    let mut recovered = Recovered {
        segments: VecDeque::new(),
        last: Sequence(0),
    };
    for mut file in segment::list(dir)? {
        let scan = match segment::read(&file.path) {
            Ok(scan) => scan,
            Err(error) => {
                tracing::error!(%error, "spool segment cannot be read, skipped");
                stats.damaged(file.bytes);
                continue;
            }
        };
        if scan.damaged_bytes > 0 {
            stats.damaged(scan.damaged_bytes);
            set_aside(dir, &file, scan.damaged_bytes);
        }
        let Some(last) = scan.records.last().map(|record| record.sequence) else {
            warn_failed("remove empty segment", segment::rewrite(&file, &[]));
            continue;
        };
        recovered.last = recovered.last.max(last);
        let trimmed = if scan.damaged_bytes > 0 {
            segment::rewrite(&file, &scan.records)
        } else {
            trim(&file, scan.end as u64)
        };
        file.bytes = warn_failed("trim segment", trimmed).unwrap_or(file.bytes);
        recovered.segments.push_back(Closed { file, last });
    }
    Ok(recovered)
}

/// Removes segments that every sink has.
pub(super) fn remove_delivered(segments: &mut VecDeque<Closed>, delivered: Sequence) {
    while segments.front().is_some_and(|segment| segment.last <= delivered) {
        if warn_failed("remove segment", std::fs::remove_file(&segments[0].file.path)).is_none() {
            return;
        }
        segments.pop_front();
    }
}

/// Brings closed segments down to `max_bytes`: what was delivered goes first, then the lowest severity, oldest first.
pub(super) fn enforce_cap(
    segments: &mut VecDeque<Closed>,
    max_bytes: u64,
    delivered: Sequence,
    stats: &SpoolStats,
) {
    for severity in SEVERITIES {
        for at in 0..segments.len() {
            if total(segments) <= max_bytes {
                break;
            }
            let keep = |record: &Record| record.sequence > delivered && record.severity > severity;
            thin(&mut segments[at], keep, delivered, stats);
        }
        segments.retain(|segment| segment.file.bytes > 0);
    }
}

/// Bytes of closed segments.
pub(super) fn total(segments: &VecDeque<Closed>) -> u64 {
    segments.iter().map(|segment| segment.file.bytes).sum()
}

fn thin(segment: &mut Closed, keep: impl Fn(&Record) -> bool, delivered: Sequence, stats: &SpoolStats) {
    let Ok(scan) = segment::read(&segment.file.path) else {
        stats.error();
        return;
    };
    let (kept, gone): (Vec<Record>, Vec<Record>) = scan.records.into_iter().partition(keep);
    if gone.is_empty() {
        return;
    }
    let Some(bytes) = warn_failed("shrink segment", segment::rewrite(&segment.file, &kept)) else {
        stats.error();
        return;
    };
    segment.file.bytes = bytes;
    let lost: Vec<&Record> = gone.iter().filter(|record| record.sequence > delivered).collect();
    for record in &lost {
        stats.dropped(record.severity);
    }
    if !lost.is_empty() {
        tracing::error!(
            alerts = lost.len(),
            "spool is full: undelivered alerts of the lowest severity dropped"
        );
    }
}

fn trim(file: &SegmentFile, used: u64) -> io::Result<u64> {
    if used < file.bytes {
        std::fs::OpenOptions::new()
            .write(true)
            .open(&file.path)?
            .set_len(used)?;
    }
    Ok(used)
}

fn set_aside(dir: &Path, file: &SegmentFile, bytes: u64) {
    let aside = dir.join("damaged");
    let kept = std::fs::read_dir(&aside).map_or(0, Iterator::count);
    tracing::error!(segment = %file.path.display(), bytes, "spool segment is damaged; its intact records are kept");
    if kept >= MAX_SET_ASIDE {
        return;
    }
    let copied = std::fs::create_dir_all(&aside)
        .and_then(|()| std::fs::copy(&file.path, aside.join(file.path.file_name().unwrap_or_default())));
    warn_failed("set damaged segment aside", copied);
}

fn warn_failed<T>(action: &'static str, result: io::Result<T>) -> Option<T> {
    result
        .inspect_err(|error| tracing::warn!(action, %error, "spool maintenance failed"))
        .ok()
}
