//! Which containers are ours: other labs of the machine have theirs, and the agent tells of all.

use crate::lab::Docker;
use anyhow::{Context, Result, bail};
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

/// Keeps the ids of all containers that a daemon makes, those of image builds too, which nobody else could name.
#[derive(Debug)]
pub(super) struct Created {
    events: Child,
    file: PathBuf,
}

impl Created {
    /// From now on.
    ///
    /// # Errors
    /// When Docker's client cannot be started.
    pub(super) fn follow(docker: &Docker) -> Result<Self> {
        // What happens before the client is connected comes by this.
        let since = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
        let file = docker.folder().join("created");
        let mut events = docker.cli();
        events.args(["events", "--since", &since.to_string()]);
        events.args(["--filter", "type=container", "--filter", "event=create"]);
        events.args(["--format", "{{.Actor.ID}}"]);
        events.stdin(Stdio::null()).stdout(File::create(&file)?);
        let events = events.spawn().context("cannot start docker events")?;
        Ok(Self { events, file })
    }

    /// Their ids so far.
    ///
    /// # Errors
    /// When Docker's client has ended: some may be missing.
    pub(super) fn ids(&mut self) -> Result<BTreeSet<String>> {
        if let Some(status) = self.events.try_wait()? {
            bail!("docker events has ended: {status}");
        }
        let ids = fs::read_to_string(&self.file)?;
        Ok(ids.lines().map(str::to_owned).collect())
    }
}

impl Drop for Created {
    fn drop(&mut self) {
        // It may have ended by itself.
        self.events.kill().ok();
        self.events.wait().ok();
    }
}
