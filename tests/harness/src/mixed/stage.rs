//! The containers of a run, on a network of their own.

use super::services::{CLIENTS, Client, IMAGES, SERVICES, Service, VOLUMES};
use crate::command::{self, run_within};
use crate::image::TOOLBOX;
use crate::lab::Docker;
use crate::paths;
use anyhow::{Context, Result, bail, ensure};
use std::time::Duration;

/// It reaches no other network.
const NETWORK: &str = "mixed";
/// Seconds that a service may take to end; it is killed then.
const GRACE: &str = "10";
/// How often Docker looks after a service.
const HEALTH_INTERVAL: &str = "5s";
/// On a busy machine.
pub(super) const SERVES_WITHIN: Duration = Duration::from_secs(60);
/// Without a single round in this time there is no load. A service that is replaced is away for ten seconds at most.
const IDLE: &str = "60s";

/// The containers; removed with their volumes when it is dropped.
#[derive(Debug)]
pub(super) struct Stage<'a> {
    docker: &'a Docker,
}

impl<'a> Stage<'a> {
    /// Starts the services and, once they serve, their clients.
    ///
    /// # Errors
    /// When a container cannot be started, or a service does not serve.
    pub(super) fn set(docker: &'a Docker) -> Result<Self> {
        let stage = Self { docker };
        stage
            .docker
            .docker(["network", "create", "--internal", NETWORK])?;
        for service in SERVICES {
            stage.start(service)?;
        }
        for service in SERVICES {
            stage.wait_serving(service)?;
        }
        for client in &CLIENTS {
            stage.start_client(client)?;
        }
        Ok(stage)
    }

    /// For each image of which profiles are learned, a container that runs: its id.
    pub(super) fn learned_from(&self) -> Result<Vec<(&'static str, String)>> {
        let services = SERVICES.iter().map(|service| service.name);
        let names = services.chain([CLIENTS[0].name]);
        let pairs = IMAGES.into_iter().zip(names);
        pairs.map(|(image, name)| Ok((image, self.id(name)?))).collect()
    }

    fn id(&self, name: &str) -> Result<String> {
        self.docker.docker(["inspect", "--format", "{{.Id}}", name])
    }

    fn start(&self, service: &Service) -> Result<()> {
        let health = service.probe.join(" ");
        let general = ["run", "--detach", "--name", service.name, "--network", NETWORK];
        let healthcheck = ["--health-cmd", &health, "--health-interval", HEALTH_INTERVAL];
        let mut run = self.docker.cli();
        run.args(general).args(healthcheck).args(service.options);
        run.arg(service.image).args(service.command);
        command::run(&mut run).map(drop)
    }

    fn start_client(&self, client: &Client) -> Result<()> {
        let general = ["run", "--detach", "--name", client.name, "--network", NETWORK];
        let command = [TOOLBOX, "sh", "-c", client.script];
        self.docker.docker(general.into_iter().chain(command)).map(drop)
    }

    /// Runs a program in a service's container to its end: what it printed.
    ///
    /// # Errors
    /// When it ends with anything but 0.
    pub(super) fn exec(&self, service: &Service, program: &[&str]) -> Result<String> {
        let exec = ["exec", service.name].into_iter();
        self.docker.docker(exec.chain(program.iter().copied()))
    }

    /// # Errors
    /// When it does not serve now.
    pub(super) fn probe(&self, service: &Service) -> Result<()> {
        self.exec(service, service.probe).map(drop)
    }

    fn wait_serving(&self, service: &Service) -> Result<()> {
        let mut last = None;
        let serves = command::wait_until("it serves", SERVES_WITHIN, || match self.probe(service) {
            Ok(()) => Some(()),
            Err(error) => {
                last = Some(error);
                None
            }
        });
        serves.with_context(|| {
            let reason = last.map_or_else(String::new, |error| format!("{error:#}; "));
            format!("{}: {reason}{}", service.name, self.last_words(service.name))
        })
    }

