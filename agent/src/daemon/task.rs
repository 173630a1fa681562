//! The task that owns the engine: records, runtime events, requests and time go in, in order; what comes out is
//! handed on and never waited for.

use super::EngineLinks;
use super::audit::{Audit, EQUATIONS};
use super::exports::Exports;
use super::maps::SensorMaps;
use super::recorder::Recorder;
use super::view;
use crate::container::RuntimeEvent;
use crate::control::protocol::{LearnTarget, Reloaded};
use crate::control::{ControlRequest, Refusal, RefusalCode, TapItem};
use crate::detect::SensorFinding;
use crate::engine::{Engine, Input, Output, RunningContainer, Selector, SessionId};
use crate::event::BootTime;
use crate::host::{HostFacts, HostSources};
use crate::profile::ProfileSet;
use crate::source::{EventSource, RawBatch, SourceError};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
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

/// Reads the profiles; runs on a thread of its own.
pub type ProfileLoader = Arc<dyn Fn() -> Result<Arc<ProfileSet>, Refusal> + Send + Sync>;

/// What the task is made of. Not cancel-safe sources lose records: `next_batch` must read only what it returns.
pub struct EngineTask {
    pub engine: Engine,
    pub source: Box<dyn EventSource>,
    pub kernel: Box<dyn SensorMaps>,
    pub runtimes: mpsc::Receiver<RuntimeEvent>,
    pub links: EngineLinks,
    pub load_profiles: ProfileLoader,
    /// What does not work of the sensor: the first alerts.
    pub findings: Vec<SensorFinding>,
    /// Containers that ran before the sensor.
    pub running: Vec<RunningContainer>,
    pub host: HostFacts,
    pub host_sources: HostSources,
    pub recorder: Option<Recorder>,
}

/// Where a learned profile goes.
type Reply = oneshot::Sender<Result<String, Refusal>>;

/// A learning session that a client waits for.
struct Session {
    id: SessionId,
    selector: Selector,
    ends: Instant,
    reply: Reply,
}

struct Reloading {
    loading: JoinHandle<Result<Arc<ProfileSet>, Refusal>>,
    reply: oneshot::Sender<Result<Reloaded, Refusal>>,
}

enum Step {
    Stop,
    Request(ControlRequest),
    Loaded(Result<Arc<ProfileSet>, Refusal>),
    Runtime(RuntimeEvent),
    Batch(Result<RawBatch, SourceError>),
}

