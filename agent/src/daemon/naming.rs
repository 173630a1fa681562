//! Starts the adapters of the runtimes that are configured, and looks for those that may come.

use super::runtime_counts::RuntimeCounts;
use crate::config::{Config, Docker as DockerSettings, DockerAddress, RuntimeKind, RuntimeSocket};
use crate::container::{ContainerRuntime, RuntimeEvent};
use crate::runtimes::cri::{Cri, CriConfig};
use crate::runtimes::docker::{Docker, DockerConfig};
use crate::runtimes::supervisor;
use crate::shutdown::Tasks;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

/// Time between looks for a socket that is not there.
const LOOK: Duration = Duration::from_secs(2);

/// The runtimes that are asked, one task for each.
#[derive(Debug)]
pub(super) struct Runtimes {
    events: mpsc::Sender<RuntimeEvent>,
    tasks: Tasks,
    counts: RuntimeCounts,
    running: Vec<Running>,
}

/// A runtime, with all that decides how it is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Asked {
    Docker(DockerAddress),
    Other {
        socket: RuntimeSocket,
        /// Docker's own socket, which is not asked twice.
        docker: Option<PathBuf>,
    },
}

#[derive(Debug)]
struct Running {
    asked: Asked,
    stop: CancellationToken,
    /// Answers, with an error, when the task has ended.
    ended: oneshot::Receiver<()>,
}

impl Runtimes {
    /// Starts those that are configured.
    pub(super) fn start(
        config: &Config,
        events: mpsc::Sender<RuntimeEvent>,
        tasks: Tasks,
        counts: RuntimeCounts,
    ) -> Self {
        let mut runtimes = Self {
            events,
            tasks,
            counts,
            running: Vec::new(),
        };
        for asked in configured(config) {
            runtimes.run(asked);
        }
        runtimes
    }

    /// Asks those of another configuration; returns the names of those that are asked otherwise than before, or not
    /// any more. The others are not disturbed.
    pub(super) async fn adopt(&mut self, config: &Config) -> Vec<&'static str> {
        let mut wanted = configured(config);
        let stay = |running: &mut Running| wanted.contains(&running.asked);
        let gone: Vec<Running> = self.running.extract_if(.., |running| !stay(running)).collect();
        wanted.retain(|asked| !self.running.iter().any(|running| running.asked == *asked));
        let mut changed: Vec<&'static str> = wanted.iter().map(Asked::name).collect();
        for running in gone {
            let name = running.asked.name();
            self.end(running).await;
            if !changed.contains(&name) {
                changed.push(name);
            }
        }
        for asked in wanted {
            self.run(asked);
        }
        changed
    }

    async fn end(&self, running: Running) {
        running.stop.cancel();
        let _ended = running.ended.await;
        let event = RuntimeEvent::Disconnected {
            runtime: running.asked.name().to_owned(),
            reason: "the configuration changed".to_owned(),
        };
        // Without an engine there is nobody who wants to know.
        let _unwanted = self.events.send(event).await;
    }

    fn run(&mut self, asked: Asked) {
        let (events, stop) = (self.events.clone(), self.tasks.token().child_token());
        let (alive, ended) = oneshot::channel::<()>();
        let (what, stopping) = (asked.clone(), stop.clone());
        let missed = self.counts.counter(asked.name());
        self.tasks.spawn(asked.name(), async move {
            let _alive = alive;
            what.supervise(missed, events, stopping).await;
            Ok(())
        });
        self.running.push(Running { asked, stop, ended });
    }
}

impl Asked {
    fn name(&self) -> &'static str {
        match self {
            Self::Docker(_) => "docker",
            Self::Other { socket, .. } => socket.kind.name(),
        }
    }

    async fn supervise(
        self,
        missed: Arc<AtomicU64>,
        events: mpsc::Sender<RuntimeEvent>,
        stop: CancellationToken,
    ) {
        let adapter: Arc<dyn ContainerRuntime> = match self {
            Self::Docker(address) => {
                let config = DockerConfig::new("docker", &address.to_string());
                Arc::new(Docker::new(config).counting(missed))
            }
            Self::Other { socket, docker } => {
                if !is_to_be_asked(&socket, docker.as_deref(), &stop).await {
                    return;
                }
                adapter(&socket, missed)
            }
        };
        supervisor::run(adapter, events, stop).await;
    }
}

fn configured(config: &Config) -> Vec<Asked> {
    let docker = config.docker.enabled.then(|| config.docker.address.clone());
    let others = config.sockets.iter().map(|socket| Asked::Other {
        socket: socket.clone(),
        docker: docker_socket(&config.docker).filter(|_| config.docker.enabled),
    });
    docker.map(Asked::Docker).into_iter().chain(others).collect()
}

/// Name and socket of each runtime that is configured.
pub(super) fn sockets(config: &Config) -> Vec<(String, PathBuf)> {
    let docker = docker_socket(&config.docker).map(|path| ("docker".to_owned(), path));
    let others = config.sockets.iter();
    docker
        .into_iter()
        .chain(others.map(|socket| (socket.kind.name().to_owned(), socket.path.clone())))
        .collect()
}

