//! Lines in a file of mode 0600: rotated by size, opened again on SIGUSR1 or when it was moved away.

use crate::config::FileSink;
use crate::format::Format;
use crate::sink::{AlertBatch, Sink, SinkError};
use async_trait::async_trait;
use futures_util::FutureExt;
use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Alerts name paths, arguments and addresses: they are the owner's only.
const MODE: u32 = 0o600;

/// A rotated file.
#[derive(Debug)]
pub struct FileAlerts {
    config: FileSink,
    format: Format,
    file: Option<File>,
    reopen: Signal,
}

impl FileAlerts {
    /// Opens the file, so that a path that cannot be written is found at start.
    ///
    /// # Errors
    /// When it cannot be opened for appending.
    pub fn open(config: FileSink, format: Format) -> Result<Self, SinkError> {
        let file = open(&config.path).map_err(|source| failed("open", &config.path, source))?;
        let reopen = signal(SignalKind::user_defined1())
            .map_err(|source| failed("watch SIGUSR1 for", &config.path, source))?;
        Ok(Self {
            config,
            format,
            file: Some(file),
            reopen,
        })
    }
}

#[async_trait]
impl Sink for FileAlerts {
    async fn deliver(&mut self, batch: &AlertBatch) -> Result<(), SinkError> {
        if self.reopen.recv().now_or_never().is_some() {
            self.file = None;
        }
        let lines = batch.to_lines(self.format)?;
        let config = self.config.clone();
        let file = self.file.take();
        let written = tokio::task::spawn_blocking(move || append(&config, file, &lines)).await;
        let file = written
            .map_err(io::Error::other)
            .and_then(|written| written)
            .map_err(|source| failed("write", &self.config.path, source))?;
        self.file = Some(file);
        Ok(())
    }
}

fn append(config: &FileSink, file: Option<File>, lines: &[u8]) -> io::Result<File> {
    let mut file = match file {
        Some(file) if is_current(&file, &config.path) => file,
        _ => open(&config.path)?,
    };
    let size = file.metadata()?.len();
    if size > 0 && size + lines.len() as u64 > config.max_bytes {
        rotate(config)?;
        file = open(&config.path)?;
    }
    whole_or_nothing(&mut file, |file| {
        file.write_all(lines)?;
        file.sync_data()
    })?;
    Ok(file)
}