    /// Waits until Docker's own checks say that it is healthy.
    ///
    /// # Errors
    /// When they do not within a minute.
    pub(super) fn wait_healthy(&self, service: &Service) -> Result<()> {
        let mut last = String::new();
        let format = ["inspect", "--format", "{{.State.Health.Status}}", service.name];
        let healthy = command::wait_until("HEALTHCHECK says healthy", SERVES_WITHIN, || {
            last = self.docker.docker(format).ok()?;
            (last == "healthy").then_some(())
        });
        healthy.with_context(|| format!("{} is '{last}'", service.name))
    }

    /// # Errors
    /// When it does not serve again.
    pub(super) fn restart(&self, service: &Service) -> Result<()> {
        self.docker.docker(["restart", "-t", GRACE, service.name])?;
        self.wait_serving(service)
    }

    /// Another container in its place.
    ///
    /// # Errors
    /// When the new one does not serve.
    pub(super) fn replace(&self, service: &Service) -> Result<()> {
        self.docker.docker(["stop", "-t", GRACE, service.name])?;
        self.docker.docker(["rm", service.name])?;
        self.start(service)?;
        self.wait_serving(service)
    }

    /// Builds an image from a folder of `tests/mixed`, runs it once and removes it.
    ///
    /// # Errors
    /// When a step of it fails.
    pub(super) fn build_and_run(&self, name: &str) -> Result<()> {
        let image = format!("lab.local/mixed-{name}:new");
        build(self.docker, name, &image)?;
        self.docker.docker(["run", "--rm", "--network", "none", &image])?;
        self.docker.docker(["image", "rm", &image]).map(drop)
    }

    /// # Errors
    /// When a client has had no answers for a minute.
    pub(super) fn check_load(&self) -> Result<()> {
        for Client { name, .. } in &CLIENTS {
            let lately = ["logs", "--since", IDLE, "--tail", "1", name];
            if self.docker.docker(lately)?.is_empty() {
                bail!("{name}: no round in {IDLE}; {}", self.last_words(name));
            }
        }
        Ok(())
    }

    /// Rounds of requests that were answered, by client.
    ///
    /// # Errors
    /// When a client is gone.
    pub(super) fn rounds(&self) -> Result<Vec<(&'static str, usize)>> {
        let names = CLIENTS.iter().map(|client| client.name);
        names
            .map(|name| Ok((name, self.docker.docker(["logs", name])?.lines().count())))
            .collect()
    }

    /// What a container said on standard error lately.
    fn last_words(&self, name: &str) -> String {
        let mut logs = self.docker.cli();
        let output = run_within(logs.args(["logs", "--tail", "5", name]), command::DEFAULT_TIMEOUT);
        let said = output.map(|output| output.stderr).unwrap_or_default();
        format!("it said: {}", String::from_utf8_lossy(&said).trim())
    }
}

impl Drop for Stage<'_> {
    fn drop(&mut self) {
        let services = SERVICES.iter().map(|service| service.name);
        let names = services.chain(CLIENTS.iter().map(|client| client.name));
        for name in names {
            self.docker.docker(["rm", "--force", "--volumes", name]).ok();
        }
        self.docker.docker(["network", "rm", NETWORK]).ok();
        for volume in VOLUMES {
            self.docker.docker(["volume", "rm", "--force", volume]).ok();
        }
    }
}

/// Builds an image from a folder of `tests/mixed`: every step anew, without a network.
///
/// # Errors
/// When a step fails.
pub(super) fn build(docker: &Docker, name: &str, image: &str) -> Result<()> {
    let folder = paths::workspace().join("tests/mixed").join(name);
    ensure!(
        folder.is_dir(),
        "{}: no such folder; run it in a checkout",
        folder.display()
    );
    let mut build = docker.cli();
    // BuildKit is a plugin that not every client has.
    build.env("DOCKER_BUILDKIT", "0");
    build.args(["build", "--quiet", "--no-cache", "--force-rm"]);
    build.args(["--network", "none", "--tag", image]).arg(folder);
    command::run(&mut build).map(drop)
}
