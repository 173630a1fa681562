//! The loaded sensor and what it has reported so far.

use super::container::Actor;
use agent::decode::decode;
use agent::event::{EventHeader, ExecId, Payload, RawEvent};
use agent::kernel::{Backend, Capability, CapabilityReport, Sensor, SensorConfig};
use anyhow::{Context, Result, bail, ensure};
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// A record is in the ring before the system call that made it returns; this is for lifecycle records of other CPUs.
const REPORTED_WITHIN: Duration = Duration::from_secs(3);
/// Events kept for a test: more would be one that forgot to forget.
const MAX_EVENTS: usize = 100_000;

/// One sensor for the whole process.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) sensor: Sensor,
    /// The backend that must be in use; `None`: the best that loads.
    pub(crate) forced: Option<Backend>,
    events: Vec<RawEvent>,
    folder: TempDir,
}

impl World {
    /// Loads the sensor, with the backend that `VIGIA_BACKEND` (or, by `cargo xtask test vm`, `VIGIA_TEST_BACKEND`)
    /// names.
    ///
    /// # Errors
    /// When it cannot be loaded or the variable names no backend.
    pub(crate) fn load() -> Result<Self> {
        let backend = forced_backend()?;
        Self::with(SensorConfig {
            backend,
            enforces: true,
            watches: true,
            ..SensorConfig::default()
        })
    }

    /// Loads the sensor as it is told.
    ///
    /// # Errors
    /// When it cannot be loaded.
    pub(crate) fn with(config: SensorConfig) -> Result<Self> {
        let forced = config.backend;
        let sensor = Sensor::load(config).context("the sensor cannot be loaded")?;
        Ok(Self {
            sensor,
            forced,
            events: Vec::new(),
            folder: tempfile::Builder::new().prefix("vigia-kernel-").tempdir()?,
        })
    }

    /// A file of this run that does not exist.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A file of this run that exists.
    pub(crate) fn file(&self, name: &str) -> Result<PathBuf> {
        let path = self.path(name);
        fs::write(&path, name)?;
        Ok(path)
    }

    /// What the sensor says of a capability.
    pub(crate) fn report(&self, capability: Capability) -> Option<&CapabilityReport> {
        self.sensor
            .reports()
            .iter()
            .find(|report| report.capability == capability)
    }

    /// Takes in all that is in the rings, batch by batch.
    pub(crate) fn pump(&mut self) -> Result<()> {
        let (mut failed, events) = (None, &mut self.events);
        let mut take = |record: &[u8]| match decode(record) {
            Ok(event) => events.push(event),
            Err(error) => failed = Some(error),
        };
        while self.sensor.rings.drain(&mut take) > 0 {}
        ensure!(self.events.len() < MAX_EVENTS, "too many events are kept");
        failed.map_or(Ok(()), |error| {
            Err(error).context("a record of the kernel cannot be decoded")
        })
    }

    /// Forgets what was reported.
    pub(crate) fn forget(&mut self) -> Result<()> {
        self.pump()?;
        self.events.clear();
        Ok(())
    }

    /// Everything that was reported and not forgotten.
    pub(crate) fn events(&mut self) -> Result<&[RawEvent]> {
        self.pump()?;
        Ok(&self.events)
    }

    /// How many of them are like this.
    pub(crate) fn count(&mut self, mut like: impl FnMut(&RawEvent) -> bool) -> Result<usize> {
        Ok(self.events()?.iter().filter(|event| like(event)).count())
    }

    /// Waits for the event that `pick` picks.
    ///
    /// # Errors
    /// When it does not come; what came instead is in the error.
    pub(crate) fn expect<T>(
        &mut self,
        what: &str,
        mut pick: impl FnMut(&RawEvent) -> Option<T>,
    ) -> Result<T> {
        let deadline = Instant::now() + REPORTED_WITHIN;
        loop {
            self.pump()?;
            if let Some(picked) = self.events.iter().find_map(&mut pick) {
                return Ok(picked);
            }
            if Instant::now() >= deadline {
                bail!("{what} was not reported; last events: {}", self.last_events());
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// The image that an actor runs, by its EXEC event.
    ///
    /// # Errors
    /// When it was not reported.
    pub(crate) fn image_of(&mut self, actor: &Actor) -> Result<ExecId> {
        let pid = actor.pid;
        self.expect("EXEC of the container's process", |event| {
            let is_exec = matches!(event.payload, Payload::Exec(_)) && event.header.tgid == pid;
            is_exec.then(|| event.exec_id())
        })
    }

    fn last_events(&self) -> String {
        let last = self.events.iter().rev().take(6).map(|event| {
            let EventHeader { slot, tgid, ret, .. } = event.header;
            format!("\n    slot {slot} pid {tgid} ret {ret}: {:?}", event.payload)
        });
        last.collect()
    }
}

fn forced_backend() -> Result<Option<Backend>> {
    let name = ["VIGIA_BACKEND", "VIGIA_TEST_BACKEND"]
        .into_iter()
        .find_map(|variable| std::env::var(variable).ok());
    match name.as_deref() {
        None | Some("" | "auto") => Ok(None),
        Some("lsm") => Ok(Some(Backend::Lsm)),
        Some("fentry") => Ok(Some(Backend::Fentry)),
        Some("tracepoint") => Ok(Some(Backend::Tracepoint)),
        Some(name) => bail!("`{name}` is no backend: lsm, fentry, tracepoint or auto"),
    }
}
