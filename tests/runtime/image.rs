//! The agent in a container of its own, run as docs/image.md says: it watches its neighbours, and not itself.

use agent_tests::capability::{Capability, can_run};
use agent_tests::command;
use agent_tests::image::{BUSYBOX, Set, agent_archive_in};
use agent_tests::lab::{CgroupView, Docker};
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::time::{Duration, Instant};

const NEEDED: [Capability; 3] = [Capability::Root, Capability::Bpf, Capability::Docker];
const DOCUMENT: &str = include_str!("../../docs/image.md");
const AGENT: &str = "vigia";
const READY_WITHIN: Duration = Duration::from_secs(60);
const SOON: Duration = Duration::from_secs(10);

/// The documented command without its first word, `docker`, with the lab's places instead of the host's.
fn documented(docker: &Docker, image: &str) -> Result<Vec<String>> {
    let mut blocks = DOCUMENT.split("```").map(str::trim_start);
    let run = blocks.find(|block| block.starts_with("docker run"));
    let run = run.context("docs/image.md has no docker run")?.replace('\\', " ");
    let socket = docker.socket().display().to_string();
    let state = docker.folder().join("state").display().to_string();
    let words = run
        .split_whitespace()
        .skip(1)
        .map(|word| match word.split_once(':') {
            Some(("/var/run/docker.sock", inside)) => format!("{socket}:{inside}"),
            Some(("/var/lib/vigia", inside)) => format!("{state}:{inside}"),
            Some(("vigia", _)) => image.to_owned(),
            _ => word.to_owned(),
        });
    Ok(words.collect())
}

/// A container that runs a program which is not in its image once it is told to. Its shell is older than the attack, and maybe
/// than the agent.
fn run_neighbour(docker: &Docker, name: &str) -> Result<()> {
    let script = format!(
        "until [ -e /tmp/go ]; do sleep 0.1; done; cp /bin/busybox /tmp/{name}; /tmp/{name} true; sleep 1000000"
    );
    docker.docker(["run", "--detach", "--name", name, BUSYBOX, "sh", "-c", &script])?;
    Ok(())
}

/// The agent's container in a private daemon; both end together.
struct Contained {
    docker: Docker,
    id: String,
}

impl Contained {
    /// Runs it as documented, then with `more` options; what ran before it is `old`.
    fn start(more: &[&str]) -> Result<Self> {
        let docker = Docker::start("image", CgroupView::Host)?;
        docker.load(Set::Busybox)?;
        run_neighbour(&docker, "old")?;
        let archive = agent_archive_in(docker.folder())?;
        let loaded = docker.docker(["load".as_ref(), "--input".as_ref(), archive.as_os_str()])?;
        let image = loaded.rsplit(' ').next().context("nothing was loaded")?;
        let mut words = documented(&docker, image)?;
        let at = words.len().checked_sub(1).context("no words")?;
        words.splice(at..at, more.iter().map(|&word| word.to_owned()));
        let id = docker.docker(&words).or_else(|error| {
            // Engines that are older than the two capabilities.
            ensure!(error.to_string().contains("unknown capability"), error);
            docker.docker(words.iter().map(|word| match word.as_str() {
                "BPF" | "PERFMON" => "SYS_ADMIN",
                word => word,
            }))
        })?;
        let agent = Self { docker, id };
        agent.wait_for(|status| status["ready"] == true)?;
        Ok(agent)
    }

    /// Waits until `agent status`, asked in the container, is as wanted.
    fn wait_for(&self, accept: impl Fn(&Value) -> bool) -> Result<Value> {
        let mut last = String::new();
        let asked = command::wait_until("the agent's status", READY_WITHIN, || {
            let status = ["exec", AGENT, "/usr/bin/agent", "status", "--output", "json"];
            last = match self.docker.docker(status) {
                Ok(text) => text,
                Err(error) => error.to_string(),
            };
            serde_json::from_str(&last).ok().filter(|status| accept(status))
        });
        asked.with_context(|| format!("{last}\n{}", self.log()))
    }

    fn knows(status: &Value, name: &str) -> bool {
        let mut containers = status["containers"].as_array().into_iter().flatten();
        containers.any(|container| container["name"] == name && container["metadata"] == "resolved")
    }

    /// What it printed on both of its outputs.
    fn log(&self) -> String {
        let output = command::run_within(self.docker.cli().args(["logs", AGENT]), SOON);
        output.map_or_else(
            |error| error.to_string(),
            |output| {
                String::from_utf8_lossy(&output.stdout).into_owned()
                    + &String::from_utf8_lossy(&output.stderr)
            },
        )
    }

