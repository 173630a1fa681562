//! Everything that an agent publishes, as `agent watch --json` would show it: of all containers, so that a container
//! is complete from its first event on.

use crate::agent::AgentProcess;
use crate::command;
use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A connection to the agent's control socket; it ends when dropped.
#[derive(Debug)]
pub struct Watch {
    stream: UnixStream,
    seen: Arc<Mutex<Seen>>,
}

#[derive(Debug, Default)]
struct Seen {
    lines: Vec<Value>,
    /// Lines that the agent could not hand us in time.
    missed: u64,
    is_over: bool,
}

impl AgentProcess {
    /// Watches all containers; when this returns, nothing that happens from now on is left out.
    ///
    /// # Errors
    /// When the agent cannot be asked.
    pub fn watch(&self) -> Result<Watch> {
        let socket = self.folder().join("run/agent.sock");
        let mut stream =
            UnixStream::connect(&socket).with_context(|| format!("cannot reach {}", socket.display()))?;
        writeln!(
            stream,
            "{}",
            json!({"version": 1, "command": "watch", "filter": {}})
        )?;
        let mut lines = BufReader::new(stream.try_clone()?);
        let mut answer = String::new();
        lines.read_line(&mut answer)?;
        if !answer.contains("watching") {
            bail!("the agent refuses to be watched: {answer}");
        }
        let seen = Arc::new(Mutex::new(Seen::default()));
        let filled = Arc::clone(&seen);
        std::thread::spawn(move || fill(&filled, lines));
        Ok(Watch { stream, seen })
    }

    /// How the sensor sees files on this machine, as `agent check` says: `lsm`, `fentry` or `tracepoint`.
    ///
    /// # Errors
    /// When it cannot be asked.
    pub fn backend(&self) -> Result<String> {
        let text = command::run(&mut self.client(&["check", "--output", "json"]))?;
        let check: Value = serde_json::from_str(&text)?;
        let capabilities = check["capabilities"].as_array().into_iter().flatten();
        let files = capabilities
            .into_iter()
            .find(|capability| capability["capability"] == "file_open");
        let backend = files.and_then(|capability| capability["backend"].as_str());
        Ok(backend
            .context("agent check names no backend of file_open")?
            .to_owned())
    }
}

impl Watch {
    /// The number of lines so far.
    #[must_use]
    pub fn mark(&self) -> usize {
        self.seen().lines.len()
    }

    /// The lines from `mark` on that are wanted.
    ///
    /// # Errors
    /// When the agent has ended.
    pub fn since(&self, mark: usize, wants: impl Fn(&Value) -> bool) -> Result<Vec<Value>> {
        let seen = self.seen();
        if seen.is_over {
            bail!("the agent ended, and with it the watch");
        }
        Ok(seen
            .lines
            .iter()
            .skip(mark)
            .filter(|line| wants(line))
            .cloned()
            .collect())
    }

    /// Lines that were not read in time.
    #[must_use]
    pub fn missed(&self) -> u64 {
        self.seen().missed
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        // Ends the thread.
        self.stream.shutdown(Shutdown::Both).ok();
    }
}

fn fill(seen: &Mutex<Seen>, lines: impl BufRead) {
    let locked = || seen.lock().unwrap_or_else(PoisonError::into_inner);
    for line in lines.lines() {
        let Ok(line) = line else { break };
        let value = serde_json::from_str(&line).unwrap_or(Value::String(line));
        let mut seen = locked();
        match value["missed"].as_u64() {
            Some(missed) if value["schema"] == "vigia.missed/v1" => seen.missed += missed,
            _ => seen.lines.push(value),
        }
    }
    locked().is_over = true;
}
