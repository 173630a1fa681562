//! Looks for an alert in a spool from outside, also while an agent writes it. Changes nothing.

use super::{Record, SpoolError, segment};
use std::path::Path;

/// The newest record in `dir` that `wanted` accepts. Holds one segment at a time in memory.
///
/// # Errors
/// When the folder cannot be read.
pub fn newest(dir: &Path, wanted: impl Fn(&Record) -> bool) -> Result<Option<Record>, SpoolError> {
    for file in segment::list(dir)?.into_iter().rev() {
        // Removed by the writer in between: delivered, and gone.
        let Ok(scan) = segment::read(&file.path) else {
            continue;
        };
        if let Some(found) = scan.records.into_iter().rev().find(|record| wanted(record)) {
            return Ok(Some(found));
        }
    }
    Ok(None)
}
