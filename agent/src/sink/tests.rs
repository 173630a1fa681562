use super::*;
use crate::detect::Severity;
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
        let text = String::from_utf8(batch.to_ndjson()).unwrap();
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

async fn run(receiver: &Arc<Receiver>, min_severity: Severity, lines: &[(&str, Severity)]) -> Arc<SinkStats> {
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
        min_severity,
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
        Severity::Info,
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
    let stats = run(&receiver, Severity::Info, &lines).await;
    assert_eq!(*receiver.lines.lock().unwrap(), ["1", "3"]);
    assert_eq!(stats.rejected_total(), 1);
}

#[tokio::test]
async fn alerts_below_the_sinks_severity_are_skipped() {
    let receiver = Arc::new(Receiver::default());
    let stats = run(
        &receiver,
        Severity::Medium,
        &[("1", Severity::Low), ("2", Severity::High)],
    )
    .await;
    assert_eq!(*receiver.lines.lock().unwrap(), ["2"]);
    assert_eq!(stats.delivered_total(), 1);
}
