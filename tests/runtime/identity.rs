//! Whose deed it was: containers of a real runtime, in every view of control groups, and of none.

use agent_tests::agent::{AgentProcess, Line, Options};
use agent_tests::capability::{Capability, can_run};
use agent_tests::image::{BUSYBOX, Set};
use agent_tests::lab::{CgroupView, Docker, Runc};
use anyhow::{Context, Result, bail};
use std::time::Duration;

const NEEDED: [Capability; 3] = [Capability::Root, Capability::Bpf, Capability::Docker];
const SOON: Duration = Duration::from_secs(10);

/// Programs have distinct names: each is a behaviour of its own.
fn drop_and_run(program: &str) -> String {
    format!("cp /bin/busybox /tmp/{program} && /tmp/{program} true; true")
}

fn alert(agent: &AgentProcess, program: &str) -> Result<Line> {
    let exe = format!("/tmp/{program}");
    let is_it = |value: &serde_json::Value| {
        value["process"]["exe"] == exe.as_str() && value["class"] == "drift" && value["revision"] == 0
    };
    agent.wait_for(0, SOON, is_it).with_context(|| program.to_owned())
}

fn assert_owner(agent: &AgentProcess, program: &str, id: &str, name: &str) -> Result<()> {
    let alert = alert(agent, program)?.value;
    let owner = &alert["container"];
    assert_eq!(owner["id"], id, "{program}: {alert}");
    assert_eq!(owner["name"], name, "{program}: {alert}");
    assert_eq!(owner["image"]["ref"], BUSYBOX, "{program}: {alert}");
    assert_eq!(alert["metadata"], "resolved", "{program}: {alert}");
    Ok(())
}

/// A container that misbehaves as the first thing it does, and what it runs then; returns its id. Each alert must have the
/// id. Names are told by the runtime meanwhile, and a daemon that others keep from running may be late once.
fn born_misbehaving(
    agent: &AgentProcess,
    docker: &Docker,
    name: &str,
    then: &str,
) -> Result<(String, String)> {
    for attempt in 1..=3 {
        let name = format!("{name}{attempt}");
        let script = format!("{}; {then}", drop_and_run(&name));
        let id = docker.docker(["run", "--detach", "--name", &name, BUSYBOX, "sh", "-c", &script])?;
        let alert = alert(agent, &name)?.value;
        assert_eq!(alert["container"]["id"], id.as_str(), "{name}: {alert}");
        if alert["metadata"] == "resolved" {
            assert_owner(agent, &name, &id, &name)?;
            return Ok((id, name));
        }
    }
    bail!("of three containers none had a name from the start")
}

fn deeds_are_attributed(view: CgroupView) -> Result<()> {
    if !can_run(&NEEDED) {
        return Ok(());
    }
    let docker = Docker::start("identity", view)?;
    docker.load(Set::Busybox)?;
    let old = docker.docker(["run", "--detach", "--name", "old", BUSYBOX, "sleep", "1000"])?;
    let (agent, racing) = start_beside(&docker)?;
    agent.wait_for_container(&old, "resolved")?;
    for (id, name) in &racing {
        agent.wait_for_container(id, "resolved")?;
        docker.docker(["exec", name, "sh", "-c", &drop_and_run(&format!("of-{name}"))])?;
        assert_owner(&agent, &format!("of-{name}"), id, name)?;
    }
    docker.docker(["exec", "old", "sh", "-c", &drop_and_run("ran-before")])?;
    assert_owner(&agent, "ran-before", &old, "old")?;
    born_misbehaving(&agent, &docker, "short", "true")?;
    let (id, name) = born_misbehaving(&agent, &docker, "new", "sleep 1000")?;
    docker.docker(["exec", &name, "sh", "-c", &drop_and_run("exec")])?;
    docker.docker(["restart", "--time", "0", &name])?;
    agent.wait_for_container(&id, "resolved")?;
    docker.docker(["exec", &name, "sh", "-c", &drop_and_run("restarted")])?;
    for program in ["exec", "restarted"] {
        assert_owner(&agent, program, &id, &name)?;
    }
    leaving_is_told(&agent, &docker, view)
}

