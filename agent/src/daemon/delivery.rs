//! The sinks that run now, and how they become those of another configuration while alerts come.
//!
//! A sink that did not change is not disturbed. One that goes, or changes, first delivers what is committed as long as
//! its receiver takes it, within [`HANDOVER`]; what it did not take waits at its cursor. So nothing is lost, and what
//! was on its way when the time was over may come twice.

use super::outlets::DaemonError;
use crate::config::SinkConfig;
use crate::shutdown::Tasks;
use crate::sink::{Sink, SinkDriver, SinkStats};
use crate::sinks;
use crate::spool::Spool;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

/// Time for a sink that goes or changes: a receiver that hangs must not keep the new configuration.
const HANDOVER: Duration = Duration::from_millis(1500);

/// A sink as status and metrics see it.
#[derive(Debug, Clone)]
pub struct SinkHandle {
    pub name: String,
    pub stats: Arc<SinkStats>,
}

/// The sinks that run now. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct SinkHandles(Arc<Mutex<Vec<SinkHandle>>>);

impl SinkHandles {
    /// As they are at this moment, in the order of the configuration.
    #[must_use]
    pub fn list(&self) -> Vec<SinkHandle> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, handles: Vec<SinkHandle>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = handles;
    }
}

/// Runs a driver for each sink.
#[derive(Debug)]
pub(super) struct Deliveries {
    spool: Spool,
    tasks: Tasks,
    handles: SinkHandles,
    running: Vec<Running>,
}

#[derive(Debug)]
struct Running {
    config: SinkConfig,
    stats: Arc<SinkStats>,
    stop: CancellationToken,
    /// Drops the driver where it is.
    kill: CancellationToken,
    /// Answers, with an error, when the driver has ended.
    ended: oneshot::Receiver<()>,
}

/// Sinks of another configuration, those opened that do not run yet: everything that can fail has not.
pub(super) struct Planned {
    sinks: Vec<(SinkConfig, Option<Box<dyn Sink>>)>,
}

impl Planned {
    fn keep(&self, running: &SinkConfig) -> bool {
        let mut sinks = self.sinks.iter();
        sinks.any(|(config, sink)| sink.is_none() && config == running)
    }

    fn names(&self) -> Vec<String> {
        self.sinks.iter().map(|(config, _)| config.name.clone()).collect()
    }
}

/// What became of the sinks, by name.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct SinkChanges {
    pub(super) added: Vec<String>,
    pub(super) changed: Vec<String>,
    pub(super) removed: Vec<String>,
}

impl Deliveries {
    /// Starts a driver for each of `configs`; the spool knows their names.
    ///
    /// # Errors
    /// When one cannot be opened.
    pub(super) fn start(configs: &[SinkConfig], spool: Spool, tasks: Tasks) -> Result<Self, DaemonError> {
        let mut deliveries = Self {
            spool,
            tasks,
            handles: SinkHandles::default(),
            running: Vec::new(),
        };
        for config in configs {
            let sink = open(config)?;
            deliveries.run(config.clone(), sink, Arc::default())?;
        }
        deliveries.publish();
        Ok(deliveries)
    }

    pub(super) fn handles(&self) -> SinkHandles {
        self.handles.clone()
    }

    /// Opens what `configs` has and does not run as it is there.
    ///
    /// # Errors
    /// When one cannot be opened; nothing has changed then.
    pub(super) fn plan(&self, configs: &[SinkConfig]) -> Result<Planned, DaemonError> {
        let plan = |config: &SinkConfig| {
            let runs = self.running.iter().any(|running| running.config == *config);
            let sink = if runs { None } else { Some(open(config)?) };
            Ok((config.clone(), sink))
        };
        let sinks = configs.iter().map(plan).collect::<Result<_, DaemonError>>()?;
        Ok(Planned { sinks })
    }

    /// Makes what was planned true.
    ///
    /// # Errors
    /// When the spool has lost a sink: a mistake in this module.
    pub(super) async fn adopt(&mut self, planned: Planned) -> Result<SinkChanges, DaemonError> {
        let mut old: Vec<Running> = self
            .running
            .extract_if(.., |running| !planned.keep(&running.config))
            .collect();
        futures_util::future::join_all(old.iter_mut().map(Running::end)).await;
        let order = planned.names();
        let mut changes = SinkChanges::default();
        for (config, sink) in planned.sinks {
            let Some(sink) = sink else { continue };
            let before = old.iter().position(|running| running.config.name == config.name);
            let stats = match before {
                Some(at) => {
                    changes.changed.push(config.name.clone());
                    old.swap_remove(at).stats
                }
                None => {
                    changes.added.push(config.name.clone());
                    self.on_disk(config.name.clone(), |spool, name| spool.add_sink(name))
                        .await;
                    Arc::default()
                }
            };
            self.run(config, sink, stats)?;
        }
        self.running
            .sort_by_key(|running| order.iter().position(|name| *name == running.config.name));
        for Running { config, .. } in old {
            self.on_disk(config.name.clone(), forget).await;
            changes.removed.push(config.name);
        }
        self.publish();
        Ok(changes)
    }

    fn run(
        &mut self,
        config: SinkConfig,
        sink: Box<dyn Sink>,
        stats: Arc<SinkStats>,
    ) -> Result<(), DaemonError> {
        let driver = SinkDriver {
            name: config.name.clone(),
            sink,
            reader: self.spool.reader(&config.name)?,
            filter: config.filter.clone(),
            stats: Arc::clone(&stats),
        };
        let stop = self.tasks.token().child_token();
        let kill = CancellationToken::new();
        let (alive, ended) = oneshot::channel::<()>();
        let (stopping, killed) = (stop.clone(), kill.clone());
        self.tasks.spawn("sink", async move {
            let _alive = alive;
            tokio::select! {
                () = driver.run(stopping) => {}
                () = killed.cancelled() => {}
            }
            Ok(())
        });
        self.running.push(Running {
            config,
            stats,
            stop,
            kill,
            ended,
        });
        Ok(())
    }

    async fn on_disk(&self, name: String, act: fn(&Spool, &str)) {
        let spool = self.spool.clone();
        let acting = tokio::task::spawn_blocking(move || act(&spool, &name));
        if acting.await.is_err() {
            tracing::error!("the spool could not be told of a sink");
        }
    }

    fn publish(&self) {
        let handle = |running: &Running| SinkHandle {
            name: running.config.name.clone(),
            stats: Arc::clone(&running.stats),
        };
        self.handles.set(self.running.iter().map(handle).collect());
    }
}

impl Running {
    /// Lets the driver finish; what hangs is dropped.
    async fn end(&mut self) {
        self.stop.cancel();
        if tokio::time::timeout(HANDOVER, &mut self.ended).await.is_err() {
            let sink = &self.config.name;
            tracing::warn!(
                sink,
                "sink did not stop in time: what it was delivering may come twice"
            );
            self.kill.cancel();
            // At its next await point, of which the wait for the receiver is one.
            let _ended = (&mut self.ended).await;
        }
    }
}

fn open(config: &SinkConfig) -> Result<Box<dyn Sink>, DaemonError> {
    sinks::open(config).map_err(|error| DaemonError::Sink {
        name: config.name.clone(),
        error,
    })
}

fn forget(spool: &Spool, name: &str) {
    if let Err(error) = spool.remove_sink(name) {
        tracing::warn!(%error, "cursor could not be stored: if the sink comes back, alerts of a second may come twice");
    }
}