struct State {
    task: EngineTask,
    outputs: Vec<Output>,
    sessions: Vec<Session>,
    reloading: Option<Reloading>,
    exports: Exports,
    audit: Audit,
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
            reloading: None,
            exports: Exports::default(),
            audit: Audit::default(),
            ticked: now,
            collected: now,
            host_read: now,
        };
        state.begin();
        loop {
            match state.next(&stop).await {
                Step::Stop => break,
                Step::Request(request) => state.serve(request),
                Step::Loaded(loaded) => state.loaded(loaded),
                Step::Runtime(event) => state.runtime(event),
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
        let Self { task, reloading, .. } = self;
        tokio::select! {
            biased;
            () = stop.cancelled() => Step::Stop,
            Some(request) = task.links.requests.recv() => Step::Request(request),
            loaded = loaded(reloading.as_mut()), if reloading.is_some() => Step::Loaded(loaded),
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
        for _ in 0..RUNTIME_BURST {
            let Ok(event) = self.task.runtimes.try_recv() else {
                return;
            };
            self.handle(Input::Runtime(event));
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

    fn serve(&mut self, request: ControlRequest) {
        match request {
            ControlRequest::Status { reply } => {
                let mut report = self.task.links.status();
                self.task.kernel.describe(&mut report);
                view::describe(&self.task.engine, &mut report);
                let mismatches = self.audit.mismatches().iter().map(ToString::to_string);
                report.records.mismatches = mismatches.collect();
                report.node.clone_from(&self.task.host.node);
                // The client may be gone: then nobody wants the answer. So with all replies here.
                let _unwanted = reply.send(Box::new(report));
            }
            ControlRequest::Learn {
                target,
                duration,
                reply,
            } => self.learn(&target, duration, reply),
            ControlRequest::Reload { reply } if self.reloading.is_some() => {
                let _unwanted = reply.send(Err(unavailable("a reload is under way")));
            }
            ControlRequest::Reload { reply } => {
                let load = Arc::clone(&self.task.load_profiles);
                let loading = tokio::task::spawn_blocking(move || load());
                self.reloading = Some(Reloading { loading, reply });
            }
        }
    }

    fn learn(&mut self, target: &LearnTarget, duration: Duration, reply: Reply) {
        let selector = view::selector(target);
        match view::learn(&mut self.task.engine, selector.clone()) {
            Ok(id) => self.sessions.push(Session {
                id,
                selector,
                ends: Instant::now() + duration,
                reply,
            }),
            Err(error) => {
                let _unwanted = reply.send(Err(view::refusal(error)));
            }
        }
    }

    /// Broken profiles change nothing: what was in force stays.
    fn loaded(&mut self, loaded: Result<Arc<ProfileSet>, Refusal>) {
        let answer = loaded.map(|set| {
            let profiles = set.len();
            self.task.engine.set_profiles(set);
            Reloaded { profiles }
        });
        let outcome = if answer.is_ok() { "ok" } else { "refused" };
        let reloads = &self.task.links.metrics.config_reloads;
        reloads.with_label_values(&[outcome]).inc();
        if let Some(Reloading { reply, .. }) = self.reloading.take() {
            let _unwanted = reply.send(answer);
        }
    }

    fn pass_time(&mut self) {
        let now = Instant::now();
        if now.duration_since(self.ticked) >= TICK {
            self.ticked = now;
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

    fn collect(&mut self) {
        self.audit();
        let EngineTask {
            engine,
            kernel,
            links,
            recorder,
            ..
        } = &mut self.task;
        kernel.collect(&links.metrics);
        view::collect(engine, &links.metrics);
        if let Some(recorder) = recorder {
            recorder.flush();
        }
    }

    /// Compares both sides of the books; tells what was lost.
    fn audit(&mut self) {
        let Some(books) = self.task.kernel.books() else {
            return;
        };
        let live = self.task.engine.index().live();
        let containers: Vec<_> = live
            .map(|found| (found.key.slot, found.key.generation, found.id.to_string()))
            .collect();
        let slots = self.task.kernel.view();
        for finding in self.audit.losses(&books, &containers, slots) {
            self.handle(Input::Sensor(finding));
        }
        for mismatch in self.audit.read(&books, self.task.engine.stats()) {
            tracing::error!(%mismatch, "the books do not balance: something was lost without being counted");
            let metric = &self.task.links.metrics.accounting_mismatch;
            metric.with_label_values(&[mismatch.equation]).inc();
        }
    }

    fn read_host(&mut self, now: Instant) {
        let EngineTask {
            host, host_sources, ..
        } = &mut self.task;
        host.refresh(host_sources);
        let host = Box::new(host.clone());
        self.handle(Input::Host(host));
        self.host_read = now;
    }

    /// Sessions end in time, or when their client went away.
    fn end_sessions(&mut self, now: Instant) {
        let ended = self
            .sessions
            .extract_if(.., |session| now >= session.ends || session.reply.is_closed());
        for session in ended {
            let profile = view::learned(&mut self.task.engine, session.id);
            let _unwanted = session.reply.send(profile);
        }
    }

    fn set_exports(&mut self) {
        let Self {
            task,
            sessions,
            exports,
            ..
        } = self;
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
            host,
            ..
        } = &mut self.task;
        for output in self.outputs.drain(..) {
            match output {
                Output::Alert(alert) => {
                    links.raise(&alert);
                    links.measure(&alert, host.clock.wall(boot_time()));
                }
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
        self.last_records().await?;
        self.handle(Input::End);
        self.hand_on();
        self.collect();
        if let Some(recorder) = self.task.recorder.take() {
            recorder.finish();
        }
        for session in self.sessions {
            let _unwanted = session.reply.send(Err(unavailable("the agent stops")));
        }
        Ok(())
    }

    /// Takes what is in the rings, until two readings of the books in a row are equal or the time is over.
    async fn last_records(&mut self) -> Result<(), SourceError> {
        let deadline = Instant::now() + LAST_RECORDS;
        while let Ok(batch) = tokio::time::timeout_at(deadline.into(), self.task.source.next_batch()).await {
            let batch = batch?;
            let quiet = batch.records.is_empty();
            self.records(batch);
            self.hand_on();
            if quiet {
                // Once more: the audit compares a reading with the one before.
                self.audit();
                break;
            }
        }
        Ok(())
    }
}

async fn loaded(reloading: Option<&mut Reloading>) -> Result<Arc<ProfileSet>, Refusal> {
    match reloading {
        None => std::future::pending().await,
        Some(reloading) => (&mut reloading.loading)
            .await
            .unwrap_or_else(|_| Err(unavailable("reading the profiles failed"))),
    }
}

fn unavailable(message: &str) -> Refusal {
    Refusal {
        code: RefusalCode::Unavailable,
        message: message.to_owned(),
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

fn boot_time() -> BootTime {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    BootTime(seconds * 1_000_000_000 + u64::try_from(time.tv_nsec).unwrap_or(0))
}
