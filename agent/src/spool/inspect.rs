//! A look at a spool from outside: `agent spool status|verify`. Changes nothing.

use super::record::Sequence;
use super::{SpoolError, cursor, segment};
use serde::Serialize;
use std::path::Path;

/// What is in a spool.
#[derive(Debug, Serialize)]
pub struct SpoolReport {
    pub dir: String,
    pub segments: Vec<SegmentReport>,
    pub cursors: Vec<CursorReport>,
    pub records: u64,
    pub bytes: u64,
    pub damaged_bytes: u64,
}

/// A segment file.
#[derive(Debug, Serialize)]
pub struct SegmentReport {
    pub file: String,
    pub bytes: u64,
    pub records: usize,
    pub first: Option<u64>,
    pub last: Option<u64>,
    pub damaged_bytes: u64,
}

/// The cursor of a sink.
#[derive(Debug, Serialize)]
pub struct CursorReport {
    pub sink: String,
    /// Null: the file is damaged.
    pub position: Option<u64>,
    /// Records after it.
    pub undelivered: u64,
}

/// Reads everything in `dir` and checks every checksum.
///
/// # Errors
/// When the folder or a segment cannot be read.
pub fn inspect(dir: &Path) -> Result<SpoolReport, SpoolError> {
    let mut sequences: Vec<Sequence> = Vec::new();
    let mut segments = Vec::new();
    for file in segment::list(dir)? {
        let scan = segment::read(&file.path)?;
        sequences.extend(scan.records.iter().map(|record| record.sequence));
        segments.push(SegmentReport {
            file: file
                .path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned(),
            bytes: file.bytes,
            records: scan.records.len(),
            first: scan.records.first().map(|record| record.sequence.0),
            last: scan.records.last().map(|record| record.sequence.0),
            damaged_bytes: scan.damaged_bytes,
        });
    }
    let cursors = cursor::list(dir)
        .into_iter()
        .map(|(sink, stored)| report(sink, stored, &sequences))
        .collect();
    Ok(SpoolReport {
        dir: dir.display().to_string(),
        records: sequences.len() as u64,
        bytes: segments.iter().map(|segment| segment.bytes).sum(),
        damaged_bytes: segments.iter().map(|segment| segment.damaged_bytes).sum(),
        segments,
        cursors,
    })
}

fn report(sink: String, stored: cursor::Stored, sequences: &[Sequence]) -> CursorReport {
    let position = match stored {
        cursor::Stored::At(sequence) => Some(sequence),
        cursor::Stored::Missing | cursor::Stored::Damaged => None,
    };
    let after = position.unwrap_or_default();
    CursorReport {
        sink,
        position: position.map(|sequence| sequence.0),
        undelivered: sequences.iter().filter(|sequence| **sequence > after).count() as u64,
    }
}
