//! Looks for alerts in a spool from outside, also while an agent writes it. Changes nothing.

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

/// Shows `see` every record in `dir`, oldest first, until it fails; returns how that ended. Holds one segment at a time in memory.
///
/// # Errors
/// When the folder cannot be read.
pub fn for_each(
    dir: &Path,
    mut see: impl FnMut(&Record) -> std::io::Result<()>,
) -> Result<std::io::Result<()>, SpoolError> {
    for file in segment::list(dir)? {
        // As above.
        let Ok(scan) = segment::read(&file.path) else {
            continue;
        };
        for record in &scan.records {
            if let Err(error) = see(record) {
                return Ok(Err(error));
            }
        }
    }
    Ok(Ok(()))
}
