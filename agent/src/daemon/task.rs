//! The task that owns the engine: records, runtime events, requests and time go in, in order; what comes out is
//! handed on and never waited for.

mod counts;
mod requests;

use super::EngineLinks;
use super::audit::{Audit, EQUATIONS};
use super::exports::Exports;
use super::maps::SensorMaps;
use super::recorder::Recorder;
use super::slot_watch::SlotWatch;
use super::spool_watch::SpoolWatch;
use super::view;
use crate::container::RuntimeEvent;
use crate::control::{ControlRequest, TapItem};
use crate::detect::SensorFinding;
use crate::engine::{Engine, Input, Output, RunningContainer};
use crate::event::BootTime;
use crate::host::{HostFacts, HostSources};
use crate::profile::{Matching, ProfileSet};
use crate::source::{EventSource, RawBatch, SourceError};
use crate::user_rules::UserRuleSet;
use requests::Session;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// How often time is told to the engine.
const TICK: Duration = Duration::from_millis(50);
/// How often the kernel's counters are copied into the metrics.
const COLLECT: Duration = Duration::from_secs(1);
/// How often the host's sockets, addresses and disks are read again.
const HOST: Duration = Duration::from_secs(60);
/// How long the last records are waited for when the agent stops.
const LAST_RECORDS: Duration = Duration::from_millis(200);
/// Runtime events taken between two batches of records.
const RUNTIME_BURST: usize = 64;

/// What the task is made of. Not cancel-safe sources lose records: `next_batch` must read only what it returns.
pub struct EngineTask {
    pub engine: Engine,
    /// In force from the start.
    pub profiles: Arc<ProfileSet>,
    /// As well.
    pub rules: Arc<UserRuleSet>,
    pub source: Box<dyn EventSource>,
    pub kernel: Box<dyn SensorMaps>,
    /// Containers in which escapes are not denied.
    pub exceptions: Matching,
    pub runtimes: mpsc::Receiver<RuntimeEvent>,
    pub links: EngineLinks,
    /// What does not work of the sensor: the first alerts.
    pub findings: Vec<SensorFinding>,
    /// Containers that ran before the sensor.
    pub running: Vec<RunningContainer>,
    pub host: HostFacts,
    pub host_sources: HostSources,
    pub recorder: Option<Recorder>,
}

enum Step {
    Stop,
    Request(ControlRequest),
    Runtime(RuntimeEvent),
    Batch(Result<RawBatch, SourceError>),
}

struct State {
    task: EngineTask,
    outputs: Vec<Output>,
    sessions: Vec<Session>,
    exports: Exports,
    audit: Audit,
    slots: SlotWatch,
    spool: SpoolWatch,
    ticked: Instant,
    collected: Instant,
    host_read: Instant,
}

impl std::fmt::Debug for EngineTask {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EngineTask").finish_non_exhaustive()
    }
}

impl EngineTask {
    /// Runs until `stop`; then takes the last records and closes all windows.
    ///
    /// # Errors
    /// When the source breaks.
    pub async fn run(self, stop: CancellationToken) -> Result<(), SourceError> {
        let now = Instant::now();
        let mut state = State {
            task: self,
            outputs: Vec::new(),
            sessions: Vec::new(),
            exports: Exports::default(),
            audit: Audit::default(),
            slots: SlotWatch::default(),
            spool: SpoolWatch::default(),
            ticked: now,
            collected: now,
            host_read: now,
        };
        state.begin();
        loop {
            match state.next(&stop).await {
                Step::Stop => break,
                Step::Request(request) => state.serve(request),
                Step::Runtime(event) => state.runtimes(event),
                Step::Batch(batch) => state.records(batch?),
            }
            state.pass_time();
            state.hand_on();
        }
        state.finish().await
    }
}

impl State {
    async fn next(&mut self, stop: &CancellationToken) -> Step {
        let task = &mut self.task;
        tokio::select! {
            biased;
            () = stop.cancelled() => Step::Stop,
            Some(request) = task.links.requests.recv() => Step::Request(request),
            Some(event) = task.runtimes.recv() => Step::Runtime(event),
            batch = task.source.next_batch() => Step::Batch(batch),
        }
    }

    fn begin(&mut self) {
        for equation in EQUATIONS {
            // From zero on: a counter that appears with its first increment is invisible to rate().
            let metric = &self.task.links.metrics.accounting_mismatch;
            metric.with_label_values(&[equation]);
        }
        self.handle(Input::Tick(boot_time()));
        self.task.kernel.host(&self.task.host.addresses);
        let profiles = std::mem::take(&mut self.task.profiles);
        self.handle(Input::Profiles(profiles));
        let rules = std::mem::take(&mut self.task.rules);
        // Most agents have none; recordings that need not know of rules can be read by agents that do not.
        if !rules.is_empty() {
            self.handle(Input::Rules(rules));
        }
        for container in std::mem::take(&mut self.task.running) {
            self.handle(Input::Running(container));
        }
        for finding in std::mem::take(&mut self.task.findings) {
            self.handle(Input::Sensor(finding));
        }
        self.hand_on();
    }

    fn records(&mut self, batch: RawBatch) {
        for record in batch.records {
            self.handle(Input::Record(record));
            // At once: what a full ring's records become is many times as large.
            self.hand_on();
        }
    }

