//! One daemon per run folder: a lock that the kernel releases however the daemon ends.

use rustix::fs::{FlockOperation, flock};
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Why the lock was not taken. Exit code 69.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    #[error(
        "another agent runs already: process {holder} holds {}\n  help: stop it, or give this one another `run_dir`",
        path.display()
    )]
    Held { holder: String, path: PathBuf },
    #[error("cannot take the lock {}: {source}\n  help: check the permissions of `run_dir`", path.display())]
    Io {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
}

/// Held for as long as this lives.
#[derive(Debug)]
pub struct InstanceLock {
    _file: File,
}

impl InstanceLock {
    /// Makes `run_dir` if needed and takes its lock.
    ///
    /// # Errors
    /// When another process holds it, or the folder cannot be written.
    pub fn acquire(run_dir: &Path) -> Result<Self, LockError> {
        let path = run_dir.join("agent.lock");
        let failed = |source| LockError::Io {
            path: path.clone(),
            source,
        };
        DirBuilder::new()
            .recursive(true)
            .mode(0o750)
            .create(run_dir)
            .map_err(failed)?;
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(failed)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => {
                let mut holder = String::new();
                // Without the number the message is still right.
                let _unread = file.read_to_string(&mut holder);
                let holder = holder.trim().to_owned();
                return Err(LockError::Held {
                    holder: if holder.is_empty() { "?".to_owned() } else { holder },
                    path,
                });
            }
            Err(error) => return Err(failed(error.into())),
        }
        file.set_len(0).and_then(|()| file.rewind()).map_err(failed)?;
        writeln!(file, "{}", std::process::id()).map_err(failed)?;
        Ok(Self { _file: file })
    }
}
