mod fake;

pub(super) use fake::{Fake, Journal};

use super::maps::KernelBooks;
use super::recorder::Recorder;
use super::task::EngineTask;
use super::{EngineLinks, tests::links};
use crate::alert::{AlertBuilder, AlertIds};
use crate::container::RuntimeEvent;
use crate::control::protocol::LearnTarget;
use crate::control::{ControlRequest, Filter, KindCounters, StatusReport, TapLine};
use crate::engine::{Engine, Output, RunningContainer};
use crate::event::{BootTime, SlotKey};
use crate::host::{HostFacts, HostSources};
use crate::profile::{Matching, RoleSet};
use crate::recording::{Reader, RecordedProfiles, Start, Writer, replay};
use crate::source::{EventSource, RawBatch, SourceError};
use agent_common::slot::SlotFlags;
use async_trait::async_trait;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

pub(super) const KEY: SlotKey = SlotKey {
    slot: 1,
    generation: 1,
};

pub(super) const ID: &str = "0123456789ab0123456789ab0123456789ab0123456789ab0123456789ab0123";

/// What takes longer does not come.
const LONG: Duration = Duration::from_secs(30);

struct Records(mpsc::Receiver<Vec<u8>>);

#[async_trait]
impl EventSource for Records {
    async fn next_batch(&mut self) -> Result<RawBatch, SourceError> {
        let next = tokio::time::timeout(Duration::from_millis(5), self.0.recv()).await;
        Ok(RawBatch {
            records: next.ok().flatten().into_iter().collect(),
        })
    }
}

pub(super) struct Running {
    journal: Journal,
    records: mpsc::Sender<Vec<u8>>,
    pub(super) runtimes: mpsc::Sender<RuntimeEvent>,
    requests: mpsc::Sender<ControlRequest>,
    pub(super) stop: CancellationToken,
    pub(super) task: std::pin::Pin<Box<dyn Future<Output = Result<(), SourceError>> + Send>>,
}

fn host() -> HostFacts {
    HostFacts {
        node: "host-1".to_owned(),
        ..HostFacts::default()
    }
}

fn engine() -> Engine {
    let alerts = AlertBuilder::new(AlertIds::new(0));
    Engine::new(host(), RoleSet::shipped().unwrap(), alerts)
}

fn running() -> RunningContainer {
    RunningContainer {
        key: KEY,
        created: BootTime(1),
        flags: SlotFlags::LIVE,
        id: ID.to_owned(),
    }
}

/// They say that two records were sent.
pub(super) fn books() -> KernelBooks {
    let counters = KindCounters {
        seen: 2,
        sent: 2,
        ..KindCounters::default()
    };
    KernelBooks {
        kinds: [("exec".to_owned(), counters)].into(),
        ..KernelBooks::default()
    }
}

fn start(links: EngineLinks, requests: mpsc::Sender<ControlRequest>) -> Running {
    start_with(links, requests, |_| {})
}

pub(super) fn start_with(
    links: EngineLinks,
    requests: mpsc::Sender<ControlRequest>,
    change: impl FnOnce(&mut EngineTask),
) -> Running {
    let journal = Journal::default();
    let (records, record_receiver) = mpsc::channel(8);
    let (runtimes, runtime_receiver) = mpsc::channel(8);
    let stop = CancellationToken::new();
    let mut task = EngineTask {
        engine: engine(),
        source: Box::new(Records(record_receiver)),
        kernel: Box::new(Fake(Arc::clone(&journal), books(), Vec::new())),
        runtimes: runtime_receiver,
        links,
        findings: Vec::new(),
        running: vec![running()],
        host: host(),
        host_sources: HostSources::default(),
        rules: Arc::default(),
        profiles: Arc::default(),
        exceptions: Matching::default(),
        recorder: None,
    };
    change(&mut task);
    let task = Box::pin(task.run(stop.clone()));
    Running {
        journal,
        records,
        runtimes,
        requests,
        stop,
        task,
    }
}

