//! Another configuration while the agent runs: all of it, or nothing.
//!
//! Everything that can be wrong is found first: files, profiles and rules are read, sinks that are new are opened. Then it is
//! applied, which cannot fail. What needs a restart stays as it runs, and is named until the restart.

mod differences;
mod state;
#[cfg(test)]
mod tests;
pub(super) mod watch;

pub use state::ReloadState;

use super::collect::forget_sink;
use super::delivery::{Deliveries, Planned, SinkChanges};
use super::naming::{self, Runtimes};
use super::run::{read_profiles, read_rules};
use crate::config::{Config, Sources, load};
use crate::control::protocol::Reloaded;
use crate::control::{ControlRequest, Refusal, RefusalCode, ReloadRequest};
use crate::profile::ProfileSet;
use crate::telemetry::logs::LogControl;
use crate::telemetry::{Metrics, ServiceManager};
use crate::user_rules::UserRuleSet;
use differences::keep_running;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

/// What the agent was started with.
#[derive(Debug)]
pub struct Settings {
    pub config: Config,
    /// Read again at each reload; environment and flags are those of the start.
    pub sources: Sources,
    pub log: LogControl,
}

/// Reads the configuration again when it is asked to. One reload at a time.
pub(super) struct Reloader {
    pub(super) settings: Settings,
    pub(super) deliveries: Deliveries,
    pub(super) runtimes: Runtimes,
    pub(super) engine: mpsc::Sender<ControlRequest>,
    /// Told when a reload begins, and that the agent is ready again: one that fails has ended, too.
    pub(super) manager: ServiceManager,
    pub(super) metrics: Arc<Metrics>,
    pub(super) state: ReloadState,
}

/// What was read and is valid.
struct Read {
    config: Config,
    profiles: Arc<ProfileSet>,
    rules: Arc<UserRuleSet>,
}

impl Reloader {
    /// Until `stop`; a reload that is under way ends there too.
    pub(super) async fn run(mut self, mut requests: mpsc::Receiver<ReloadRequest>, stop: CancellationToken) {
        self.accepted();
        loop {
            let request = tokio::select! {
                () = stop.cancelled() => return,
                request = requests.recv() => request,
            };
            let Some(ReloadRequest { reply }) = request else {
                return;
            };
            tokio::select! {
                () = stop.cancelled() => return,
                answer = self.reload() => {
                    // Who asked may be gone.
                    let _unwanted = reply.send(answer);
                }
            }
        }
    }

    async fn reload(&mut self) -> Result<Reloaded, Refusal> {
        self.manager.reloading().await;
        let outcome = self.replace().await;
        self.manager.ready().await;
        match &outcome {
            Ok(reloaded) => {
                self.accepted();
                tell(reloaded);
            }
            Err(Refusal { message, .. }) => {
                tracing::error!(reason = message, "not reloaded: what runs stays in force");
                self.metrics.config_reload_successful.set(0);
                self.metrics.config_reload_failures.inc();
                self.state.refused(message);
            }
        }
        outcome
    }

    async fn replace(&mut self) -> Result<Reloaded, Refusal> {
        let sources = self.settings.sources.clone();
        let reading = tokio::task::spawn_blocking(move || read(&sources)).await;
        let Read {
            config,
            profiles,
            rules,
        } = reading.map_err(|_| refusal(RefusalCode::Unavailable, "reading failed"))??;
        let planned = self.deliveries.plan(&config.sinks);
        let planned = planned.map_err(|error| refusal(RefusalCode::BadConfig, error))?;
        let (config, restart) = keep_running(&self.settings.config, config);
        let mut reloaded = Reloaded {
            profiles: profiles.len(),
            rules: rules.len(),
            changed: Vec::new(),
            restart: restart.iter().map(|key| (*key).to_owned()).collect(),
        };
        self.to_engine(&config, profiles, rules).await?;
        self.adopt(&config, planned, &mut reloaded.changed).await;
        self.settings.config = config;
        self.state.pending(&reloaded.restart);
        Ok(reloaded)
    }

    async fn adopt(&mut self, config: &Config, planned: Planned, changed: &mut Vec<String>) {
        let before = &self.settings.config;
        if before.profiles_dir != config.profiles_dir {
            changed.push(format!("profiles_dir: {}", config.profiles_dir.display()));
        }
        if before.rules_dir != config.rules_dir {
            changed.push(format!("rules.dir: {}", config.rules_dir.display()));
        }
        if before.log.level != config.log.level && self.settings.log.set(config.log.level) {
            changed.push(format!("log.level: {:?}", config.log.level).to_lowercase());
        }
        match self.deliveries.adopt(planned).await {
            Ok(sinks) => self.note_sinks(sinks, changed),
            Err(error) => tracing::error!(%error, "sinks are not as configured"),
        }
        for runtime in self.runtimes.adopt(config).await {
            changed.push(format!("runtimes.{runtime}"));
        }
    }

    fn note_sinks(&self, sinks: SinkChanges, changed: &mut Vec<String>) {
        for name in &sinks.removed {
            forget_sink(&self.metrics, name);
        }
        let SinkChanges {
            added,
            changed: other,
            removed,
        } = sinks;
        for (names, what) in [(added, "added"), (other, "changed"), (removed, "removed")] {
            changed.extend(names.into_iter().map(|name| format!("sink `{name}` {what}")));
        }
    }

    /// Profiles, rules and sockets come into force between two batches of records.
    async fn to_engine(
        &self,
        config: &Config,
        profiles: Arc<ProfileSet>,
        rules: Arc<UserRuleSet>,
    ) -> Result<(), Refusal> {
        let (reply, done) = oneshot::channel();
        let request = ControlRequest::Adopt {
            profiles,
            rules,
            sockets: naming::sockets(config),
            reply,
        };
        let stopping = || refusal(RefusalCode::Unavailable, "the agent is stopping");
        self.engine.send(request).await.map_err(|_| stopping())?;
        done.await.map_err(|_| stopping())
    }

    fn accepted(&self) {
        self.state.accepted(&self.settings.config.rules_dir);
        self.metrics.config_reload_successful.set(1);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        self.metrics.config_reload_timestamp.set(now.as_secs_f64());
    }
}

fn read(sources: &Sources) -> Result<Read, Refusal> {
    let loaded = load(sources).map_err(|error| refusal(RefusalCode::BadConfig, error))?;
    let profiles = read_profiles(&loaded.config.profiles_dir);
    let profiles = profiles.map_err(|error| refusal(RefusalCode::BadConfig, error))?;
    let rules = read_rules(&loaded.config.rules_dir);
    let rules = rules.map_err(|error| refusal(RefusalCode::BadConfig, error))?;
    Ok(Read {
        config: loaded.config,
        profiles: Arc::new(profiles),
        rules: Arc::new(rules),
    })
}

fn refusal(code: RefusalCode, message: impl ToString) -> Refusal {
    Refusal {
        code,
        message: message.to_string(),
    }
}

fn tell(reloaded: &Reloaded) {
    let Reloaded {
        profiles,
        rules,
        changed,
        restart,
    } = reloaded;
    let changed = match &changed[..] {
        [] => "nothing".to_owned(),
        changed => changed.join(", "),
    };
    tracing::info!(profiles, rules, changed, "reloaded");
    if !restart.is_empty() {
        let keys = restart.join(", ");
        tracing::warn!(keys, "changed, but in force only after a restart");
    }
}
