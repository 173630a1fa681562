use super::links::EngineLinks;
use super::maps::SensorMaps;
use super::naming::{self, Runtimes};
use super::outlets::{DaemonError, Outlets};
use super::recorder::Recorder;
use super::reload::{self, Settings};
use super::task::EngineTask;
use crate::alert::{AlertBuilder, AlertIds};
use crate::config::{Config, DEFAULT_RULES};
use crate::control::{Filter, TapStream, Taps};
use crate::detect::SensorFinding;
use crate::engine::{Engine, RunningContainer};
use crate::host::{HostFacts, HostSources};
use crate::profile::store::{Presence, load_folder};
use crate::profile::{ProfileError, ProfileSet, RoleSet};
use crate::recording::{RecordingError, Start, Writer};
use crate::shutdown::Tasks;
use crate::source::EventSource;
use crate::telemetry::http::Ready;
use crate::user_rules::{self, UserRuleError, UserRuleSet};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::path::Path;
use std::sync::Arc;
use tokio::sync::mpsc;

/// Runtime events that may wait for the engine.
const RUNTIME_QUEUE: usize = 1024;
/// The folder of profiles that need not exist.
const DEFAULT_PROFILES: &str = "/etc/vigia/profiles";

/// A loaded sensor, in the parts that the engine's task needs.
pub struct SensorParts {
    pub source: Box<dyn EventSource>,
    pub maps: Box<dyn SensorMaps>,
    /// What does not work, to be told as alerts.
    pub findings: Vec<SensorFinding>,
    /// Containers that run already.
    pub running: Vec<RunningContainer>,
    /// Whether what is required is attached.
    pub ready: Ready,
}

impl std::fmt::Debug for SensorParts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SensorParts").finish_non_exhaustive()
    }
}

/// What the engine starts with; made before the sensor is loaded, so that bad profiles stop the start early.
#[derive(Debug)]
pub struct Prepared {
    engine: Engine,
    profiles: Arc<ProfileSet>,
    rules: Arc<UserRuleSet>,
    host: HostFacts,
    sources: HostSources,
    recorder: Option<Recorder>,
}

/// Reads profiles, rules and roles, and what is true of the host.
///
/// # Errors
/// When a profile or a rule is wrong.
pub fn prepare(config: &Config) -> Result<Prepared, DaemonError> {
    let profiles = read_profiles(&config.profiles_dir)?;
    let rules = read_rules(&config.rules_dir)?;
    let roles = RoleSet::shipped()?;
    let sources = HostSources {
        node: config.node.clone(),
        sockets: naming::sockets(config),
    };
    let host = HostFacts::gather(&sources);
    let seed = RandomState::new().build_hasher().finish();
    let engine = Engine::new(host.clone(), roles, AlertBuilder::new(AlertIds::new(seed)));
    Ok(Prepared {
        engine,
        profiles: Arc::new(profiles),
        rules: Arc::new(rules),
        host,
        sources,
        recorder: None,
    })
}

impl Prepared {
    /// Writes the run down to `path`, at most `max_bytes`.
    ///
    /// # Errors
    /// When the file exists or cannot be written.
    pub fn record(self, path: &Path, max_bytes: u64) -> Result<Self, RecordingError> {
        let start = Start {
            host: self.host.clone(),
            abi: agent_common::ABI_VERSION,
        };
        let recorder = Some(Recorder::new(Writer::create(path, max_bytes, &start)?));
        Ok(Self { recorder, ..self })
    }
}

/// Runs the daemon until a signal or a failure. Everything is stopped when this returns.
///
/// # Errors
/// See [`DaemonError`].
pub async fn run(
    settings: Settings,
    prepared: Prepared,
    mut outlets: Outlets,
    links: EngineLinks,
    sensor: SensorParts,
) -> Result<(), DaemonError> {
    links.readiness.set(sensor.ready);
    let (metrics, state) = (Arc::clone(&links.metrics), links.reloads.clone());
    let runtimes = start(&settings.config, prepared, links, sensor, outlets.tasks());
    let place = settings.sources.place();
    if let Some(reloads) = outlets.start_reloading(settings, runtimes, metrics, state.clone()) {
        reload::watch::start(place, state, reloads, outlets.tasks());
    }
    outlets.announce();
    outlets.run().await
}

/// Starts a sensor and an engine for `agent watch` alone: no spool, no sinks, no socket. The stream lives as long as
/// `tasks`.
///
/// # Errors
/// When the metrics cannot be made.
pub fn watch_alone(
    config: &Config,
    prepared: Prepared,
    sensor: SensorParts,
    filter: Filter,
    tasks: &Tasks,
) -> Result<TapStream, DaemonError> {
    let taps = Taps::default();
    let stream = taps.watch(filter);
    let links = EngineLinks::without_outlets(taps)?;
    // Nothing is reloaded: the runtimes stay what they are.
    let _runtimes = start(config, prepared, links, sensor, tasks);
    Ok(stream)
}

fn start(
    config: &Config,
    prepared: Prepared,
    links: EngineLinks,
    sensor: SensorParts,
    tasks: &Tasks,
) -> Runtimes {
    let (sender, runtimes) = mpsc::channel(RUNTIME_QUEUE);
    let counts = links.runtime_counts.clone();
    let asked = Runtimes::start(config, sender, tasks.clone(), counts);
    let Prepared {
        engine,
        profiles,
        rules,
        host,
        sources,
        recorder,
    } = prepared;
    let task = EngineTask {
        engine,
        profiles,
        rules,
        source: sensor.source,
        kernel: sensor.maps,
        exceptions: config.escapes.clone().unwrap_or_default(),
        runtimes,
        links,
        findings: sensor.findings,
        running: sensor.running,
        recorder,
        host,
        host_sources: sources,
    };
    let stop = tasks.token();
    tasks.spawn("engine", async move { Ok(task.run(stop).await?) });
    asked
}

/// Of a folder that must be there, unless it is the default one.
pub(super) fn read_profiles(folder: &Path) -> Result<ProfileSet, ProfileError> {
    load_folder(folder, presence(folder, DEFAULT_PROFILES))
}

/// Of a folder that must be there, unless it is the default one.
pub(super) fn read_rules(folder: &Path) -> Result<UserRuleSet, UserRuleError> {
    user_rules::store::load_folder(folder, presence(folder, DEFAULT_RULES))
}

fn presence(folder: &Path, default: &str) -> Presence {
    if folder == Path::new(default) {
        Presence::Optional
    } else {
        Presence::Required
    }
}
