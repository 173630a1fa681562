use super::*;
use crate::config::SinkFilter;
use crate::detect::{Class, Severity};
use crate::spool::{Options, Spool};
use std::sync::Mutex;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

#[derive(Default)]
struct Receiver {
    lines: Mutex<Vec<String>>,
    failures: Mutex<u32>,
    changed: Notify,
}

struct Fake(Arc<Receiver>);

#[async_trait]
impl Sink for Fake {
    async fn deliver(&mut self, batch: &AlertBatch) -> Result<(), SinkError> {
        let mut failures = self.0.failures.lock().unwrap();
        if *failures > 0 {
            *failures -= 1;
            return Err(SinkError::Retry {
                action: "test".to_owned(),
                source: io::Error::other("down"),
            });
        }
        let text = String::from_utf8(batch.to_lines(Format::Native)?).unwrap();
        if text.contains("poison") {
            return Err(SinkError::Reject {
                reason: "poison".to_owned(),
            });
        }
        self.0
            .lines
            .lock()
            .unwrap()
            .extend(text.lines().map(str::to_owned));
        self.0.changed.notify_one();
        Ok(())
    }
}

async fn run(receiver: &Arc<Receiver>, filter: SinkFilter, lines: &[(&str, Severity)]) -> Arc<SinkStats> {
    let dir = tempfile::tempdir().unwrap();
    let options = Options {
        dir: dir.path().to_owned(),
        max_bytes: 16 << 20,
        sinks: vec!["x".to_owned()],
    };
    let spool = Spool::open(&options).unwrap();
    let stats = Arc::new(SinkStats::default());
    let driver = SinkDriver {
        name: "x".to_owned(),
        sink: Box::new(Fake(Arc::clone(receiver))),
        reader: spool.reader("x").unwrap(),
        filter,
        stats: Arc::clone(&stats),
    };
    let stop = CancellationToken::new();
    let tasks = crate::shutdown::Tasks::new();
    let token = stop.clone();
    tasks.spawn("sink", async move {
        driver.run(token).await;
        Ok(())
    });
    for (line, severity) in lines {
        spool.append_line(*severity, line.as_bytes().to_vec());
    }
    spool.flush().await;
    receiver.changed.notified().await;
    stop.cancel();
    assert!(
        tasks
            .drain(std::time::Duration::from_secs(5))
            .await
            .hung
            .is_empty()
    );
    assert_eq!(spool.pending("x"), 0);
    spool.close();
    stats
}

#[tokio::test]
async fn the_cursor_moves_only_when_the_receiver_has_it() {
    let receiver = Arc::new(Receiver {
        failures: Mutex::new(2),
        ..Receiver::default()
    });
    let stats = run(
        &receiver,
        SinkFilter::default(),
        &[("1", Severity::Low), ("2", Severity::High)],
    )
    .await;
    assert_eq!(*receiver.lines.lock().unwrap(), ["1", "2"]);
    assert_eq!((stats.delivered_total(), stats.retries_total()), (2, 2));
    assert!(stats.oldest_undelivered_seconds(u64::MAX).abs() < f64::EPSILON);
}

#[tokio::test]
async fn a_rejected_alert_does_not_take_its_neighbours_with_it() {
    let receiver = Arc::new(Receiver::default());
    let lines = [
        ("1", Severity::High),
        ("poison", Severity::High),
        ("3", Severity::High),
    ];
    let stats = run(&receiver, SinkFilter::default(), &lines).await;
    assert_eq!(*receiver.lines.lock().unwrap(), ["1", "3"]);
    assert_eq!(stats.rejected_total(), 1);
}

#[tokio::test]
async fn alerts_below_the_sinks_severity_are_skipped() {
    let receiver = Arc::new(Receiver::default());
    let stats = run(
        &receiver,
        SinkFilter {
            min_severity: Severity::Medium,
            ..SinkFilter::default()
        },
        &[("1", Severity::Low), ("2", Severity::High)],
    )
    .await;
    assert_eq!(*receiver.lines.lock().unwrap(), ["2"]);
    assert_eq!((stats.delivered_total(), stats.filtered_total()), (1, 1));
}

fn stored(class: &str, namespace: Option<&str>) -> String {
    let pod = namespace.map(|namespace| serde_json::json!({"name": "p", "namespace": namespace, "uid": "u"}));
    serde_json::json!({"class": class, "container": {"id": "c", "pod": pod}}).to_string()
}

#[tokio::test]
async fn classes_and_namespaces_choose_what_is_sent() {
    let lines = [
        stored("escape", Some("shop")),
        stored("drift", Some("shop")),
        stored("escape", Some("other")),
        stored("escape", None),
        "of a later version".to_owned(),
    ];
    let sent = |classes: Option<Vec<Class>>, namespaces: Option<&str>| {
        let filter = SinkFilter {
            classes,
            namespaces: namespaces.map(|name| vec![name.to_owned()]),
            ..SinkFilter::default()
        };
        let lines = lines.clone();
        async move {
            let receiver = Arc::new(Receiver::default());
            let records: Vec<_> = lines.iter().map(|line| (line.as_str(), Severity::High)).collect();
            let stats = run(&receiver, filter, &records).await;
            let sent = receiver.lines.lock().unwrap();
            assert_eq!(stats.filtered_total(), (lines.len() - sent.len()) as u64);
            let numbers = sent
                .iter()
                .map(|sent| lines.iter().position(|line| line == sent).unwrap());
            numbers.collect::<Vec<_>>()
        }
    };
    assert_eq!(sent(Some(vec![Class::Escape]), None).await, [0, 2, 3, 4]);
    assert_eq!(sent(None, Some("shop")).await, [0, 1, 4]);
    assert_eq!(sent(Some(vec![Class::Drift]), Some("shop")).await, [1, 4]);
    assert_eq!(sent(None, None).await, [0, 1, 2, 3, 4]);
}

#[tokio::test]
async fn what_is_filtered_is_counted_once_whatever_fails() {
    let receiver = Arc::new(Receiver {
        failures: Mutex::new(3),
        ..Receiver::default()
    });
    let lines = [
        ("1", Severity::Low),
        ("2", Severity::High),
        ("poison", Severity::High),
        ("4", Severity::Low),
        ("5", Severity::High),
    ];
    let filter = SinkFilter {
        min_severity: Severity::Medium,
        ..SinkFilter::default()
    };
    let stats = run(&receiver, filter, &lines).await;
    assert_eq!(*receiver.lines.lock().unwrap(), ["2", "5"]);
    assert_eq!((stats.filtered_total(), stats.rejected_total()), (2, 1));
}

#[test]
fn what_is_no_alert_is_rejected_by_formats_that_must_read_it() {
    let record = Record {
        sequence: crate::spool::Sequence(1),
        severity: Severity::High,
        time_unix_ms: 0,
        payload: b"{}".to_vec(),
    };
    let batch = AlertBatch {
        records: vec![Arc::new(record)],
    };
    assert_eq!(batch.to_lines(Format::Native).unwrap(), b"{}\n");
    let refused = batch.to_lines(Format::Cef);
    assert!(matches!(refused, Err(SinkError::Reject { reason }) if reason.contains("`cef`")));
}
