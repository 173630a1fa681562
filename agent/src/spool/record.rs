//! A record on disk, and how records are found again in a damaged file.
//!
//! ```text
//! magic u32 | length u32 | crc u32 | severity u8, 0, 0, 0 | sequence u64 | time u64 | payload
//! ```
//! Little endian. The checksum covers everything but magic and itself. After a damaged record the scan goes on
//! at the next magic whose record checks out, so damage costs only the records it touches.

use crate::detect::Severity;

/// First bytes of each record: `VREC`.
const MAGIC: [u8; 4] = *b"VREC";
/// Bytes before the payload.
pub(super) const HEADER_BYTES: usize = 32;
/// Largest payload, bytes. Alerts with the longest paths, arguments and labels fit; see [`crate::alert::Alert::to_line`].
pub(super) const MAX_PAYLOAD_BYTES: usize = 1 << 20;

/// Number of a record; grows by one with each alert, gaps are what was dropped.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sequence(pub u64);

/// A stored alert.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    pub sequence: Sequence,
    pub severity: Severity,
    /// When it was appended, milliseconds since the Unix epoch.
    pub time_unix_ms: u64,
    /// The alert as one line of JSON, without the newline.
    pub payload: Vec<u8>,
}

/// What a scan found.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Scan {
    pub records: Vec<Record>,
    /// Bytes that belong to no valid record and are not zero padding.
    pub damaged_bytes: u64,
    /// Offset behind the last valid record.
    pub end: usize,
}

/// Appends the record's bytes to `out`.
pub(super) fn encode(record: &Record, out: &mut Vec<u8>) {
    let length = u32::try_from(record.payload.len()).unwrap_or(u32::MAX);
    let start = out.len();
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&[severity_number(record.severity), 0, 0, 0]);
    out.extend_from_slice(&record.sequence.0.to_le_bytes());
    out.extend_from_slice(&record.time_unix_ms.to_le_bytes());
    out.extend_from_slice(&record.payload);
    let crc = checksum(&out[start..]);
    out[start + 8..start + 12].copy_from_slice(&crc.to_le_bytes());
}

/// Bytes the record takes on disk.
#[must_use]
pub(super) fn encoded_len(record: &Record) -> usize {
    HEADER_BYTES + record.payload.len()
}

/// Finds every valid record in `bytes`, from `start` on. Sequences only grow: what repeats is skipped.
#[must_use]
pub(super) fn scan(bytes: &[u8], start: usize) -> Scan {
    let mut found = Scan {
        end: start.min(bytes.len()),
        ..Scan::default()
    };
    let mut at = found.end;
    let mut last = Sequence(0);
    while at < bytes.len() {
        match decode(&bytes[at..]) {
            Some((record, length)) if record.sequence > last => {
                found.damaged_bytes += damage(&bytes[found.end..at]);
                last = record.sequence;
                found.records.push(record);
                at += length;
                found.end = at;
            }
            _ => at = next_magic(bytes, at + 1),
        }
    }
    found.damaged_bytes += damage(&bytes[found.end..]);
    found
}

/// The severity's number on disk.
#[must_use]
pub fn severity_number(severity: Severity) -> u8 {
    match severity {
        Severity::Info => 0,
        Severity::Low => 1,
        Severity::Medium => 2,
        Severity::High => 3,
        Severity::Critical => 4,
    }
}

fn severity_of(number: u8) -> Option<Severity> {
    SEVERITIES.get(usize::from(number)).copied()
}

/// In rising order.
pub const SEVERITIES: [Severity; 5] = [
    Severity::Info,
    Severity::Low,
    Severity::Medium,
    Severity::High,
    Severity::Critical,
];

fn decode(bytes: &[u8]) -> Option<(Record, usize)> {
    let header = bytes.get(..HEADER_BYTES)?;
    if header[..4] != MAGIC {
        return None;
    }
    let length = usize::try_from(number_u32(&header[4..8])?).ok()?;
    if length > MAX_PAYLOAD_BYTES {
        return None;
    }
    let whole = bytes.get(..HEADER_BYTES + length)?;
    if checksum(whole) != number_u32(&header[8..12])? {
        return None;
    }
    let record = Record {
        sequence: Sequence(number_u64(&header[16..24])?),
        severity: severity_of(header[12])?,
        time_unix_ms: number_u64(&header[24..32])?,
        payload: whole[HEADER_BYTES..].to_vec(),
    };
    Some((record, whole.len()))
}

fn checksum(record: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&record[4..8]);
    hasher.update(&record[12..]);
    hasher.finalize()
}

fn number_u32(bytes: &[u8]) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.try_into().ok()?))
}

fn number_u64(bytes: &[u8]) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.try_into().ok()?))
}

fn next_magic(bytes: &[u8], from: usize) -> usize {
    let rest = bytes.get(from..).unwrap_or_default();
    bstr::ByteSlice::find(rest, MAGIC).map_or(bytes.len(), |offset| from + offset)
}

/// Preallocated space is zero; anything else between records is damage.
fn damage(gap: &[u8]) -> u64 {
    let used = gap.iter().rposition(|byte| *byte != 0).map_or(0, |at| at + 1);
    used as u64
}
