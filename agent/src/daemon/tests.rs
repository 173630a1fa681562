use super::*;
use crate::alert::{Action, Alert, AlertContainer, AlertImage, Repeat, SCHEMA};
use crate::config::{Config, FileSink, Flags, Sources, load};
use crate::container::Labels;
use crate::control::client::Client;
use crate::control::protocol::{Answer, Request};
use crate::control::{ControlRequest, Filter, Taps};
use crate::detect::{Class, Severity};
use crate::event::Timestamp;
use crate::spool::{Options, Spool};
use crate::telemetry::Metrics;
use crate::telemetry::http::{Readiness, Ready};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

fn config(dir: &Path) -> Config {
    let file = dir.join("config.yaml");
    std::fs::write(&file, "sinks: []\nmetrics: {listen: \"127.0.0.1:0\"}\n").unwrap();
    let flags = Flags {
        state_dir: Some(dir.join("state")),
        run_dir: Some(dir.join("run")),
        alerts: Some(dir.join("alerts")),
        ..Flags::default()
    };
    let sources = Sources {
        file: Some(file),
        environment: Vec::new(),
        flags,
    };
    load(&sources).unwrap().config
}

pub(super) fn alert() -> Alert {
    let time = Timestamp(0);
    Alert {
        schema: SCHEMA.to_owned(),
        id: uuid::Uuid::nil(),
        time,
        class: Class::Escape,
        rule: "escape.core_pattern".to_owned(),
        severity: Severity::Critical,
        action: Action::Alerted,
        revision: 0,
        also: Vec::new(),
        summary: String::new(),
        attack: Vec::new(),
        lossy: false,
        metadata: "pending".to_owned(),
        container: None,
        profile: None,
        process: None,
        evidence: serde_json::Map::new(),
        repeat: Repeat {
            count: 1,
            first: time,
            last: time,
        },
        node: String::new(),
    }
}

/// Links whose requests come from the test.
pub(super) fn links(dir: &Path) -> (EngineLinks, mpsc::Sender<ControlRequest>) {
    let spool = Spool::open(&Options {
        dir: dir.to_owned(),
        max_bytes: 16 << 20,
        sinks: Vec::new(),
    });
    let (sender, requests) = mpsc::channel(4);
    let links = EngineLinks {
        spool: Some(spool.unwrap()),
        taps: Taps::default(),
        metrics: Arc::new(Metrics::new().unwrap()),
        readiness: Readiness::default(),
        requests,
        sinks: SinkHandles::default(),
        reloads: ReloadState::default(),
        runtime_counts: RuntimeCounts::default(),
        started: Instant::now(),
    };
    (links, sender)
}

#[tokio::test]
async fn an_alert_reaches_file_watcher_metrics_and_status_and_everything_stops() {
    let dir = tempfile::tempdir().unwrap();
    let config = config(dir.path());
    let (outlets, mut links) = Outlets::start(&config).await.unwrap();
    assert!(matches!(Outlets::start(&config).await, Err(DaemonError::Lock(_))));
    let mut watcher = Client::connect(&config.socket()).await.unwrap();
    let filter = Filter::default();
    watcher.request(Request::Watch { filter }).await.unwrap();
    links.raise(&alert());
    let line = watcher.line().await.unwrap().unwrap();
    assert_eq!(serde_json::from_str::<Alert>(&line).unwrap(), alert());

    let mut client = Client::connect(&config.socket()).await.unwrap();
    let (answer, ()) = tokio::join!(client.request(Request::Status), async {
        let Some(ControlRequest::Status { reply }) = links.requests.recv().await else {
            panic!()
        };
        reply.send(Box::new(links.status())).unwrap();
    });
    let Answer::Status { report } = answer.unwrap() else {
        panic!()
    };
    assert_eq!((report.sinks[0].name.as_str(), report.watchers), ("alerts", 1));

    let missed = links.runtime_counts.counter("docker");
    missed.fetch_add(3, Ordering::Relaxed);
    assert_eq!(links.status().runtimes["docker"].missed, 3);

    let started = Instant::now();
    links.readiness.set(Ready::Yes);
    assert!(links.status().problems.is_empty());
    outlets.tasks().stop();
    outlets.run().await.unwrap();
    assert_eq!(links.readiness.get(), Ready::Stopping);
    assert_eq!(links.status().problems, ["not ready: the agent stops"]);
    assert!(started.elapsed() < Duration::from_secs(5));
    assert_eq!(
        std::fs::read_to_string(dir.path().join("alerts")).unwrap(),
        line + "\n"
    );
    let text = links.metrics.render().unwrap();
    for part in [
        "vigia_alerts_total{rule=\"escape.core_pattern\",severity=\"critical\"} 1",
        "vigia_sink_delivered_total{sink=\"alerts\"} 1",
        "vigia_spool_appended_total 1",
        "vigia_runtime_missed_total{runtime=\"docker\"} 3",
    ] {
        assert!(text.contains(part), "{part} is missing in {text}");
    }
    assert!(!config.socket().exists());
}

#[tokio::test]
async fn a_sink_that_cannot_be_opened_stops_the_start() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = config(dir.path());
    config.sinks[0].kind = crate::config::SinkKind::File(FileSink::new(dir.path().join("none/alerts")));
    let error = Outlets::start(&config).await.unwrap_err().to_string();
    assert!(
        error.contains("`alerts`") && error.contains("none/alerts"),
        "{error}"
    );
}

#[tokio::test]
async fn the_critical_alert_of_an_image_with_endless_labels_arrives() {
    let dir = tempfile::tempdir().unwrap();
    let (mut links, _requests) = links(&dir.path().join("unused"));
    let spool = Spool::open(&Options {
        dir: dir.path().join("spool"),
        max_bytes: 16 << 20,
        sinks: vec!["a".to_owned()],
    });
    let spool = links.spool.insert(spool.unwrap()).clone();
    let alert = Alert {
        container: Some(AlertContainer {
            id: "ab".to_owned(),
            name: None,
            runtime: None,
            image: AlertImage::default(),
            pod: None,
            labels: Labels::from([("a".to_owned(), "x".repeat(2 << 20))]),
            labels_omitted: 0,
            privileged: false,
        }),
        ..alert()
    };
    links.raise(&alert);
    let records = spool.reader("a").unwrap().next_batch(8).await.unwrap();
    let arrived: Alert = serde_json::from_slice(&records[0].payload).unwrap();
    assert_eq!((arrived.rule, arrived.severity), (alert.rule, alert.severity));
    assert_eq!(arrived.evidence["omitted"], serde_json::json!(["labels"]));
    assert!(spool.stats().dropped_total().all(|(_, count)| count == 0));
    spool.close();
}

#[tokio::test]
async fn two_daemons_with_run_folders_of_their_own_do_not_share_a_spool() {
    let dir = tempfile::tempdir().unwrap();
    let config = config(dir.path());
    let (outlets, _links) = Outlets::start(&config).await.unwrap();
    let other = Config {
        run_dir: dir.path().join("other"),
        ..config.clone()
    };
    let error = Outlets::start(&other).await.unwrap_err();
    let message = error.to_string();
    assert!(matches!(error, DaemonError::Lock(_)));
    for part in [
        format!("process {} holds", std::process::id()),
        "spool/agent.lock".to_owned(),
        "`state_dir`".to_owned(),
    ] {
        assert!(message.contains(&part), "{part} is missing in {message}");
    }
    outlets.tasks().stop();
    outlets.run().await.unwrap();
    let (outlets, _links) = Outlets::start(&other).await.unwrap();
    outlets.tasks().stop();
    outlets.run().await.unwrap();
}