impl Running {
    /// Runs the task while `act` does something with it.
    pub(super) async fn during<T>(&mut self, act: impl Future<Output = T>) -> T {
        tokio::select! {
            ended = &mut self.task => panic!("{ended:?}"),
            result = act => result,
        }
    }

    pub(super) async fn ask<T>(&mut self, request: impl FnOnce(oneshot::Sender<T>) -> ControlRequest) -> T {
        let (reply, answer) = oneshot::channel();
        self.requests.try_send(request(reply)).unwrap();
        self.during(answer).await.unwrap()
    }

    /// Until so many records were received.
    async fn received(&mut self, records: u64) -> StatusReport {
        let begun = Instant::now();
        loop {
            let report = self.ask(|reply| ControlRequest::Status { reply }).await;
            if report.records.received >= records {
                return *report;
            }
            assert!(
                begun.elapsed() < LONG,
                "{} of {records} records",
                report.records.received
            );
            self.during(tokio::time::sleep(Duration::from_millis(1))).await;
        }
    }

    /// Until the journal has so many entries.
    pub(super) async fn noted(&mut self, entries: usize) -> Vec<String> {
        let begun = Instant::now();
        while self.journal().len() < entries {
            assert!(begun.elapsed() < LONG, "{:?}", self.journal());
            self.during(tokio::time::sleep(Duration::from_millis(1))).await;
        }
        self.journal()
    }

    pub(super) fn journal(&self) -> Vec<String> {
        self.journal.lock().unwrap().clone()
    }
}

#[tokio::test]
async fn inputs_become_alerts_and_the_last_records_are_taken_before_the_end() {
    let dir = tempfile::tempdir().unwrap();
    let (links, requests) = links(dir.path());
    let spool = links.spool.clone().unwrap();
    let mut running = start(links, requests);
    running
        .runtimes
        .try_send(RuntimeEvent::Connected {
            runtime: "docker".to_owned(),
        })
        .unwrap();
    running.records.try_send(vec![1]).unwrap();
    let report = running.received(1).await;
    assert_eq!((report.node.as_str(), report.records.received), ("host-1", 1));
    assert_eq!(
        report.containers[0].id, ID,
        "it is idle and was there before the agent"
    );
    let graph = running.ask(|reply| ControlRequest::Graph { reply }).await;
    assert_eq!((graph.node.as_str(), graph.edges.len()), ("host-1", 0));
    let detectors = report.queues["detector_state"];
    assert!(detectors.capacity > 0 && detectors.dropped == 0, "{detectors:?}");
    let events = report.containers[0].events.clone().unwrap();
    assert_eq!((events.seen.get("exec"), events.sent), (Some(&2), 2));
    running.records.try_send(vec![2]).unwrap();
    running.stop.cancel();
    running.task.as_mut().await.unwrap();
    assert_eq!(running.journal(), ["detached"]);
    spool.close();
    // One alert of records that cannot be decoded, and its last revision with the second one.
    assert_eq!(spool.stats().appended_total(), 2);
}

#[tokio::test]
async fn books_that_do_not_balance_are_told_at_the_end() {
    let dir = tempfile::tempdir().unwrap();
    let (links, requests) = links(dir.path());
    let metrics = Arc::clone(&links.metrics);
    let mut running = start(links, requests);
    running.records.try_send(vec![1]).unwrap();
    running.received(1).await;
    running.stop.cancel();
    running.task.as_mut().await.unwrap();
    let mismatch = |equation| metrics.accounting_mismatch.with_label_values(&[equation]).get();
    assert_eq!(
        (mismatch("sent"), mismatch("seen"), mismatch("received")),
        (1, 0, 0)
    );
}

