//! `vigia-courier` as a child process.

use agent_tests::command::{wait_until, wait_within};
use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A courier with a folder of its own. Dropping it kills it.
pub(crate) struct Courier {
    child: Option<Child>,
    folder: PathBuf,
    count: u64,
    /// Alerts per second; as many as the disk takes when there is none.
    pub(crate) per_second: Option<u64>,
}

impl Courier {
    /// `sink` is a list entry of the configuration's `sinks`, without its name.
    pub(crate) fn new(folder: &Path, sink: &str, count: u64) -> Result<Self> {
        Self::configured(folder, sink, count, "{enabled: false}")
    }

    /// As [`Self::new`]; its metrics are served on a port of loopback.
    pub(crate) fn with_metrics(folder: &Path, sink: &str, count: u64, port: u16) -> Result<Self> {
        let metrics = format!("{{listen: \"127.0.0.1:{port}\"}}");
        Self::configured(folder, sink, count, &metrics)
    }

    fn configured(folder: &Path, sink: &str, count: u64, metrics: &str) -> Result<Self> {
        let dir = folder.display();
        let config = format!(
            "state_dir: {dir}/state\nrun_dir: {dir}/run\nprofiles_dir: {dir}\nmetrics: {metrics}\n\
             sinks:\n  - name: siem\n    {}\n",
            sink.trim().replace('\n', "\n    ")
        );
        std::fs::write(folder.join("config.yaml"), config)?;
        Ok(Self {
            child: None,
            folder: folder.to_owned(),
            count,
            per_second: None,
        })
    }

    /// Another sink beside the first; before the start.
    pub(crate) fn add_sink(&self, name: &str, sink: &str) -> Result<()> {
        let mut config = File::options()
            .append(true)
            .open(self.folder.join("config.yaml"))?;
        let entry = sink.trim().replace('\n', "\n    ");
        Ok(writeln!(config, "  - name: {name}\n    {entry}")?)
    }

    pub(crate) fn start(&mut self) -> Result<()> {
        let log = File::options().create(true).append(true).open(self.log())?;
        let child = Command::new(env!("CARGO_BIN_EXE_vigia-courier"))
            .arg(self.folder.join("config.yaml"))
            .arg(self.count.to_string())
            .args(self.per_second.map(|rate| rate.to_string()))
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("cannot start the courier")?;
        self.child = Some(child);
        Ok(())
    }

    /// Waits until all alerts are in the spool.
    pub(crate) fn wait_until_filled(&mut self, within: Duration) -> Result<()> {
        let filled = self.folder.join("state/filled");
        let child = self.child.as_mut().context("the courier does not run")?;
        let ended = wait_until("the spool is filled", within, || {
            let ended = child.try_wait().ok()?.is_some();
            (ended || filled.exists()).then_some(ended)
        })?;
        ensure!(!ended || filled.exists(), "the courier ended: {}", self.said());
        Ok(())
    }

    /// By SIGKILL. False: it had ended already.
    pub(crate) fn kill(&mut self) -> Result<bool> {
        let Some(mut child) = self.child.take() else {
            return Ok(false);
        };
        let ended = child.try_wait()?.is_some();
        if !ended {
            child.kill()?;
        }
        child.wait()?;
        Ok(!ended)
    }

    /// It does nothing until it is let go.
    pub(crate) fn hold(&self) -> Result<()> {
        self.signal(Signal::STOP)
    }

    pub(crate) fn let_go(&self) -> Result<()> {
        self.signal(Signal::CONT)
    }

    /// How often its sink found a receiver again.
    pub(crate) fn reconnections(&self) -> usize {
        let log = std::fs::read_to_string(self.log()).unwrap_or_default();
        log.matches("sink works again").count()
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        let child = self.child.as_mut();
        child.is_none_or(|child| matches!(child.try_wait(), Ok(Some(_))))
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        let child = self.child.as_ref().context("the courier does not run")?;
        let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        Ok(kill_process(pid.context("no pid")?, signal)?)
    }

    /// Waits until it has delivered everything.
    pub(crate) fn finish(&mut self, within: Duration) -> Result<()> {
        let child = self.child.as_mut().context("the courier does not run")?;
        match wait_within(child, within)? {
            Some(status) if status.success() => Ok(()),
            Some(status) => bail!("the courier ended with {status}: {}", self.said()),
            None => bail!("alerts are still in the spool after {within:?}: {}", self.said()),
        }
    }

    /// Resident memory, bytes.
    pub(crate) fn memory(&self) -> Result<u64> {
        let child = self.child.as_ref().context("the courier does not run")?;
        let statm = std::fs::read_to_string(format!("/proc/{}/statm", child.id()))?;
        let pages: u64 = statm.split(' ').nth(1).context("no statm")?.parse()?;
        Ok(pages * rustix::param::page_size() as u64)
    }

    /// Its log, the end of it.
    pub(crate) fn said(&self) -> String {
        let log = std::fs::read_to_string(self.log()).unwrap_or_default();
        log.lines().rev().take(12).collect::<Vec<_>>().join("\n")
    }

    /// Somewhere in its log.
    pub(crate) fn has_said(&self, words: &str) -> bool {
        std::fs::read_to_string(self.log()).is_ok_and(|log| log.contains(words))
    }

    fn log(&self) -> PathBuf {
        self.folder.join("courier.log")
    }
}

impl Drop for Courier {
    fn drop(&mut self) {
        // Nothing is left to be said about a failure here.
        let _killed = self.kill();
    }
}
