//! Carrying out an entry in a container of its own while somebody watches.

use super::detection::Detection;
use super::expected::{Expectation, Expectations, Run};
use super::judge::{self, Case, Judged, judge};
use super::{Entry, Stage};
use crate::agent::AgentProcess;
use crate::command::{self, run_within};
use crate::watch::Watch;
use anyhow::Result;
use serde_json::Value;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

/// Longer than any entry takes on a busy machine.
const TIMEOUT: Duration = Duration::from_secs(60);

/// From the end of an entry to its last event at most: the agent may have much to do for other containers of the machine.
const LATE: Duration = Duration::from_secs(30);

/// Records of the two rings may overtake each other by a poll of the daemon.
const AFTER_THE_END: Duration = Duration::from_millis(300);

/// From the end of an entry to its last alert: rules wait 2 s for an image at most, and 5 s are allowed.
const ALERTED: Duration = Duration::from_secs(3);

/// How an entry went.
#[derive(Debug, Clone, Default)]
pub(super) struct Outcome {
    /// Id of its container; none when it ran on the host or could not be started.
    pub(super) container: Option<String>,
    /// Why it is doubtful that the behaviour happened at all: it ended with an error, was refused or hung.
    pub(super) failure: Option<String>,
}

/// Carries out entries under one agent.
#[derive(Debug)]
pub struct Runner<'a> {
    stage: &'a Stage<'a>,
    expectations: Expectations,
    watch: Watch,
    backend: String,
}

impl<'a> Runner<'a> {
    /// # Errors
    /// When the agent cannot be watched, or its expectations not be read.
    pub fn new(stage: &'a Stage<'a>, agent: &AgentProcess) -> Result<Self> {
        Ok(Self {
            stage,
            expectations: Expectations::read()?,
            watch: agent.watch()?,
            backend: agent.backend()?,
        })
    }

    /// What the sensor works with on this machine.
    #[must_use]
    pub fn backend(&self) -> &str {
        &self.backend
    }

    /// Lines that came too fast for us: an entry may be missing because of it.
    #[must_use]
    pub fn missed_lines(&self) -> u64 {
        self.watch.missed()
    }

    /// Carries out the entry and looks for its events.
    ///
    /// # Errors
    /// When the agent has ended.
    pub fn run(&self, entry: &Entry) -> Result<Judged> {
        Ok(self.judged(entry, self.watch.mark())?.0)
    }

    /// Carries out the entry and looks for its events, and for the alert that is wanted of it.
    ///
    /// # Errors
    /// When the agent has ended.
    pub fn run_and_attack(&self, entry: &Entry) -> Result<(Judged, Detection)> {
        let mark = self.watch.mark();
        let (judged, outcome) = self.judged(entry, mark)?;
        let deadline = Instant::now() + ALERTED;
        loop {
            let alerts = self.watch.since(mark, is_alert)?;
            let detection = Detection::of(entry, &outcome, &alerts, 0.0);
            if detection.is_caught || Instant::now() > deadline {
                return Ok((judged, detection));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn judged(&self, entry: &Entry, mark: usize) -> Result<(Judged, Outcome)> {
        let expectation = self.expectations.of(entry);
        let begun = Instant::now();
        let outcome = self.carry_out(entry, &expectation);
        let took = begun.elapsed();
        let lines = self.lines(mark, &expectation, &outcome)?;
        let judged = judge(&Case {
            entry,
            expectation: &expectation,
            backend: &self.backend,
            outcome: &outcome,
            lines: &lines,
            took,
        });
        Ok((judged, outcome))
    }

    /// Carries out the entry and looks for its alerts.
    ///
    /// # Errors
    /// When the agent has ended.
    pub fn attack(&self, entry: &Entry) -> Result<Detection> {
        let expectation = self.expectations.of(entry);
        let (mark, begun) = (self.watch.mark(), Instant::now());
        let outcome = self.carry_out(entry, &expectation);
        let seconds = begun.elapsed().as_secs_f32();
        // An alert may be raised for a while, and more of them than wanted.
        std::thread::sleep(ALERTED);
        let lines = self.watch.since(mark, is_alert)?;
        Ok(Detection::of(entry, &outcome, &lines, seconds))
    }

    /// Carries out the entry; why it is doubtful that it happened at all.
    #[must_use]
    pub fn work(&self, entry: &Entry) -> Option<String> {
        self.carry_out(entry, &self.expectations.of(entry)).failure
    }

    fn carry_out(&self, entry: &Entry, expectation: &Expectation) -> Outcome {
        let mut outcome = Outcome::default();
        let done = match (entry.host_code(), expectation.run) {
            (Some(code), _) => run_within(Command::new("bash").args(["-c", code]), TIMEOUT),
            (None, Run::Start) => self.start(entry, &mut outcome),
            (None, Run::Exec) => self.exec(entry, &mut outcome),
        };
        outcome.failure = match done {
            Ok(output) if output.status.success() => None,
            Ok(output) => Some(format!("{}: {}", output.status, last_words(&output))),
            Err(error) => Some(format!("{error:#}")),
        };
        if let Some(id) = &outcome.container {
            self.stage.docker.docker(["rm", "--force", "--volumes", id]).ok();
        }
        outcome
    }

    fn start(&self, entry: &Entry, outcome: &mut Outcome) -> Result<Output> {
        let options = entry.options(self.stage.lab())?;
        let id = self.create(&options, &[entry.image(), &entry.id], outcome)?;
        run_within(self.stage.docker.cli().args(["start", "--attach", &id]), TIMEOUT)
    }

    fn exec(&self, entry: &Entry, outcome: &mut Outcome) -> Result<Output> {
        let options = entry.options(self.stage.lab())?;
        let idle = ["--entrypoint", "sleep", entry.image(), "1000"];
        let id = self.create(&options, &idle, outcome)?;
        self.stage.docker.docker(["start", &id])?;
        let mut exec = self.stage.docker.cli();
        exec.args(["exec", "--tty", &id, "/opt/corpus/gate", &entry.id]);
        run_within(&mut exec, TIMEOUT)
    }

    fn create(&self, options: &[String], command: &[&str], outcome: &mut Outcome) -> Result<String> {
        let mut create = self.stage.docker.cli();
        create.arg("create").args(options).args(command);
        let id = command::run(&mut create)?;
        outcome.container = Some(id.clone());
        Ok(id)
    }

    /// What was published since the mark of this container and of none, once everything is there that can still come.
    fn lines(&self, mark: usize, expectation: &Expectation, outcome: &Outcome) -> Result<Vec<Value>> {
        let id = outcome.container.as_deref();
        let deadline = Instant::now() + LATE;
        let mut end: Option<Instant> = None;
        loop {
            let lines = self.watch.since(mark, |line| {
                let container = line["container"]["id"].as_str();
                container.is_none() || container == id
            })?;
            let now = Instant::now();
            if end.is_none() && (id.is_none() || judge::of_container(&lines, id).any(is_end)) {
                end = Some(now + AFTER_THE_END);
            }
            let is_over = end.is_some_and(|end| now >= end) || now >= deadline;
            if is_over || judge::is_complete(expectation, &lines, id) {
                return Ok(lines);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

fn is_alert(line: &Value) -> bool {
    line["schema"] == "vigia.alert/v1"
}

/// The container is gone: nothing of it can happen any more.
fn is_end(line: &Value) -> bool {
    line["kind"] == "container" && line["evidence"]["operation"] == "gone"
}

fn last_words(output: &Output) -> String {
    let text = [output.stdout.as_slice(), &output.stderr].concat();
    let text = String::from_utf8_lossy(&text).into_owned();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(3)..].join("; ")
}
