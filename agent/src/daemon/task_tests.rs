use super::machine::{Export, Machine, SensorMaps};
use super::task::{EngineTask, ProfileLoader};
use super::{EngineLinks, tests::links};
use crate::container::{Container, Metadata, RuntimeEvent, SlotReader};
use crate::control::protocol::{LearnTarget, Reloaded};
use crate::control::{ControlRequest, Filter, Refusal, RefusalCode, StatusReport};
use crate::engine::{Input, KernelView, Output};
use crate::event::{BootTime, ContainerId, EnrichedEvent, ExecId, SlotKey};
use crate::host::{HostFacts, HostSources};
use crate::process::LineageReader;
use crate::source::{EventSource, RawBatch, SourceError};
use crate::telemetry::Metrics;
use agent_common::behaviour::BehaviourKey;
use agent_common::lineage::LineageEntry;
use agent_common::slot::SlotState;
use async_trait::async_trait;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

const KEY: SlotKey = SlotKey {
    slot: 1,
    generation: 1,
};

/// What happened, in order.
type Journal = Arc<Mutex<Vec<String>>>;

struct Fake(Journal);

impl Fake {
    fn note(&self, what: impl Into<String>) {
        self.0.lock().unwrap().push(what.into());
    }
}

impl Machine for Fake {
    type Profiles = usize;
    type Session = u64;

    fn handle(&mut self, input: Input, _: &mut dyn KernelView, outputs: &mut Vec<Output>) {
        match input {
            Input::Record(bytes) => {
                self.note(format!("record {bytes:?}"));
                outputs.push(Output::Alert(Box::new(super::tests::alert())));
            }
            Input::Runtime(_) => self.note("runtime"),
            _ => {}
        }
    }
    fn finish(&mut self, _: &mut dyn KernelView, outputs: &mut Vec<Output>) {
        self.note("finish");
        outputs.push(Output::Alert(Box::new(super::tests::alert())));
    }
    fn set_profiles(&mut self, profiles: usize) -> Reloaded {
        Reloaded { profiles }
    }
    fn set_host(&mut self, _: HostFacts) {}
    fn learn(&mut self, _: &LearnTarget) -> Result<u64, Refusal> {
        Ok(7)
    }
    fn learned(&mut self, session: u64) -> Result<String, Refusal> {
        Ok(format!("session {session}"))
    }
    fn selects(&self, _: &LearnTarget, _: &Container) -> bool {
        true
    }
    fn render(&self, _: &EnrichedEvent) -> String {
        String::new()
    }
    fn containers(&self) -> Vec<Arc<Container>> {
        vec![Arc::new(Container {
            key: KEY,
            id: ContainerId::from("0123456789ab"),
            cgroup: String::new(),
            first_seen: BootTime(0),
            metadata: Metadata::Pending,
        })]
    }
    fn describe(&self, report: &mut StatusReport) {
        report.alerts = 3;
    }
    fn collect(&self, _: &Metrics) {}
}

impl LineageReader for Fake {
    fn read(&mut self, _: ExecId) -> Option<LineageEntry> {
        None
    }
}
impl SlotReader for Fake {
    fn slot(&mut self, _: u32) -> Option<SlotState> {
        None
    }
}
impl KernelView for Fake {
    fn forget(&mut self, _: &BehaviourKey) -> Option<u64> {
        None
    }
}
impl SensorMaps for Fake {
    fn release(&mut self, _container: SlotKey) {}

    fn export(&mut self, container: SlotKey, export: Export) {
        self.note(format!("{} {export:?}", container.slot));
    }
    fn describe(&mut self, report: &mut StatusReport) {
        report.node = "kernel".to_owned();
    }
    fn collect(&mut self, _: &Metrics) {}
    fn view(&mut self) -> &mut dyn KernelView {
        self
    }
}

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

struct Running {
    journal: Journal,
    records: mpsc::Sender<Vec<u8>>,
    runtimes: mpsc::Sender<RuntimeEvent>,
    requests: mpsc::Sender<ControlRequest>,
    stop: CancellationToken,
    task: std::pin::Pin<Box<dyn Future<Output = Result<(), SourceError>> + Send>>,
}

