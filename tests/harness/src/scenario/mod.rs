//! The main job, end to end: ordinary services do their work and nobody is disturbed; then one attack of each kind,
//! each of which must give one correct alert. `cargo xtask demo` shows it, the `e2e` tier asserts it.

mod attack;
mod judge;
mod work;

pub use attack::{ATTACKS, Attack};
pub use judge::{Verdict, headline, judge};
pub use work::do_ordinary_work;

use crate::agent::AgentProcess;
use crate::command;
use crate::image::{self, NGINX, POSTGRES, REDIS, TOOLBOX};
use crate::lab::Docker;
use anyhow::Result;
use serde_json::Value;
use std::time::Duration;

const WEB: &str = "demo-web";
const CACHE: &str = "demo-cache";
const DB: &str = "demo-db";
/// Sees the kernel's settings: what `--privileged` would give it, no more.
const UNCONFINED: &str = "demo-unconfined";
/// Has the runtime's socket.
const CONTROLLER: &str = "demo-controller";

/// The containers of the scenario; removed when dropped.
#[derive(Debug)]
pub struct Stage<'a> {
    docker: &'a Docker,
    ids: Vec<String>,
}

impl<'a> Stage<'a> {
    /// Loads the images and starts the containers, until all serve.
    ///
    /// # Errors
    /// When an image cannot be made or a service does not come up.
    pub fn set(docker: &'a Docker) -> Result<Self> {
        docker.load(image::Set::Services)?;
        let mut stage = Self {
            docker,
            ids: Vec::new(),
        };
        let socket = format!("{}:/var/run/docker.sock", docker.socket().display());
        stage.start(WEB, &["--publish", "8080:80"], NGINX)?;
        stage.start(CACHE, &["--publish", "6379:6379"], REDIS)?;
        stage.start(DB, &[], POSTGRES)?;
        stage.start(UNCONFINED, &["--security-opt", "systempaths=unconfined"], TOOLBOX)?;
        stage.start(CONTROLLER, &["--volume", &socket], TOOLBOX)?;
        stage.wait_serving()?;
        Ok(stage)
    }

    /// What the agent said from `mark` on about these containers, for the first time: no repeats, nothing about
    /// itself or about other containers of the machine.
    #[must_use]
    pub fn alerts(&self, agent: &AgentProcess, mark: usize) -> Vec<Value> {
        let lines = agent.lines();
        let values = lines.into_iter().skip(mark).map(|line| line.value);
        values.filter(|value| self.is_alert(value)).collect()
    }

    fn is_alert(&self, value: &Value) -> bool {
        let id = value["container"]["id"].as_str().unwrap_or_default();
        value["schema"] == "vigia.alert/v1" && value["revision"] == 0 && self.ids.iter().any(|own| own == id)
    }

    fn start(&mut self, name: &str, options: &[&str], image: &str) -> Result<()> {
        let args = ["run", "--detach", "--name", name]
            .into_iter()
            .chain(options.iter().copied())
            .chain([image]);
        self.ids.push(self.docker.docker(args)?);
        Ok(())
    }

    fn wait_serving(&self) -> Result<()> {
        const WITHIN: Duration = Duration::from_secs(30);
        command::wait_until("nginx serves", WITHIN, || self.get_page().ok())?;
        command::wait_until("redis serves", WITHIN, || {
            self.exec(CACHE, &["redis-cli", "ping"]).ok()
        })?;
        command::wait_until("postgres serves", WITHIN, || self.sql("select 1").ok())?;
        Ok(())
    }

    /// Runs a program in a container to its end.
    fn exec(&self, container: &str, args: &[&str]) -> Result<String> {
        self.docker
            .docker(["exec", container].into_iter().chain(args.iter().copied()))
    }

    /// Leaves a program running in a container.
    fn exec_detached(&self, container: &str, args: &[&str]) -> Result<()> {
        self.docker.docker(
            ["exec", "--detach", "--user", "root", container]
                .into_iter()
                .chain(args.iter().copied()),
        )?;
        Ok(())
    }

    fn get_page(&self) -> Result<String> {
        let url = format!("http://{}/", self.docker.address_of(WEB)?);
        command::run(self.docker.in_network("busybox").args(["wget", "-qO-", &url]))
    }

    fn sql(&self, statement: &str) -> Result<String> {
        self.exec(DB, &["psql", "-h", "/tmp", "-U", "postgres", "-Atc", statement])
    }
}

impl Drop for Stage<'_> {
    fn drop(&mut self) {
        for name in [WEB, CACHE, DB, UNCONFINED, CONTROLLER] {
            self.docker.docker(["rm", "--force", "--volumes", name]).ok();
        }
    }
}
