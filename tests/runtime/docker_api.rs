//! What the agent learns of containers from a real Docker daemon, and that a hung one is only a pause.

use agent::container::{ContainerMetadata, RuntimeEvent};
use agent::runtimes::docker::{Docker as Adapter, DockerConfig};
use agent::runtimes::supervisor;
use agent_tests::capability::{Capability, can_run};
use agent_tests::image::{BUSYBOX, Set};
use agent_tests::lab::{CgroupView, Docker};
use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Runtime;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

const DOCKER: [Capability; 2] = [Capability::Root, Capability::Docker];
const SOON: Duration = Duration::from_secs(20);

/// The adapter at work, beside the test's own thread.
struct Watched {
    runtime: Runtime,
    received: mpsc::Receiver<RuntimeEvent>,
    adapter: Arc<Adapter>,
    cancel: CancellationToken,
}

impl Watched {
    fn start(host: &str) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()?;
        let (events, received) = mpsc::channel(1024);
        let adapter = Arc::new(Adapter::new(DockerConfig {
            timeout: Duration::from_secs(2),
            ..DockerConfig::new("docker", host)
        }));
        let cancel = CancellationToken::new();
        runtime.spawn(supervisor::run(Arc::clone(&adapter) as _, events, cancel.clone()));
        Ok(Self {
            runtime,
            received,
            adapter,
            cancel,
        })
    }

    fn next(&mut self) -> Result<RuntimeEvent> {
        let next = self
            .runtime
            .block_on(async { timeout(SOON, self.received.recv()).await });
        next.context("no event in time")?
            .context("the supervisor has ended")
    }

    fn until(&mut self, what: &str, mut is: impl FnMut(&RuntimeEvent) -> bool) -> Result<RuntimeEvent> {
        loop {
            let event = self.next().with_context(|| format!("waiting for: {what}"))?;
            if is(&event) {
                return Ok(event);
            }
        }
    }

    /// The first description of `name` for which `is` holds.
    fn described(
        &mut self,
        name: &str,
        is: impl Fn(&ContainerMetadata) -> bool,
    ) -> Result<Arc<ContainerMetadata>> {
        let wanted = |event: &RuntimeEvent| match event {
            RuntimeEvent::Described { metadata, .. } => metadata.name == name && is(metadata),
            _ => false,
        };
        match self.until(name, wanted)? {
            RuntimeEvent::Described { metadata, .. } => Ok(metadata),
            other => bail!("not a description: {other:?}"),
        }
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.cancel.cancel();
    }
}

fn lab() -> Result<Option<Docker>> {
    if !can_run(&DOCKER) {
        return Ok(None);
    }
    let docker = Docker::start("api", CgroupView::Host)?;
    docker.load(Set::Busybox)?;
    Ok(Some(docker))
}

#[test]
fn containers_are_described_from_create_to_destroy() -> Result<()> {
    let Some(docker) = lab()? else { return Ok(()) };
    docker.docker(["run", "--detach", "--name", "old", BUSYBOX, "sleep", "500"])?;
    let mut watched = Watched::start(&docker.host())?;
    // In either order: its start may stand in the stream of events, which begins with a whole second.
    let (mut is_connected, mut is_described) = (false, false);
    watched.until("connected, and old", |event| {
        match event {
            RuntimeEvent::Connected { .. } => is_connected = true,
            RuntimeEvent::Described { metadata, .. } if metadata.name == "old" => {
                is_described |= metadata.pid != 0;
            }
            _ => {}
        }
        is_connected && is_described
    })?;

    docker.docker(["network", "create", "shop"])?;
    let run = "run --detach --name web --network shop --label tier=front --volume /etc:/host:ro";
    docker.docker(run.split(' ').chain([BUSYBOX, "sleep", "500"]))?;
    let created = watched.described("web", |_| true)?;
    assert_eq!(
        (created.image.reference.as_str(), created.pid),
        (BUSYBOX, 0),
        "from `create` alone"
    );
    let started = watched.described("web", |metadata| metadata.pid != 0)?;
    assert_eq!(started.user_networks, ["shop"]);
    assert_eq!(started.addresses[0].to_string(), docker.address_of("web")?);
    assert_eq!(started.labels["tier"], "front");
    assert_eq!(started.command, ["sleep", "500"]);
    let mount = &started.mounts[0];
    assert_eq!(
        (mount.source.as_str(), mount.writable, mount.bind),
        ("/etc", false, true)
    );
    assert!(
        started
            .image
            .id
            .as_deref()
            .is_some_and(|id| id.starts_with("sha256:"))
    );

    docker.docker(["rename", "web", "web2"])?;
    watched.described("web2", |_| true)?;
    docker.docker(["network", "connect", "bridge", "web2"])?;
    watched.described("web2", |metadata| metadata.addresses.len() == 2)?;
    docker.docker(["restart", "--time", "0", "web2"])?;
    watched.described("web2", |metadata| ![0, started.pid].contains(&metadata.pid))?;
    docker.docker(["rm", "--force", "web2"])?;
    watched.until("removed", |event| matches!(event, RuntimeEvent::Removed { .. }))?;
    assert_eq!(watched.adapter.missed(), 0);
    Ok(())
}

#[test]
fn a_privileged_container_is_described_so() -> Result<()> {
    let Some(docker) = lab()? else { return Ok(()) };
    let mut watched = Watched::start(&docker.host())?;
    docker.docker([
        "run",
        "--detach",
        "--privileged",
        "--name",
        "box",
        BUSYBOX,
        "sleep",
        "500",
    ])?;
    watched.described("box", |metadata| metadata.privileged)?;
    Ok(())
}

#[test]
fn a_hung_daemon_is_told_once_and_found_again() -> Result<()> {
    let Some(docker) = lab()? else { return Ok(()) };
    let pid = std::fs::read_to_string(docker.folder().join("docker.pid"))?;
    let pid = Pid::from_raw(pid.trim().parse()?).context("a pid")?;
    kill_process(pid, Signal::STOP)?;
    let mut watched = Watched::start(&docker.host())?;
    let first = watched.next();
    // Two more attempts fail in silence.
    std::thread::sleep(Duration::from_secs(5));
    kill_process(pid, Signal::CONT)?;
    let RuntimeEvent::Disconnected { reason, .. } = first? else {
        bail!("a stopped daemon answered")
    };
    assert!(reason.contains("no answer within 2 s"), "{reason}");
    let again = |event: &RuntimeEvent| {
        assert!(!matches!(event, RuntimeEvent::Disconnected { .. }), "told twice");
        matches!(event, RuntimeEvent::Connected { .. })
    };
    watched.until("connected", again)?;
    Ok(())
}