    /// What a runtime tells, and what else waits, up to a burst: records come between two of them.
    fn runtimes(&mut self, first: RuntimeEvent) {
        self.runtime(first);
        for _ in 0..RUNTIME_BURST {
            let Ok(event) = self.task.runtimes.try_recv() else {
                return;
            };
            self.runtime(event);
        }
    }

    fn runtime(&mut self, event: RuntimeEvent) {
        self.task.links.runtime(&event);
        // A runtime that started again has another socket.
        let connected = matches!(event, RuntimeEvent::Connected { .. });
        self.handle(Input::Runtime(event));
        if connected {
            self.read_host(Instant::now());
        }
    }

    fn handle(&mut self, input: Input) {
        let EngineTask {
            engine,
            kernel,
            recorder,
            ..
        } = &mut self.task;
        match recorder {
            None => engine.handle(input, kernel.view(), &mut self.outputs),
            Some(recorder) => {
                let mut kernel = recorder.view(&input, kernel.view());
                engine.handle(input, &mut kernel, &mut self.outputs);
            }
        }
    }

    fn pass_time(&mut self) {
        let now = Instant::now();
        if now.duration_since(self.ticked) >= TICK {
            self.ticked = now;
            for container in self.task.kernel.lost_ends() {
                self.handle(Input::Ended(container));
            }
            self.handle(Input::Tick(boot_time()));
            self.end_sessions(now);
            self.set_exports();
        }
        if now.duration_since(self.collected) >= COLLECT {
            self.collected = now;
            self.collect();
        }
        if now.duration_since(self.host_read) >= HOST {
            self.read_host(now);
        }
    }

    fn read_host(&mut self, now: Instant) {
        let EngineTask {
            host,
            host_sources,
            kernel,
            ..
        } = &mut self.task;
        host.refresh(host_sources);
        kernel.host(&host.addresses);
        let host = Box::new(host.clone());
        self.handle(Input::Host(host));
        self.host_read = now;
    }

    fn set_exports(&mut self) {
        let Self {
            task,
            sessions,
            exports,
            ..
        } = self;
        let watched = !task.links.taps.is_empty() || !sessions.is_empty() || task.recorder.is_some();
        task.kernel.watch(watched);
        if task.links.taps.is_empty() && sessions.is_empty() && exports.is_empty() {
            return;
        }
        let wanted = task
            .engine
            .index()
            .live()
            .filter(|container| {
                let watched = task.links.taps.wants_every_event(&container_item(container));
                let learned = |session: &Session| session.selector.selects(container);
                watched || sessions.iter().any(learned)
            })
            .map(|container| container.key)
            .collect();
        for (container, export) in exports.change(wanted) {
            task.kernel.export(container, export);
        }
    }

    fn hand_on(&mut self) {
        let EngineTask {
            links,
            engine,
            kernel,
            exceptions,
            host,
            ..
        } = &mut self.task;
        for output in self.outputs.drain(..) {
            match output {
                Output::Alert(alert) => {
                    links.raise(&alert);
                    links.measure(&alert, host.clock.wall(boot_time()));
                }
                Output::Renew(slot) => kernel.renew(slot),
                Output::Policy {
                    container,
                    profile,
                    own,
                } => {
                    let known = engine.index().get(container);
                    let excepted = known.is_some_and(|container| exceptions.covers(container));
                    kernel.except(container, excepted);
                    kernel.assign(container, profile.as_ref(), &own);
                }
                Output::Peer {
                    container,
                    image,
                    addresses,
                } => kernel.peer(container, image.as_ref(), &addresses),
                Output::Released(slot) => kernel.release(slot),
                Output::Activity(event) if links.taps.is_empty() => drop(event),
                Output::Activity(event) => {
                    let item = event
                        .container
                        .as_deref()
                        .map_or_else(TapItem::default, container_item);
                    let kind = event.raw.header.kind.name();
                    links.taps.publish(&TapItem { kind, ..item }, || {
                        Arc::from(view::render(engine, &event))
                    });
                }
            }
        }
    }

    async fn finish(mut self) -> Result<(), SourceError> {
        self.task.kernel.detach();
        self.last_records().await?;
        self.close_books();
        self.handle(Input::End);
        self.hand_on();
        self.copy_figures();
        if let Some(recorder) = self.task.recorder.take() {
            recorder.finish();
        }
        self.refuse_sessions();
        Ok(())
    }

    /// Takes what is in the rings, until the books rest or the time is over: a program that was running when it was
    /// detached ends in a moment.
    async fn last_records(&mut self) -> Result<(), SourceError> {
        let deadline = Instant::now() + LAST_RECORDS;
        let mut before = None;
        while let Ok(batch) = tokio::time::timeout_at(deadline.into(), self.task.source.next_batch()).await {
            let batch = batch?;
            let quiet = batch.records.is_empty();
            self.records(batch);
            self.hand_on();
            let books = self.task.kernel.books();
            if quiet && books == before {
                break;
            }
            before = books;
        }
        Ok(())
    }
}

/// What watchers' filters see of a container.
fn container_item(container: &crate::container::Container) -> TapItem<'_> {
    TapItem {
        container_id: container.id.as_str(),
        container_name: container.display_name(),
        image: container.known().map_or("", |known| &known.image.reference),
        ..TapItem::default()
    }
}

pub(super) fn boot_time() -> BootTime {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    BootTime(seconds * 1_000_000_000 + u64::try_from(time.tv_nsec).unwrap_or(0))
}
