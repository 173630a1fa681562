//! Profiles that are enforced, through real containers: what they do not name is denied there, and nowhere else.

use agent_tests::agent::{AgentProcess, Options};
use agent_tests::capability::{Capability, can_run};
use agent_tests::command;
use agent_tests::image::{BUSYBOX, Set};
use agent_tests::lab::{CgroupView, Docker};
use anyhow::{Context, Result, ensure};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(10);
const PROFILE: &str = "apiVersion: vigia.dev/v1alpha1
kind: BehaviorProfile
metadata: {name: box}
match: {images: ['lab.local/busybox']}
state: complete
mode: {listener: MODE, lateral: MODE}
listen: [{port: 8080, exe: /bin/busybox}]
connect: [{cidr: 10.223.0.10, port: 8080}]
";
const NOT_PERMITTED: &str = "Operation not permitted";

/// A web server that its profile knows, and a client.
struct World {
    docker: Docker,
    agent: AgentProcess,
}

impl World {
    fn start(mode: &str, folder: &Path, variables: &[(&str, &str)]) -> Result<Self> {
        Self::with(&PROFILE.replace("MODE", mode), folder, variables)
    }

    fn with(profile: &str, folder: &Path, variables: &[(&str, &str)]) -> Result<Self> {
        fs::create_dir(folder.join("profiles"))?;
        fs::write(folder.join("profiles/box.yaml"), profile)?;
        let docker = Docker::start("enforce", CgroupView::Host)?;
        docker.load(Set::Busybox)?;
        docker.docker(["network", "create", "--subnet", "10.223.0.0/24", "enforced"])?;
        let agent = agent(&docker, folder, variables)?;
        let run = |name: &str, address: &str, command: &str| {
            let place = ["--network", "enforced", "--ip", address, "--name", name];
            let what = [BUSYBOX, "sh", "-c", command];
            docker.docker(["run", "--detach"].into_iter().chain(place).chain(what))
        };
        run(
            "web",
            "10.223.0.10",
            "mkdir /w; echo yes > /w/index.html; exec httpd -f -h /w -p 8080",
        )?;
        run("client", "10.223.0.20", "exec sleep 1000")?;
        let world = Self { docker, agent };
        // Both have their names, and with them their profile.
        command::wait_until("the profile is in the kernel", SOON, || {
            let status = world.agent.status().ok()?;
            let named = |container: &Value| container["profile_state"] == "complete";
            let containers = status["containers"].as_array()?;
            (containers.iter().filter(|container| named(container)).count() == 2).then_some(())
        })?;
        Ok(world)
    }

    /// # Errors
    /// When the kernel goes on denying.
    fn wait_for_release(&self) -> Result<()> {
        command::wait_until("the kernel lets go", Duration::from_secs(30), || {
            let said = self.shell("client", "timeout 1 nc -l -p 4444").ok()?;
            (!said.contains(NOT_PERMITTED)).then_some(())
        })
    }

    /// What a shell in the container says, its errors too.
    fn shell(&self, container: &str, script: &str) -> Result<String> {
        let script = format!("{{ {script}; }} 2>&1; true");
        self.docker.docker(["exec", container, "sh", "-c", &script])
    }
}

fn agent(docker: &Docker, folder: &Path, variables: &[(&str, &str)]) -> Result<AgentProcess> {
    let enforcement = [("VIGIA_ENFORCEMENT__ENABLED", "true")];
    let environment = enforcement.iter().chain(variables);
    AgentProcess::start(&Options {
        docker_host: Some(docker.host()),
        profiles: Some(folder.join("profiles")),
        environment: environment
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect(),
        ..Options::default()
    })
}

fn kill(agent: &AgentProcess) -> Result<()> {
    let pid = Pid::from_raw(i32::try_from(agent.pid())?).context("no pid")?;
    Ok(kill_process(pid, Signal::KILL)?)
}

#[test]
fn what_a_profile_does_not_name_is_denied_in_its_containers() -> Result<()> {
    if !can_run(&[Capability::Root, Capability::Bpf, Capability::Docker]) {
        return Ok(());
    }
    let folder = tempfile::tempdir()?;
    let world = World::start("enforce", folder.path(), &[])?;
    let said = world.shell("client", "wget -q -O - http://10.223.0.10:8080/")?;
    ensure!(said.trim() == "yes", "what the profile names: {said}");
    let said = world.shell("client", "wget -q -O - http://10.223.0.10:80/")?;
    ensure!(said.contains(NOT_PERMITTED), "another port: {said}");
    let said = world.shell("client", "wget -q -O - http://10.223.0.1:8080/")?;
    ensure!(said.contains(NOT_PERMITTED), "another host: {said}");
    for container in ["web", "client"] {
        let said = world.shell(container, "timeout 1 nc -l -p 4444")?;
        ensure!(said.contains(NOT_PERMITTED), "{container} listens: {said}");
    }
    drop(TcpListener::bind(("127.0.0.1", 4444)).context("the host is kept from it")?);
    for class in ["listener", "lateral"] {
        let alert = world.agent.wait_for(0, SOON, |alert| {
            alert["class"] == class && alert["action"] == "denied"
        })?;
        ensure!(alert.value["profile"]["mode"] == "enforce", "{}", alert.value);
        ensure!(
            alert.value["container"]["image"]["ref"].as_str().is_some(),
            "{}",
            alert.value
        );
    }
    let status = world.agent.status()?;
    let enforced = status["policies"]["enforced"].as_array().context("no list")?;
    ensure!(enforced.len() == 2, "{enforced:?}");
    // Killed, it says nothing to the kernel, and the kernel lets go.
    kill(&world.agent)?;
    world.wait_for_release()
}

