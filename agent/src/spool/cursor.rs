//! Cursors: how far each sink has acknowledged. One small file per sink.

use super::SpoolError;
use super::record::Sequence;
use super::segment::write_durably;
use std::path::{Path, PathBuf};

const WORD: &str = "vigia-cursor/v1";

/// Where the cursor of `sink` is kept.
#[must_use]
pub(super) fn path(dir: &Path, sink: &str) -> PathBuf {
    dir.join(format!("{sink}.cursor"))
}

/// What was stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stored {
    /// The sink is new.
    Missing,
    At(Sequence),
    /// The file makes no sense: everything that is still there is sent again.
    Damaged,
}

/// Reads the cursor of `sink`.
#[must_use]
pub(super) fn read(dir: &Path, sink: &str) -> Stored {
    match std::fs::read_to_string(path(dir, sink)) {
        Ok(text) => parse(&text).map_or(Stored::Damaged, Stored::At),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Stored::Missing,
        Err(_) => Stored::Damaged,
    }
}

/// Stores the cursor durably.
///
/// # Errors
/// When the disk refuses; the old cursor is still there then.
pub(super) fn write(dir: &Path, sink: &str, sequence: Sequence) -> Result<(), SpoolError> {
    let path = path(dir, sink);
    write_durably(&path, line(sequence).as_bytes()).map_err(|source| SpoolError::Io {
        action: "write",
        path,
        source,
    })
}

/// Every cursor in `dir`.
#[must_use]
pub(super) fn list(dir: &Path) -> Vec<(String, Stored)> {
    let Ok(entries) = std::fs::read_dir(dir) else {
        return Vec::new();
    };
    let mut cursors: Vec<_> = entries
        .flatten()
        .filter_map(|entry| Some(entry.file_name().to_str()?.strip_suffix(".cursor")?.to_owned()))
        .map(|sink| (sink.clone(), read(dir, &sink)))
        .collect();
    cursors.sort_by(|a, b| a.0.cmp(&b.0));
    cursors
}

fn line(sequence: Sequence) -> String {
    let text = format!("{WORD} {}", sequence.0);
    let crc = crc32fast::hash(text.as_bytes());
    format!("{text} {crc:08x}\n")
}

fn parse(text: &str) -> Option<Sequence> {
    let number = text.strip_prefix(WORD)?.split_whitespace().next()?;
    let sequence = Sequence(number.parse().ok()?);
    (line(sequence) == text).then_some(sequence)
}
