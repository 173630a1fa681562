use super::delivery::SinkHandles;
use super::reload::ReloadState;
use super::runtime_counts::RuntimeCounts;
use crate::alert::Alert;
use crate::container::RuntimeEvent;
use crate::control::{ControlRequest, QueueStatus, SinkStatus, SpoolStatus, StatusReport, TapItem, Taps};
use crate::event::Timestamp;
use crate::spool::Spool;
use crate::telemetry::Metrics;
use crate::telemetry::http::Readiness;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// What the engine's task is connected to.
#[derive(Debug)]
pub struct EngineLinks {
    /// `None`: alerts go to watchers only.
    pub spool: Option<Spool>,
    pub taps: Taps,
    pub metrics: Arc<Metrics>,
    pub readiness: Readiness,
    /// To be answered between two batches of records.
    pub requests: mpsc::Receiver<ControlRequest>,
    pub sinks: SinkHandles,
    /// Whether what is configured is in force.
    pub reloads: ReloadState,
    /// What runtimes told and nobody took.
    pub runtime_counts: RuntimeCounts,
    pub started: Instant,
}

impl EngineLinks {
    /// For an engine that only watchers listen to.
    ///
    /// # Errors
    /// When the metrics cannot be made.
    pub fn without_outlets(taps: Taps) -> Result<Self, prometheus::Error> {
        // Nobody sends requests: the queue is closed from the start.
        let (_, requests) = mpsc::channel(1);
        Ok(Self {
            spool: None,
            taps,
            metrics: Arc::new(Metrics::new()?),
            readiness: Readiness::default(),
            requests,
            sinks: SinkHandles::default(),
            reloads: ReloadState::default(),
            runtime_counts: RuntimeCounts::default(),
            started: Instant::now(),
        })
    }

    /// An alert goes to the spool, to watchers and into the metrics. Never waits.
    pub fn raise(&self, alert: &Alert) {
        let line = alert.to_line(Spool::MAX_LINE_BYTES);
        self.taps.publish(&tap_item(alert), || Arc::from(line.as_str()));
        if alert.revision == 0 {
            let severity = alert.severity.name();
            self.metrics
                .alerts
                .with_label_values(&[&alert.rule, severity])
                .inc();
        }
        if let Some(spool) = &self.spool {
            spool.append_line(alert.severity, line.into_bytes());
        }
    }

    /// Takes the time from the event to the spool. `now`: wall clock.
    pub(super) fn measure(&self, alert: &Alert, now: Timestamp) {
        // Later revisions are about time that has passed on purpose, findings about the sensor have no event.
        if alert.revision != 0 || alert.process.is_none() {
            return;
        }
        let nanos = u64::try_from(now.0 - alert.time.0).unwrap_or(0);
        self.metrics
            .decision_seconds
            .with_label_values(&[alert.severity.name()])
            .observe(Duration::from_nanos(nanos).as_secs_f64());
    }

    /// Notes whether a runtime answers.
    pub(super) fn runtime(&self, event: &RuntimeEvent) {
        let (runtime, up) = match event {
            RuntimeEvent::Connected { runtime } => (runtime, 1),
            RuntimeEvent::Disconnected { runtime, .. } => (runtime, 0),
            _ => return,
        };
        self.metrics.runtime_up.with_label_values(&[runtime]).set(up);
    }

    /// What is known here of the daemon's state; the engine adds sensor, counters and containers.
    #[must_use]
    pub fn status(&self) -> StatusReport {
        let mut report = StatusReport {
            uptime_seconds: self.started.elapsed().as_secs(),
            ready: self.readiness.is_ready(),
            runtimes: self.runtime_counts.report(),
            watchers: self.taps.len(),
            ..StatusReport::default()
        };
        if !report.ready {
            let reason = self.readiness.get().reason();
            report.problems.push(format!("not ready: {reason}"));
        }
        report.problems.extend(self.reloads.problems());
        let Some(spool) = &self.spool else {
            return report;
        };
        report.sinks = self
            .sinks
            .list()
            .iter()
            .map(|sink| SinkStatus::of(&sink.name, &sink.stats, spool))
            .collect();
        report.spool = SpoolStatus::of(spool);
        if report.spool.degraded {
            let problem = "the spool's disk refuses: alerts are in memory only";
            report.problems.push(problem.to_owned());
        }
        let queue = QueueStatus {
            depth: spool.queue_depth() as u64,
            capacity: Spool::QUEUE as u64,
            dropped: report.spool.dropped,
        };
        report.queues.insert("spool".to_owned(), queue);
        report
    }
}

/// What watchers' filters see of an alert.
fn tap_item(alert: &Alert) -> TapItem<'_> {
    let container = alert.container.as_ref();
    let kind = alert.evidence.get("kind").and_then(serde_json::Value::as_str);
    TapItem {
        container_id: container.map_or("", |container| &container.id),
        container_name: container
            .and_then(|container| container.name.as_deref())
            .unwrap_or(""),
        image: container
            .and_then(|container| container.image.reference.as_deref())
            .unwrap_or(""),
        kind: kind.unwrap_or(""),
        class: Some(alert.class),
    }
}
