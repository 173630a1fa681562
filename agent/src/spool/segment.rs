//! Segments: files of records, preallocated, named by their first sequence.

use super::SpoolError;
use super::record::{self, Record, Scan, Sequence};
use rustix::fs::FallocateFlags;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Size of a segment, bytes: what one compaction or one lagging reader holds in memory.
pub(super) const SEGMENT_BYTES: u64 = 4 << 20;
const MAGIC: [u8; 8] = *b"VIGIASPL";
/// Version of the layout of segments and records.
pub const VERSION: u32 = 1;
/// Magic, version, zero, first sequence.
const HEADER_BYTES: usize = 24;
const SUFFIX: &str = "seg";

/// A closed segment as it stands in the folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SegmentFile {
    pub first: Sequence,
    pub path: PathBuf,
    pub bytes: u64,
}

/// The segment that is written.
#[derive(Debug)]
pub(super) struct SegmentWriter {
    file: File,
    pub first: Sequence,
    pub path: PathBuf,
    /// Bytes that are in use.
    pub used: u64,
}

impl SegmentWriter {
    /// Creates the segment whose first record will be `first`.
    ///
    /// # Errors
    /// When the file cannot be made durable in `dir`.
    pub(super) fn create(dir: &Path, first: Sequence) -> io::Result<Self> {
        let path = dir.join(format!("{:020}.{SUFFIX}", first.0));
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&path)?;
        // With the space reserved, a commit changes no metadata; where it cannot be, commits are merely slower.
        match rustix::fs::fallocate(&file, FallocateFlags::empty(), 0, SEGMENT_BYTES) {
            Ok(()) | Err(rustix::io::Errno::OPNOTSUPP) => {}
            Err(error) => {
                drop(file);
                let _gone = std::fs::remove_file(&path);
                return Err(error.into());
            }
        }
        file.write_all(&header(first))?;
        file.sync_all()?;
        sync_dir(dir)?;
        Ok(Self {
            file,
            first,
            path,
            used: HEADER_BYTES as u64,
        })
    }

    /// Writes `bytes` and returns when the disk has them.
    ///
    /// # Errors
    /// When the disk refuses; the segment must not be used any more then.
    pub(super) fn commit(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)?;
        self.file.sync_data()?;
        self.used += bytes.len() as u64;
        Ok(())
    }

    /// True when `more` bytes do not fit. A record larger than a segment gets one of its own.
    #[must_use]
    pub(super) fn is_full(&self, more: usize) -> bool {
        self.used > HEADER_BYTES as u64 && self.used + more as u64 > SEGMENT_BYTES
    }

    /// True when nothing was committed.
    #[must_use]
    pub(super) fn is_empty(&self) -> bool {
        self.used == HEADER_BYTES as u64
    }

    /// Gives back the space that was reserved and not used.
    ///
    /// # Errors
    /// When the disk refuses.
    pub(super) fn close(self) -> io::Result<()> {
        self.file.set_len(self.used)?;
        self.file.sync_all()
    }
}

/// Every segment of `dir`, oldest first.
///
/// # Errors
/// When the folder cannot be read.
pub(super) fn list(dir: &Path) -> Result<Vec<SegmentFile>, SpoolError> {
    let failed = |source| SpoolError::Io {
        action: "read",
        path: dir.to_owned(),
        source,
    };
    let mut segments = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let Some(first) = sequence_of(&path) else {
            continue;
        };
        // A segment may be removed by the writer while a reader lists.
        let Ok(metadata) = path.metadata() else {
            continue;
        };
        segments.push(SegmentFile {
            first,
            path,
            bytes: metadata.len(),
        });
    }
    segments.sort_by_key(|segment| segment.first);
    Ok(segments)
}

/// Reads a segment, however damaged it is.
///
/// # Errors
/// When the file cannot be read at all.
pub(super) fn read(path: &Path) -> Result<Scan, SpoolError> {
    let bytes = std::fs::read(path).map_err(|source| SpoolError::Io {
        action: "read",
        path: path.to_owned(),
        source,
    })?;
    Ok(scan(&bytes, sequence_of(path).unwrap_or_default()))
}

/// Records of a segment's bytes. A damaged header loses no record: each one carries its own checksum.
#[must_use]
pub(super) fn scan(bytes: &[u8], first: Sequence) -> Scan {
    let intact = bytes.get(..HEADER_BYTES) == Some(&header(first)[..]);
    let mut scan = record::scan(bytes, if intact { HEADER_BYTES } else { 0 });
    if !intact && !bytes.is_empty() {
        scan.damaged_bytes = scan.damaged_bytes.max(1);
    }
    scan
}

/// Replaces a segment by one with only `records`; removes it when there are none.
///
/// # Errors
/// When the disk refuses; the segment is as it was then.
pub(super) fn rewrite(segment: &SegmentFile, records: &[Record]) -> io::Result<u64> {
    let dir = segment.path.parent().unwrap_or(Path::new("."));
    if records.is_empty() {
        std::fs::remove_file(&segment.path)?;
        sync_dir(dir)?;
        return Ok(0);
    }
    let mut bytes = header(segment.first).to_vec();
    for record in records {
        record::encode(record, &mut bytes);
    }
    write_durably(&segment.path, &bytes)?;
    Ok(bytes.len() as u64)
}

/// Temporary file, fsync, rename, fsync of the folder: after a crash the old or the new content is there.
///
/// # Errors
/// When the disk refuses.
pub(super) fn write_durably(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let temporary = path.with_extension("tmp");
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&temporary)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(&temporary, path)?;
    sync_dir(path.parent().unwrap_or(Path::new(".")))
}

/// Makes names in `dir` durable.
///
/// # Errors
/// When the disk refuses.
pub(super) fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

fn header(first: Sequence) -> [u8; HEADER_BYTES] {
    let mut header = [0; HEADER_BYTES];
    header[..8].copy_from_slice(&MAGIC);
    header[8..12].copy_from_slice(&VERSION.to_le_bytes());
    header[16..].copy_from_slice(&first.0.to_le_bytes());
    header
}

fn sequence_of(path: &Path) -> Option<Sequence> {
    if path.extension()? != SUFFIX {
        return None;
    }
    path.file_stem()?.to_str()?.parse().ok().map(Sequence)
}