/// Starts the agent, and containers while it loads.
fn start_beside(docker: &Docker) -> Result<(AgentProcess, Vec<(String, String)>)> {
    std::thread::scope(|scope| {
        let racing = scope.spawn(|| {
            let names = (1..=4).map(|number| format!("racing{number}"));
            let start = |name: String| {
                let id = docker.docker(["run", "--detach", "--name", &name, BUSYBOX, "sleep", "1000"])?;
                Ok((id, name))
            };
            names.map(start).collect::<Result<Vec<_>>>()
        });
        let agent = AgentProcess::start(&Options {
            docker_host: Some(docker.host()),
            ..Options::default()
        })?;
        Ok((agent, racing.join().ok().context("it panicked")??))
    })
}

/// A container that mounts the hierarchy and moves to its root has left, and is still the container.
fn leaving_is_told(agent: &AgentProcess, docker: &Docker, view: CgroupView) -> Result<()> {
    let kind = if view == CgroupView::V1 {
        "cgroup -o pids"
    } else {
        "cgroup2"
    };
    let run = "run --detach --privileged --cgroupns host --name leaving";
    let id = docker.docker(run.split(' ').chain([BUSYBOX, "sleep", "1000"]))?;
    agent.wait_for_container(&id, "resolved")?;
    let script = format!(
        "mkdir -p /tmp/cg && mount -t {kind} none /tmp/cg && echo $$ > /tmp/cg/cgroup.procs && {}",
        drop_and_run("left")
    );
    docker.docker(["exec", "leaving", "sh", "-c", &script])?;
    assert_owner(agent, "left", &id, "leaving")?;
    let told = |alert: &serde_json::Value| {
        let rules = std::iter::once(&alert["rule"]).chain(alert["also"].as_array().into_iter().flatten());
        alert["container"]["id"] == id.as_str() && rules.into_iter().any(|rule| rule == "escape.cgroup_left")
    };
    agent.wait_for(0, SOON, told).context("leaving is told")?;
    Ok(())
}

#[test]
fn deeds_are_attributed_with_the_control_groups_of_the_machine() -> Result<()> {
    deeds_are_attributed(CgroupView::Host)
}

#[test]
fn deeds_are_attributed_with_one_unified_hierarchy() -> Result<()> {
    deeds_are_attributed(CgroupView::V2)
}

#[test]
fn deeds_are_attributed_without_unified_hierarchy() -> Result<()> {
    if can_run(&[Capability::CgroupV1]) {
        deeds_are_attributed(CgroupView::V1)
    } else {
        Ok(())
    }
}

#[test]
fn a_group_inside_a_container_is_the_container() -> Result<()> {
    if !can_run(&NEEDED) {
        return Ok(());
    }
    let docker = Docker::start("nested", CgroupView::V2)?;
    docker.load(Set::Busybox)?;
    let agent = AgentProcess::start(&Options {
        docker_host: Some(docker.host()),
        ..Options::default()
    })?;
    let run = "run --detach --privileged --cgroupns private --name nest";
    let id = docker.docker(run.split(' ').chain([BUSYBOX, "sleep", "1000"]))?;
    let script = format!(
        "mkdir -p /tmp/cg && mount -t cgroup2 cgroup2 /tmp/cg && mkdir /tmp/cg/inner && echo $$ > /tmp/cg/inner/cgroup.procs && {}",
        drop_and_run("nested")
    );
    docker.docker(["exec", "nest", "sh", "-c", &script])?;
    assert_owner(&agent, "nested", &id, "nest")
}

#[test]
fn without_a_daemon_containers_have_their_ids() -> Result<()> {
    if !can_run(&[Capability::Root, Capability::Bpf, Capability::Runc]) {
        return Ok(());
    }
    let agent = AgentProcess::start(&Options::default())?;
    let runc = Runc::prepare("plain")?;
    let container = runc.start(&["sleep", "1000"])?;
    // Names are waited for some seconds.
    agent.wait_for_container(&container.id, "unavailable")?;
    container.exec(&["sh", "-c", &drop_and_run("plain")])?;
    let alert = alert(&agent, "plain")?.value;
    assert_eq!(alert["container"]["id"], container.id.as_str(), "{alert}");
    assert_eq!(alert["metadata"], "unavailable", "{alert}");
    let log = agent.log_tail();
    assert_eq!(
        log.matches("runtime not connected").count(),
        1,
        "said once: {log}"
    );
    Ok(())
}