/// The batch comes again: what a full disk took of it must not stay as half a line.
fn whole_or_nothing(file: &mut File, write: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<()> {
    let before = file.metadata()?;
    write(file).inspect_err(|_| {
        // Without it the next opening ends the line that was begun.
        if before.is_file() {
            let _cut = file.set_len(before.len());
        }
    })
}

/// Opens for appending, and for nobody else to read; a line that a crash left unfinished is ended first.
fn open(path: &Path) -> io::Result<File> {
    let mut file = OpenOptions::new()
        .append(true)
        .read(true)
        .create(true)
        .mode(MODE)
        .open(path)?;
    let metadata = file.metadata()?;
    if metadata.is_file() && metadata.mode() & 0o777 != MODE {
        // Somebody else's file: alerts must arrive all the same.
        if let Err(error) = file.set_permissions(Permissions::from_mode(MODE)) {
            tracing::warn!(path = %path.display(), %error, "others may read the alerts: the file's mode stays as it is");
        }
    }
    let mut last = [b'\n'];
    if metadata.is_file() && metadata.len() > 0 {
        file.seek(SeekFrom::End(-1))?;
        file.read_exact(&mut last)?;
    }
    if last != [b'\n'] {
        file.write_all(b"\n")?;
    }
    Ok(file)
}

/// False when somebody moved the file away.
fn is_current(file: &File, path: &Path) -> bool {
    let (Ok(open), Ok(named)) = (file.metadata(), path.metadata()) else {
        return false;
    };
    (open.dev(), open.ino()) == (named.dev(), named.ino())
}

fn rotate(config: &FileSink) -> io::Result<()> {
    if config.max_files == 0 {
        return std::fs::remove_file(&config.path);
    }
    for number in (1..config.max_files).rev() {
        let older = numbered(&config.path, number + 1);
        match std::fs::rename(numbered(&config.path, number), older) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    std::fs::rename(&config.path, numbered(&config.path, 1))
}

fn numbered(path: &Path, number: u32) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{number}"));
    name.into()
}

fn failed(action: &str, path: &Path, source: io::Error) -> SinkError {
    SinkError::Retry {
        action: format!("{action} {}", path.display()),
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::Severity;
    use crate::spool::{Record, Sequence};
    use std::sync::Arc;

    fn batch(text: &str) -> AlertBatch {
        let record = Record {
            sequence: Sequence(1),
            severity: Severity::High,
            time_unix_ms: 0,
            payload: text.into(),
        };
        AlertBatch {
            records: vec![Arc::new(record)],
        }
    }

    fn config(dir: &Path, max_bytes: u64) -> FileSink {
        FileSink {
            path: dir.join("alerts"),
            max_bytes,
            max_files: 2,
        }
    }

    #[tokio::test]
    async fn rotation_keeps_the_newest_files_and_their_mode() {
        let dir = tempfile::tempdir().unwrap();
        let mut sink = FileAlerts::open(config(dir.path(), 10), Format::Native).unwrap();
        for text in ["one-long", "two-long", "three-l", "four-lo"] {
            sink.deliver(&batch(text)).await.unwrap();
        }
        let read = |name: &str| std::fs::read_to_string(dir.path().join(name)).unwrap();
        assert_eq!(
            (read("alerts"), read("alerts.1"), read("alerts.2")),
            ("four-lo\n".into(), "three-l\n".into(), "two-long\n".into())
        );
        assert!(!dir.path().join("alerts.3").exists());
        assert_eq!(
            dir.path().join("alerts").metadata().unwrap().mode() & 0o777,
            0o600
        );
    }

    #[tokio::test]
    async fn a_moved_file_and_an_unfinished_line_are_noticed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("alerts");
        std::fs::write(&path, "{\"unfini").unwrap();
        let mut sink = FileAlerts::open(config(dir.path(), 1000), Format::Native).unwrap();
        sink.deliver(&batch("a")).await.unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "{\"unfini\na\n");
        std::fs::rename(&path, dir.path().join("moved")).unwrap();
        sink.deliver(&batch("b")).await.unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "b\n");
    }

    #[tokio::test]
    async fn a_file_that_others_could_read_is_closed_to_them() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("alerts");
        std::fs::write(&path, "old\n").unwrap();
        std::fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        let mut sink = FileAlerts::open(config(dir.path(), 1000), Format::Native).unwrap();
        sink.deliver(&batch("new")).await.unwrap();
        assert_eq!(path.metadata().unwrap().mode() & 0o777, MODE);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "old\nnew\n");
    }

    #[test]
    fn a_write_that_fails_half_way_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("alerts");
        let mut file = open(&path).unwrap();
        whole_or_nothing(&mut file, |file| file.write_all(b"one\n")).unwrap();
        let full = whole_or_nothing(&mut file, |file| {
            file.write_all(b"{\"half")?;
            Err(io::ErrorKind::StorageFull.into())
        });
        assert_eq!(full.unwrap_err().kind(), io::ErrorKind::StorageFull);
        whole_or_nothing(&mut file, |file| file.write_all(b"two\n")).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "one\ntwo\n");
    }

    #[tokio::test]
    async fn a_path_that_cannot_be_opened_is_found_at_start() {
        let dir = tempfile::tempdir().unwrap();
        let error = FileAlerts::open(config(&dir.path().join("none"), 1), Format::Native).unwrap_err();
        assert!(error.to_string().contains("none/alerts"));
    }
}