    fn alerts(&self) -> Vec<Value> {
        let log = self.log();
        let values = log.lines().filter_map(|line| serde_json::from_str(line).ok());
        values
            .filter(|value: &Value| value["schema"] == "vigia.alert/v1")
            .collect()
    }

    /// Lets a neighbour attack, and waits for the alert.
    fn attack(&self, name: &str) -> Result<Value> {
        // Another run on this machine has containers of the same names.
        let id = self.docker.docker(["inspect", "--format", "{{.Id}}", name])?;
        self.docker.docker(["exec", name, "touch", "/tmp/go"])?;
        let exe = format!("/tmp/{name}");
        let found = command::wait_until("the alert", SOON, || {
            let mut alerts = self.alerts().into_iter();
            alerts.find(|alert| {
                alert["process"]["exe"] == exe.as_str() && alert["container"]["id"] == id.as_str()
            })
        });
        found.with_context(|| self.log())
    }

    /// The names of those above a process, and whether they are the host's.
    fn ancestors(alert: &Value) -> Vec<(String, bool)> {
        let ancestors = alert["process"]["ancestors"].as_array().into_iter().flatten();
        let name = |ancestor: &Value| ancestor["exe"].as_str().unwrap_or_default().to_owned();
        ancestors
            .map(|ancestor| (name(ancestor), ancestor["host"] == true))
            .collect()
    }
}

/// Attacks in a container that ran before and in one that comes; nothing else is told, the agent itself not at all.
fn watches_its_neighbours(agent: &Contained) -> Result<()> {
    run_neighbour(&agent.docker, "new")?;
    for name in ["old", "new"] {
        agent.wait_for(|status| Contained::knows(status, name))?;
        let alert = agent.attack(name)?;
        assert_eq!(alert["container"]["name"], name, "{alert}");
        assert_eq!(alert["container"]["image"]["ref"], BUSYBOX, "{alert}");
        assert_eq!(alert["metadata"], "resolved", "{alert}");
        let shell = ("/bin/busybox".to_owned(), false);
        assert_eq!(Contained::ancestors(&alert).first(), Some(&shell), "{alert}");
    }
    let status = agent.wait_for(|status| Contained::knows(status, AGENT))?;
    assert_eq!(status["problems"], serde_json::json!([]), "{status}");
    let own: Vec<Value> = agent
        .alerts()
        .into_iter()
        .filter(|alert| alert["container"]["id"] == agent.id.as_str())
        .collect();
    assert_eq!(own, Vec::<Value>::new());
    Ok(())
}

#[test]
fn as_documented_the_image_watches_its_neighbours_and_ends_in_time() -> Result<()> {
    if !can_run(&NEEDED) {
        return Ok(());
    }
    let agent = Contained::start(&[])?;
    let format = "{{.HostConfig.Privileged}} {{.HostConfig.ReadonlyRootfs}}";
    let run = agent.docker.docker(["inspect", "--format", format, AGENT])?;
    assert_eq!(run, "false true");
    watches_its_neighbours(&agent)?;
    ends_in_time(&agent)
}

/// On SIGTERM, not by the SIGKILL that follows.
fn ends_in_time(agent: &Contained) -> Result<()> {
    let begun = Instant::now();
    agent.docker.docker(["stop", "--time", "10", AGENT])?;
    let took = begun.elapsed();
    let code = agent
        .docker
        .docker(["inspect", "--format", "{{.State.ExitCode}}", AGENT])?;
    assert_eq!(code, "0", "{}", agent.log());
    assert!(took < Duration::from_secs(10), "{took:?}");
    Ok(())
}

#[test]
fn a_cgroup_namespace_of_its_own_hides_nobody() -> Result<()> {
    if !can_run(&NEEDED) {
        return Ok(());
    }
    // A later option counts.
    watches_its_neighbours(&Contained::start(&["--cgroupns", "private"])?)
}

#[test]
fn what_the_container_hides_is_said() -> Result<()> {
    if !can_run(&NEEDED) {
        return Ok(());
    }
    let agent = Contained::start(&["--pid", ""])?;
    let told = agent.wait_for(|status| status["problems"].to_string().contains("pid namespace"))?;
    assert_eq!(told["ready"], true, "{told}");
    // Here it is process 1, to which signals without a handler do nothing.
    ends_in_time(&agent)
}