#[test]
fn who_is_contacted_may_be_named_by_image() -> Result<()> {
    if !can_run(&[Capability::Root, Capability::Bpf, Capability::Docker]) {
        return Ok(());
    }
    let folder = tempfile::tempdir()?;
    let by_image = PROFILE
        .replace("MODE", "enforce")
        .replace("cidr: 10.223.0.10", "image: lab.local/busybox");
    let world = World::with(&by_image, folder.path(), &[])?;
    world.docker.docker(["tag", BUSYBOX, "lab.local/other:1"])?;
    let place = ["--network", "enforced", "--ip", "10.223.0.30", "--name", "other"];
    let what = ["lab.local/other:1", "sleep", "1000"];
    world
        .docker
        .docker(["run", "--detach"].into_iter().chain(place).chain(what))?;
    let fetch = |address: &str| world.shell("client", &format!("timeout 5 wget -q -O - http://{address}/"));
    let said = fetch("10.223.0.10:8080")?;
    ensure!(said.trim() == "yes", "a container of the image: {said}");
    command::wait_until("the other container is known", SOON, || {
        fetch("10.223.0.30:8080")
            .ok()
            .filter(|said| said.contains(NOT_PERMITTED))
    })?;
    for elsewhere in ["10.223.0.10:80", "10.223.0.1:80", "192.0.2.1:8080"] {
        let said = fetch(elsewhere)?;
        ensure!(said.contains(NOT_PERMITTED), "{elsewhere}: {said}");
    }
    // Nobody is known to have it: it may be a container that has just started.
    let said = fetch("10.223.0.99:8080")?;
    ensure!(!said.contains(NOT_PERMITTED), "a stranger: {said}");
    world.docker.docker(["rm", "--force", "web"])?;
    let place = ["--network", "enforced", "--ip", "10.223.0.10", "--name", "heir"];
    world
        .docker
        .docker(["run", "--detach"].into_iter().chain(place).chain(what))?;
    command::wait_until("the address is another's", SOON, || {
        fetch("10.223.0.10:8080")
            .ok()
            .filter(|said| said.contains(NOT_PERMITTED))
    })?;
    Ok(())
}

/// The dry run: the same alerts, and everything is done.
#[test]
fn what_is_monitored_is_told_and_done() -> Result<()> {
    if !can_run(&[Capability::Root, Capability::Bpf, Capability::Docker]) {
        return Ok(());
    }
    let folder = tempfile::tempdir()?;
    let world = World::start("monitor", folder.path(), &[])?;
    let said = world.shell(
        "client",
        "timeout 1 nc -l -p 4444; wget -q -O - http://10.223.0.10:80/",
    )?;
    ensure!(!said.contains(NOT_PERMITTED), "{said}");
    for class in ["listener", "lateral"] {
        world.agent.wait_for(0, SOON, |alert| {
            alert["class"] == class && alert["action"] == "alerted"
        })?;
    }
    let status = world.agent.status()?;
    ensure!(
        status["policies"]["profiles"] == 1 && status["policies"]["enforced"] == serde_json::json!([]),
        "{status}"
    );
    Ok(())
}

/// `on_exit: keep`, killed: the next agent takes over, and releases what it does not enforce itself.
#[test]
fn what_is_kept_is_denied_until_the_next_start() -> Result<()> {
    if !can_run(&[Capability::Root, Capability::Bpf, Capability::Docker]) {
        return Ok(());
    }
    let folder = tempfile::tempdir()?;
    let filesystem = folder.path().join("bpf");
    fs::create_dir(&filesystem)?;
    command::run(Command::new("mount").args(["-t", "bpf", "bpf"]).arg(&filesystem))?;
    let kept = filesystem.join("vigia").display().to_string();
    let variables = [
        ("VIGIA_ON_EXIT", "keep"),
        ("VIGIA_ENFORCEMENT__KEEP_IN", kept.as_str()),
    ];
    let outcome = World::start("enforce", folder.path(), &variables).and_then(|world| {
        let listens = "timeout 1 nc -l -p 4444";
        let said = world.shell("client", listens)?;
        ensure!(said.contains(NOT_PERMITTED), "{said}");
        kill(&world.agent)?;
        let said = world.shell("client", listens)?;
        ensure!(said.contains(NOT_PERMITTED), "it went with the agent: {said}");
        fs::write(
            folder.path().join("profiles/box.yaml"),
            PROFILE.replace("MODE", "monitor"),
        )?;
        let _next = agent(&world.docker, folder.path(), &variables[1..])?;
        world.wait_for_release()
    });
    command::run(Command::new("umount").arg("--lazy").arg(&filesystem))?;
    outcome
}
