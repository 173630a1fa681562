use super::links::EngineLinks;
use super::maps::SensorMaps;
use super::outlets::{DaemonError, Outlets};
use super::recorder::Recorder;
use super::task::EngineTask;
use crate::alert::{AlertBuilder, AlertIds};
use crate::config::{Config, Docker as DockerSettings, DockerAddress};
use crate::container::RuntimeEvent;
use crate::control::{Filter, Refusal, RefusalCode, TapStream, Taps};
use crate::detect::SensorFinding;
use crate::engine::{Engine, RunningContainer};
use crate::host::{HostFacts, HostSources};
use crate::profile::store::{Presence, load_folder};
use crate::profile::{ProfileSet, RoleSet};
use crate::recording::{RecordingError, Start, Writer};
use crate::runtimes::docker::{Docker, DockerConfig};
use crate::runtimes::supervisor;
use crate::shutdown::Tasks;
use crate::source::EventSource;
use crate::telemetry::http::Ready;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::path::{Path, PathBuf};
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
    host: HostFacts,
    sources: HostSources,
    profiles_dir: PathBuf,
    recorder: Option<Recorder>,
}

/// Reads profiles and roles, and what is true of the host.
///
/// # Errors
/// When a profile is wrong.
pub fn prepare(config: &Config) -> Result<Prepared, DaemonError> {
    let profiles = read_profiles(&config.profiles_dir)?;
    let roles = RoleSet::shipped()?;
    let sources = HostSources {
        node: None,
        sockets: docker_socket(&config.docker),
    };
    let host = HostFacts::gather(&sources);
    let seed = RandomState::new().build_hasher().finish();
    let engine = Engine::new(host.clone(), roles, AlertBuilder::new(AlertIds::new(seed)));
    Ok(Prepared {
        engine,
        profiles: Arc::new(profiles),
        host,
        sources,
        profiles_dir: config.profiles_dir.clone(),
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
    config: &Config,
    prepared: Prepared,
    outlets: Outlets,
    links: EngineLinks,
    sensor: SensorParts,
) -> Result<(), DaemonError> {
    links.readiness.set(sensor.ready);
    start(config, prepared, links, sensor, outlets.tasks());
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
    start(config, prepared, links, sensor, tasks);
    Ok(stream)
}

fn start(config: &Config, prepared: Prepared, links: EngineLinks, sensor: SensorParts, tasks: &Tasks) {
    let (sender, runtimes) = mpsc::channel(RUNTIME_QUEUE);
    start_docker(&config.docker, sender, tasks);
    let Prepared {
        engine,
        profiles,
        host,
        sources,
        profiles_dir,
        recorder,
    } = prepared;
    let task = EngineTask {
        engine,
        profiles,
        source: sensor.source,
        kernel: sensor.maps,
        runtimes,
        links,
        load_profiles: Arc::new(move || reload_profiles(&profiles_dir)),
        findings: sensor.findings,
        running: sensor.running,
        recorder,
        host,
        host_sources: sources,
    };
    let stop = tasks.token();
    tasks.spawn("engine", async move { Ok(task.run(stop).await?) });
}

fn start_docker(settings: &DockerSettings, events: mpsc::Sender<RuntimeEvent>, tasks: &Tasks) {
    let stop = tasks.token();
    if !settings.enabled {
        return;
    }
    let docker = Docker::new(DockerConfig::new("docker", &settings.address.to_string()));
    tasks.spawn("docker", async move {
        supervisor::run(Arc::new(docker), events, stop).await;
        Ok(())
    });
}

fn docker_socket(settings: &DockerSettings) -> Vec<(String, PathBuf)> {
    match &settings.address {
        DockerAddress::Unix(path) => vec![("docker".to_owned(), path.clone())],
        DockerAddress::Tcp(_) => Vec::new(),
    }
}

fn read_profiles(folder: &Path) -> Result<ProfileSet, crate::profile::ProfileError> {
    let presence = if folder == Path::new(DEFAULT_PROFILES) {
        Presence::Optional
    } else {
        Presence::Required
    };
    load_folder(folder, presence)
}

fn reload_profiles(folder: &Path) -> Result<Arc<ProfileSet>, Refusal> {
    read_profiles(folder).map(Arc::new).map_err(|error| Refusal {
        code: RefusalCode::BadConfig,
        message: error.to_string(),
    })
}
