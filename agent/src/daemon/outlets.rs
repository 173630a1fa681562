use super::delivery::Deliveries;
use super::links::EngineLinks;
use super::naming::Runtimes;
use super::reload::{ReloadState, Reloader, Settings};
use super::runtime_counts::RuntimeCounts;
use super::watchdog::Watchdog;
use super::{collect, signals};
use crate::config::Config;
use crate::control::lock::{InstanceLock, LockError};
use crate::control::server::{ControlServer, ServerContext, ServerError};
use crate::control::{ControlRequest, RELOAD_QUEUE, REQUEST_QUEUE, ReloadRequest, Taps};
use crate::profile::ProfileError;
use crate::shutdown::Tasks;
use crate::sink::SinkError;
use crate::spool::{Options, Spool, SpoolError};
use crate::telemetry::http::{self, HttpError, Readiness, Ready};
use crate::telemetry::{Metrics, ServiceManager};
use crate::user_rules::UserRuleError;
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
    #[error("sink `{name}`: cannot {error}\n  help: check the files and addresses that it names")]
    Sink {
        name: String,
        #[source]
        error: SinkError,
    },
    #[error(transparent)]
    Profile(#[from] ProfileError),
    #[error(transparent)]
    Rule(#[from] UserRuleError),
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
    manager: ServiceManager,
    engine: mpsc::Sender<ControlRequest>,
    spool: Spool,
    /// Until somebody reloads.
    reloading: Option<Reloading>,
    /// Of the run folder and the spool's.
    _locks: [InstanceLock; 2],
}

/// What reloads are made with.
#[derive(Debug)]
struct Reloading {
    deliveries: Deliveries,
    engine: mpsc::Sender<ControlRequest>,
    reloads: mpsc::Sender<ReloadRequest>,
    requests: mpsc::Receiver<ReloadRequest>,
}

impl Reloading {
    fn new(deliveries: Deliveries, engine: mpsc::Sender<ControlRequest>) -> Self {
        let (reloads, requests) = mpsc::channel(RELOAD_QUEUE);
        Self {
            deliveries,
            engine,
            reloads,
            requests,
        }
    }

    /// What the control socket asks.
    fn context(&self, taps: Taps, tasks: Tasks) -> ServerContext {
        ServerContext {
            requests: self.engine.clone(),
            reloads: self.reloads.clone(),
            taps,
            tasks,
        }
    }
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
        let (tasks, sinks) = (Tasks::new(), Tasks::new());
        let metrics = Arc::new(Metrics::new()?);
        let readiness = Readiness::default();
        serve_metrics(config, &metrics, &readiness, &sinks).await?;
        let spool = open_spool(config)?;
        let deliveries = Deliveries::start(&config.sinks, spool.clone(), sinks.clone())?;
        let (engine, requests) = mpsc::channel(REQUEST_QUEUE);
        let links = EngineLinks {
            spool: Some(spool.clone()),
            taps: Taps::default(),
            metrics,
            readiness: readiness.clone(),
            requests,
            sinks: deliveries.handles(),
            reloads: ReloadState::default(),
            runtime_counts: RuntimeCounts::default(),
            started: Instant::now(),
        };
        collect::start(&links, spool.clone());
        let reloading = Reloading::new(deliveries, engine.clone());
        serve_control(config, reloading.context(links.taps.clone(), tasks.clone()))?;
        signals::start(&tasks, reloading.reloads.clone()).map_err(DaemonError::Signals)?;
        let outlets = Self {
            tasks,
            sinks,
            readiness,
            manager: manager(),
            engine,
            spool,
            reloading: Some(reloading),
            _locks: locks,
        };
        Ok((outlets, links))
    }

    /// From now on reloads are done; returns where they are asked for. `None`: they were done already.
    pub(super) fn start_reloading(
        &mut self,
        settings: Settings,
        runtimes: Runtimes,
        metrics: Arc<Metrics>,
        state: ReloadState,
    ) -> Option<mpsc::Sender<ReloadRequest>> {
        let reloading = self.reloading.take()?;
        state.accepted(&settings.config.rules_dir);
        let reloader = Reloader {
            settings,
            deliveries: reloading.deliveries,
            runtimes,
            engine: reloading.engine,
            manager: self.manager.clone(),
            metrics,
            state,
        };
        let stop = self.tasks.token();
        self.tasks.spawn("reload", async move {
            reloader.run(reloading.requests, stop).await;
            Ok(())
        });
        Some(reloading.reloads)
    }

    /// Tasks that stop before the spool: the engine's and the runtimes' belong here.
    #[must_use]
    pub fn tasks(&self) -> &Tasks {
        &self.tasks
    }

    /// Tells the service manager that the agent is ready, and from now on that it lives.
    pub(super) fn announce(&self) {
        let watchdog = Watchdog {
            manager: self.manager.clone(),
            engine: self.engine.clone(),
            readiness: self.readiness.clone(),
        };
        watchdog.start(&self.tasks);
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
        self.manager.stopping().await;
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

/// An agent that nobody hears watches all the same.
fn manager() -> ServiceManager {
    ServiceManager::from_environment().unwrap_or_else(|error| {
        tracing::warn!(%error, "the service manager is told nothing");
        ServiceManager::default()
    })
}

fn open_spool(config: &Config) -> Result<Spool, SpoolError> {
    Spool::open(&Options {
        dir: config.spool_dir(),
        max_bytes: config.spool.max_bytes,
        sinks: config.sinks.iter().map(|sink| sink.name.clone()).collect(),
    })
}

async fn serve_metrics(
    config: &Config,
    metrics: &Arc<Metrics>,
    readiness: &Readiness,
    tasks: &Tasks,
) -> Result<(), DaemonError> {
    let Some(address) = config.metrics.listen else {
        return Ok(());
    };
    let listener = http::bind(address).await?;
    let server = http::serve(listener, Arc::clone(metrics), readiness.clone(), tasks.token());
    tasks.spawn("metrics", async move { Ok(server.await?) });
    Ok(())
}

fn serve_control(config: &Config, context: ServerContext) -> Result<(), DaemonError> {
    let server = ControlServer::bind(&config.socket())?;
    let tasks = context.tasks.clone();
    tasks.spawn("control", async move { Ok(server.serve(context).await?) });
    Ok(())
}
