//! One daemon per run folder and per spool: locks that the kernel releases however the daemon ends.

use rustix::fs::{FlockOperation, flock};
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Mode of the run folder: the socket's group may enter it.
const RUN_DIR_MODE: u32 = 0o750;
/// Mode of the spool's folder.
const SPOOL_DIR_MODE: u32 = 0o700;

/// Why the lock was not taken. Exit code 69.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    #[error(
        "another agent runs already: process {holder} holds {}\n  help: stop it; a second agent needs a `run_dir`, a \
         `state_dir` and a `metrics.listen` of its own",
        path.display()
    )]
    Held { holder: String, path: PathBuf },
    #[error("cannot take the lock {}: {source}\n  help: check the permissions of its folder", path.display())]
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
    /// Makes `dir`, the run folder, if needed and takes its lock.
    ///
    /// # Errors
    /// When another process holds it, or the folder cannot be written.
    pub fn of_run_dir(dir: &Path) -> Result<Self, LockError> {
        Self::acquire(dir, RUN_DIR_MODE)
    }

    /// Makes `dir`, the spool's folder, if needed and takes its lock: two writers would destroy each other's
    /// segments and cursors.
    ///
    /// # Errors
    /// As [`Self::of_run_dir`].
    pub fn of_spool(dir: &Path) -> Result<Self, LockError> {
        Self::acquire(dir, SPOOL_DIR_MODE)
    }

    fn acquire(dir: &Path, mode: u32) -> Result<Self, LockError> {
        let path = dir.join("agent.lock");
        let failed = |source| LockError::Io {
            path: path.clone(),
            source,
        };
        DirBuilder::new()
            .recursive(true)
            .mode(mode)
            .create(dir)
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