fn start(links: EngineLinks, requests: mpsc::Sender<ControlRequest>) -> Running {
    start_with(links, requests, Arc::new(|| Ok(2)))
}

fn start_with(
    links: EngineLinks,
    requests: mpsc::Sender<ControlRequest>,
    load_profiles: ProfileLoader<usize>,
) -> Running {
    let journal = Journal::default();
    let (records, record_receiver) = mpsc::channel(8);
    let (runtimes, runtime_receiver) = mpsc::channel(8);
    let stop = CancellationToken::new();
    let task = EngineTask {
        machine: Fake(Arc::clone(&journal)),
        source: Box::new(Records(record_receiver)),
        kernel: Box::new(Fake(Arc::clone(&journal))),
        runtimes: runtime_receiver,
        links,
        load_profiles,
        findings: Vec::new(),
        host: HostFacts::default(),
        host_sources: HostSources::default(),
    };
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
    async fn during<T>(&mut self, act: impl Future<Output = T>) -> T {
        tokio::select! {
            ended = &mut self.task => panic!("{ended:?}"),
            result = act => result,
        }
    }

    async fn ask<T>(&mut self, request: impl FnOnce(oneshot::Sender<T>) -> ControlRequest) -> T {
        let (reply, answer) = oneshot::channel();
        self.requests.try_send(request(reply)).unwrap();
        self.during(answer).await.unwrap()
    }

    fn journal(&self) -> Vec<String> {
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
    let report = running.ask(|reply| ControlRequest::Status { reply }).await;
    assert_eq!((report.node.as_str(), report.alerts), ("kernel", 3));
    running.records.try_send(vec![2]).unwrap();
    running.stop.cancel();
    running.task.as_mut().await.unwrap();
    assert!(
        running
            .journal()
            .ends_with(&["record [2]".to_owned(), "finish".to_owned()])
    );
    spool.close();
    assert!(spool.stats().appended_total() >= 3);
}

#[tokio::test]
async fn learning_ends_in_time_and_exports_every_event_meanwhile() {
    let dir = tempfile::tempdir().unwrap();
    let (links, requests) = links(dir.path());
    let taps = links.taps.clone();
    let mut running = start(links, requests);
    let target = LearnTarget::Container("x".to_owned());
    let duration = Duration::from_millis(120);
    let profile = running
        .ask(|reply| ControlRequest::Learn {
            target,
            duration,
            reply,
        })
        .await;
    assert_eq!(profile, Ok("session 7".to_owned()));
    running
        .during(tokio::time::sleep(Duration::from_millis(120)))
        .await;
    assert_eq!(running.journal(), ["1 EveryEvent", "1 FirstOccurrences"]);
    let filter = Filter {
        container: Some("0123456789ab".to_owned()),
        ..Filter::default()
    };
    let watcher = taps.watch(filter);
    running
        .during(tokio::time::sleep(Duration::from_millis(120)))
        .await;
    drop(watcher);
    running
        .during(tokio::time::sleep(Duration::from_millis(120)))
        .await;
    assert_eq!(running.journal()[2..], ["1 EveryEvent", "1 FirstOccurrences"]);
}

#[tokio::test]
async fn a_reload_that_fails_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (links, requests) = links(dir.path());
    let mut running = start(links, requests);
    let reloaded = running.ask(|reply| ControlRequest::Reload { reply }).await;
    assert_eq!(reloaded, Ok(Reloaded { profiles: 2 }));
    let refusal = Refusal {
        code: RefusalCode::BadConfig,
        message: "x".to_owned(),
    };
    let broken = refusal.clone();
    drop(running);
    let (links, requests) = self::links(&dir.path().join("again"));
    let mut running = start_with(links, requests, Arc::new(move || Err(broken.clone())));
    assert_eq!(
        running.ask(|reply| ControlRequest::Reload { reply }).await,
        Err(refusal)
    );
}