fn docker_socket(settings: &DockerSettings) -> Option<PathBuf> {
    match &settings.address {
        DockerAddress::Unix(path) => Some(path.clone()),
        DockerAddress::Tcp(_) => None,
    }
}

fn adapter(socket: &RuntimeSocket, missed: Arc<AtomicU64>) -> Arc<dyn ContainerRuntime> {
    let name = socket.kind.name();
    match socket.kind {
        RuntimeKind::Containerd | RuntimeKind::Crio => {
            Arc::new(Cri::new(CriConfig::new(name, socket.path.clone())).counting(missed))
        }
        RuntimeKind::Podman => {
            let host = format!("unix://{}", socket.path.display());
            Arc::new(Docker::new(DockerConfig::new(name, &host)).counting(missed))
        }
    }
}

/// A socket that nobody wrote down is waited for in silence. False: the agent stops, or it is Docker's socket by
/// another path (Podman in Docker's place), which is asked already.
async fn is_to_be_asked(socket: &RuntimeSocket, docker: Option<&Path>, stop: &CancellationToken) -> bool {
    if socket.expected {
        return true;
    }
    while !socket.path.exists() {
        tokio::select! {
            () = stop.cancelled() => return false,
            () = tokio::time::sleep(LOOK) => {}
        }
    }
    let docker = docker.and_then(|path| path.canonicalize().ok());
    docker.is_none() || docker != socket.path.canonicalize().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn socket(path: &Path, expected: bool) -> RuntimeSocket {
        RuntimeSocket {
            kind: RuntimeKind::Podman,
            path: path.to_owned(),
            expected,
        }
    }

    #[tokio::test]
    async fn a_socket_that_comes_is_found_and_one_that_does_not_ends_with_the_agent() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("podman.sock");
        let stop = CancellationToken::new();
        let coming = socket(&path, false);
        let (found, ()) = tokio::join!(is_to_be_asked(&coming, None, &stop), async {
            tokio::task::yield_now().await;
            std::fs::write(&path, "").unwrap();
        });
        assert!(found);
        let absent = socket(&dir.path().join("absent"), false);
        stop.cancel();
        assert!(!is_to_be_asked(&absent, None, &stop).await);
    }

    fn config(docker: bool, podman: Option<&Path>) -> Config {
        let raw = crate::config::RawConfig::default();
        let mut config = crate::config::validate(&raw, &Default::default()).unwrap();
        config.docker.enabled = docker;
        config.docker.address = DockerAddress::Unix("/none/docker.sock".into());
        config.sockets = podman.map(|path| socket(path, true)).into_iter().collect();
        config
    }

    #[tokio::test]
    async fn only_the_runtime_that_changed_is_asked_anew_and_the_engine_hears_of_its_end() {
        let dir = tempfile::tempdir().unwrap();
        let [one, two] = ["1", "2"].map(|name| dir.path().join(name));
        let (sender, mut events) = mpsc::channel(64);
        let (tasks, counts) = (Tasks::new(), RuntimeCounts::default());
        let both = config(true, Some(&one));
        let mut runtimes = Runtimes::start(&both, sender, tasks.clone(), counts.clone());
        assert!(runtimes.adopt(&both).await.is_empty());
        let docker = runtimes.running[0].stop.clone();
        assert_eq!(runtimes.adopt(&config(true, Some(&two))).await, ["podman"]);
        assert!(!docker.is_cancelled());
        assert_eq!(runtimes.adopt(&config(false, None)).await, ["docker", "podman"]);
        assert!(docker.is_cancelled() && runtimes.running.is_empty());
        let mut ended = Vec::new();
        while let Ok(event) = events.try_recv() {
            if let RuntimeEvent::Disconnected { runtime, reason } = event
                && reason.contains("configuration")
            {
                ended.push(runtime);
            }
        }
        assert_eq!(ended, ["podman", "docker", "podman"]);
        assert_eq!(
            counts.report().into_keys().collect::<Vec<_>>(),
            ["docker", "podman"]
        );
        assert!(tasks.drain(LOOK).await.hung.is_empty());
    }

    #[tokio::test]
    async fn podman_in_dockers_place_is_asked_once() {
        let dir = tempfile::tempdir().unwrap();
        let (podman, docker) = (dir.path().join("podman.sock"), dir.path().join("docker.sock"));
        std::fs::write(&podman, "").unwrap();
        std::os::unix::fs::symlink(&podman, &docker).unwrap();
        let stop = CancellationToken::new();
        assert!(!is_to_be_asked(&socket(&podman, false), Some(&docker), &stop).await);
        assert!(is_to_be_asked(&socket(&podman, true), Some(&docker), &stop).await);
        assert!(is_to_be_asked(&socket(&podman, false), None, &stop).await);
    }
}