#[tokio::test]
async fn a_recorded_run_replays_to_the_same_alerts() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("run.vigia");
    let start = Start {
        host: host(),
        abi: agent_common::ABI_VERSION,
    };
    let writer = Writer::create(&path, 1 << 20, &start).unwrap();
    let (links, requests) = links(&dir.path().join("spool"));
    let mut watcher = links.taps.watch(Filter::default());
    let record = |task: &mut EngineTask| task.recorder = Some(Recorder::new(writer));
    let mut running = start_with(links, requests, record);
    for record in [vec![1], vec![2, 3]] {
        running.records.try_send(record).unwrap();
    }
    running.received(2).await;
    running.stop.cancel();
    running.task.as_mut().await.unwrap();
    drop(running);
    let mut live = Vec::new();
    // Everything is published already; the stream itself never ends.
    while let Ok(Some(TapLine::Line(line))) =
        tokio::time::timeout(Duration::from_millis(50), watcher.next()).await
    {
        live.push(line.to_string());
    }
    let (mut again, mut engine) = (Vec::new(), engine());
    let mut reader = Reader::open(&path).unwrap();
    replay(&mut reader, &mut engine, RecordedProfiles::InForce, |output| {
        if let Output::Alert(alert) = output {
            again.push(serde_json::to_string(&alert).unwrap());
        }
    })
    .unwrap();
    assert_eq!(live, again);
    assert_eq!(engine.index().live().count(), 1);
}

#[tokio::test]
async fn learning_ends_in_time_and_exports_every_event_meanwhile() {
    let dir = tempfile::tempdir().unwrap();
    let (links, requests) = links(dir.path());
    let taps = links.taps.clone();
    let mut running = start(links, requests);
    let target = LearnTarget::Container(ID.to_owned());
    let duration = Duration::from_millis(120);
    let profile = running
        .ask(|reply| ControlRequest::Learn {
            target,
            duration,
            reply,
        })
        .await;
    let profile = profile.unwrap();
    assert!(profile.contains("kind: BehaviorProfile"), "{profile}");
    let journal = running.noted(2).await;
    assert_eq!(journal, ["1 EveryEvent", "1 FirstOccurrences"]);
    let filter = Filter {
        container: Some("0123456789ab".to_owned()),
        ..Filter::default()
    };
    let watcher = taps.watch(filter);
    assert_eq!(running.noted(3).await[2..], ["1 EveryEvent"]);
    drop(watcher);
    let journal = running.noted(4).await;
    assert_eq!(journal[2..], ["1 EveryEvent", "1 FirstOccurrences"]);
}

#[tokio::test]
async fn every_runtime_event_of_a_burst_is_noted() {
    let dir = tempfile::tempdir().unwrap();
    let (links, requests) = links(dir.path());
    let metrics = Arc::clone(&links.metrics);
    let mut running = start(links, requests);
    let connected = |runtime: &str| RuntimeEvent::Connected {
        runtime: runtime.to_owned(),
    };
    let lost = RuntimeEvent::Disconnected {
        runtime: "docker".to_owned(),
        reason: "gone".to_owned(),
    };
    for event in [connected("docker"), lost, connected("podman")] {
        running.runtimes.try_send(event).unwrap();
    }
    running
        .during(tokio::time::sleep(Duration::from_millis(60)))
        .await;
    let up = |runtime| metrics.runtime_up.with_label_values(&[runtime]).get();
    assert_eq!((up("docker"), up("podman")), (0, 1));
}

#[tokio::test]
async fn alerts_that_the_spool_drops_are_an_alert() {
    let dir = tempfile::tempdir().unwrap();
    let (links, requests) = links(dir.path());
    let spool = links.spool.clone().unwrap();
    let mut watcher = links.taps.watch(Filter::default());
    let too_long = vec![b'x'; crate::spool::Spool::MAX_LINE_BYTES + 1];
    spool.append_line(crate::detect::Severity::High, too_long);
    let mut running = start(links, requests);
    let told = running.during(watcher.next()).await;
    let Some(TapLine::Line(line)) = told else { panic!() };
    let alert: crate::alert::Alert = serde_json::from_str(&line).unwrap();
    assert_eq!(alert.rule, "sensor.alerts_dropped");
    assert_eq!(alert.evidence["alerts"], 1);
}
