use super::links::{EngineLinks, SinkHandle};
use super::signals;
use super::view::collect_queue;
use crate::config::{Config, SinkConfig, SinkKind};
use crate::control::lock::{InstanceLock, LockError};
use crate::control::server::{ControlServer, ServerContext, ServerError};
use crate::control::{QueueStatus, REQUEST_QUEUE, SinkStatus, Taps};
use crate::profile::ProfileError;
use crate::shutdown::Tasks;
use crate::sink::{Sink, SinkDriver, SinkError, SinkStats};
use crate::sinks::{FileAlerts, StdoutAlerts};
use crate::spool::{Options, Spool, SpoolError};
use crate::telemetry::Metrics;
use crate::telemetry::http::{self, HttpError, Readiness, Ready};
use crate::telemetry::metrics::{gauge, set_seconds, set_total};
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// Time for control clients, runtimes and the engine to end.
const FRONT_GRACE: Duration = Duration::from_secs(2);
/// Time for the last commit.
const FLUSH_GRACE: Duration = Duration::from_millis(500);
/// Time for sinks to take what is committed.
const SINK_GRACE: Duration = Duration::from_millis(1500);
/// Time to store the cursors.
const CLOSE_GRACE: Duration = Duration::from_millis(500);

/// Why the daemon did not start, or what stopped it.
#[derive(Debug, thiserror::Error)]
pub enum DaemonError {
    #[error(transparent)]
    Lock(#[from] LockError),
    #[error(transparent)]
    Control(#[from] ServerError),
    #[error(transparent)]
    Http(#[from] HttpError),
    #[error(transparent)]
    Spool(#[from] SpoolError),
    #[error("sink `{name}`: cannot {error}\n  help: check path and permissions")]
    Sink {
        name: String,
        #[source]
        error: SinkError,
    },
    #[error(transparent)]
    Profile(#[from] ProfileError),
    #[error("metrics: {0}")]
    Metrics(#[from] prometheus::Error),
    #[error("signals: {0}")]
    Signals(#[source] io::Error),
    #[error("{task}: {source:#}")]
    Task {
        task: &'static str,
        source: anyhow::Error,
    },
}

/// Everything behind the engine, running.
#[derive(Debug)]
pub struct Outlets {
    /// Stopped first: control socket, signals, and what the caller adds (engine, runtimes).
    tasks: Tasks,
    /// Stopped last: sinks, and metrics, which say until the end that the agent is not ready any more.
    sinks: Tasks,
    readiness: Readiness,
    spool: Spool,
    /// Of the run folder and the spool's.
    _locks: [InstanceLock; 2],
}

impl Outlets {
    /// Takes the locks and starts everything. The engine's task is to be added to [`Outlets::tasks`].
    ///
    /// # Errors
    /// When another daemon runs, a port is taken, or a path cannot be written.
    pub async fn start(config: &Config) -> Result<(Self, EngineLinks), DaemonError> {
        let locks = [
            InstanceLock::of_run_dir(&config.run_dir)?,
            InstanceLock::of_spool(&config.spool_dir())?,
        ];
        let (tasks, sink_tasks) = (Tasks::new(), Tasks::new());
        let metrics = Arc::new(Metrics::new()?);
        let readiness = Readiness::default();
        let taps = Taps::default();
        if let Some(address) = config.metrics.listen {
            let listener = http::bind(address).await?;
            let server = http::serve(
                listener,
                Arc::clone(&metrics),
                readiness.clone(),
                sink_tasks.token(),
            );
            sink_tasks.spawn("metrics", async move { Ok(server.await?) });
        }
        let spool = Spool::open(&Options {
            dir: config.spool_dir(),
            max_bytes: config.spool.max_bytes,
            sinks: config.sinks.iter().map(|sink| sink.name.clone()).collect(),
        })?;
        let sinks = start_sinks(&config.sinks, &spool, &sink_tasks)?;
        let (sender, requests) = mpsc::channel(REQUEST_QUEUE);
        let server = ControlServer::bind(&config.socket())?;
        let context = ServerContext {
            requests: sender.clone(),
            taps: taps.clone(),
            tasks: tasks.clone(),
        };
        tasks.spawn("control", async move { Ok(server.serve(context).await?) });
        signals::start(&tasks, sender).map_err(DaemonError::Signals)?;
        let links = EngineLinks {
            spool: Some(spool.clone()),
            taps,
            metrics,
            readiness: readiness.clone(),
            requests,
            sinks,
            started: Instant::now(),
        };
        collect(&links, spool.clone());
        let outlets = Self {
            tasks,
            sinks: sink_tasks,
            readiness,
            spool,
            _locks: locks,
        };
        Ok((outlets, links))
    }

    /// Tasks that stop before the spool: the engine's and the runtimes' belong here.
    #[must_use]
    pub fn tasks(&self) -> &Tasks {
        &self.tasks
    }

    /// Waits for a signal or the failure of a task, then stops everything in order.
    ///
    /// # Errors
    /// The failure that stopped it. What hung is logged; it does not change the outcome.
    pub async fn run(self) -> Result<(), DaemonError> {
        let (front, back) = (self.tasks.token(), self.sinks.token());
        tokio::select! {
            () = front.cancelled() => {}
            () = back.cancelled() => {}
        }
        self.readiness.set(Ready::Stopping);
        let front = self.tasks.drain(FRONT_GRACE).await;
        let flushed = tokio::time::timeout(FLUSH_GRACE, self.spool.flush()).await;
        let back = self.sinks.drain(SINK_GRACE).await;
        let spool = self.spool.clone();
        let closing = tokio::task::spawn_blocking(move || spool.close());
        let closed = tokio::time::timeout(CLOSE_GRACE, closing).await;
        if flushed.is_err() || closed.is_err() {
            tracing::error!(
                "the spool's disk did not answer in time: alerts of the last moments may be lost"
            );
        }
        for task in front.hung.iter().chain(&back.hung) {
            tracing::warn!(task, "did not stop in time");
        }
        match front.failure.or(back.failure) {
            Some((task, source)) => Err(DaemonError::Task { task, source }),
            None => Ok(()),
        }
    }
}

fn start_sinks(configs: &[SinkConfig], spool: &Spool, tasks: &Tasks) -> Result<Vec<SinkHandle>, DaemonError> {
    let mut handles = Vec::with_capacity(configs.len());
    for config in configs {
        let sink = open_sink(&config.kind).map_err(|error| DaemonError::Sink {
            name: config.name.clone(),
            error,
        })?;
        let stats = Arc::new(SinkStats::default());
        let driver = SinkDriver {
            name: config.name.clone(),
            sink,
            reader: spool.reader(&config.name)?,
            min_severity: config.min_severity,
            stats: Arc::clone(&stats),
        };
        let stop = tasks.token();
        tasks.spawn("sink", async move {
            driver.run(stop).await;
            Ok(())
        });
        handles.push(SinkHandle {
            name: config.name.clone(),
            stats,
        });
    }
    Ok(handles)
}

fn open_sink(kind: &SinkKind) -> Result<Box<dyn Sink>, SinkError> {
    Ok(match kind {
        SinkKind::Stdout => Box::new(StdoutAlerts::default()),
        SinkKind::File(file) => Box::new(FileAlerts::open(file.clone())?),
    })
}

/// What is counted behind the engine, copied at each scrape.
fn collect(links: &EngineLinks, spool: Spool) {
    let (taps, sinks) = (links.taps.clone(), links.sinks.clone());
    let (readiness, started) = (links.readiness.clone(), links.started);
    links
        .metrics
        .build_info
        .with_label_values(&[
            env!("CARGO_PKG_VERSION"),
            &agent_common::ABI_VERSION.to_string(),
            &kernel_release(),
        ])
        .set(1);
    links.metrics.on_scrape(Box::new(move |metrics| {
        metrics.uptime.set(started.elapsed().as_secs_f64());
        metrics.ready.set(i64::from(readiness.is_ready()));
        metrics.taps.set(gauge(taps.len()));
        set_total(&metrics.taps_missed, taps.missed_total());
        let queue = QueueStatus {
            depth: spool.queue_depth() as u64,
            capacity: Spool::QUEUE as u64,
            dropped: spool.stats().dropped_total().map(|(_, count)| count).sum(),
        };
        collect_queue(metrics, "spool", queue);
        collect_spool(metrics, &spool);
        for sink in &sinks {
            collect_sink(metrics, &SinkStatus::of(&sink.name, &sink.stats, &spool));
        }
    }));
}

fn collect_spool(metrics: &Metrics, spool: &Spool) {
    let stats = spool.stats();
    let (bytes, segments) = stats.disk();
    let (commits, took) = stats.commits_total();
    metrics.spool_bytes.set(gauge(bytes));
    metrics.spool_segments.set(gauge(segments));
    set_total(&metrics.spool_appended, stats.appended_total());
    set_total(&metrics.spool_commits, commits);
    set_seconds(&metrics.spool_commit_seconds, took);
    set_total(&metrics.spool_damaged_bytes, stats.damaged_total().0);
    set_total(&metrics.spool_errors, stats.errors_total());
    metrics.spool_degraded.set(i64::from(stats.degraded()));
    for (severity, dropped) in stats.dropped_total() {
        set_total(
            &metrics.spool_dropped.with_label_values(&[severity.name()]),
            dropped,
        );
    }
}

fn collect_sink(metrics: &Metrics, sink: &SinkStatus) {
    let label = &[sink.name.as_str()];
    set_total(&metrics.sink_delivered.with_label_values(label), sink.delivered);
    set_total(&metrics.sink_retries.with_label_values(label), sink.retries);
    set_total(&metrics.sink_rejected.with_label_values(label), sink.rejected);
    metrics
        .sink_pending
        .with_label_values(label)
        .set(gauge(sink.pending));
    metrics
        .sink_oldest
        .with_label_values(label)
        .set(sink.oldest_undelivered_seconds);
}

fn kernel_release() -> String {
    rustix::system::uname().release().to_string_lossy().into_owned()
}
