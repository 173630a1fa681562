//! Pods of a real containerd: what they do is told with pod, namespace, container and image.

mod kubelet;

use agent_tests::agent::{AgentProcess, Line, Options};
use agent_tests::capability::{Capability, can_run};
use agent_tests::image::{BUSYBOX, Set};
use agent_tests::lab::{CgroupView, Containerd, Docker, Runc};
use anyhow::{Context, Result};
use kubelet::Kubelet;
use serde_json::Value;
use std::time::Duration;

const CONTAINERD: [Capability; 3] = [Capability::Root, Capability::Bpf, Capability::Containerd];
const SOON: Duration = Duration::from_secs(10);

/// A program that was not in the image is run: drift.
fn attack(program: &str) -> String {
    format!("cp /bin/busybox /tmp/{program} && /tmp/{program} true; true")
}

fn alert(agent: &AgentProcess, program: &str) -> Result<Line> {
    let exe = format!("/tmp/{program}");
    let is_it = |value: &Value| {
        value["process"]["exe"] == exe.as_str() && value["class"] == "drift" && value["revision"] == 0
    };
    agent.wait_for(0, SOON, is_it).with_context(|| program.to_owned())
}

#[test]
fn a_pods_attack_is_told_with_pod_namespace_container_and_image() -> Result<()> {
    if !can_run(&CONTAINERD) {
        return Ok(());
    }
    let containerd = Containerd::start("cri")?;
    let kubelet = Kubelet::new(&containerd)?;
    let old = kubelet.run_pod("old", "web")?;
    let agent = AgentProcess::start(&Options {
        containerd: Some(containerd.socket()),
        ..Options::default()
    })?;
    // One that ran before the agent, and one that comes.
    let new = kubelet.run_pod("new", "app")?;
    for (pod, name, id) in [("old", "web", &old), ("new", "app", &new)] {
        agent.wait_for_container(id, "resolved")?;
        containerd.exec(id, &["sh", "-c", &attack(pod)])?;
        let alert = alert(&agent, pod)?.value;
        assert_eq!(alert["container"]["id"], id.as_str(), "{alert}");
        assert_eq!(alert["container"]["name"], name, "{alert}");
        assert_eq!(alert["container"]["runtime"], "containerd", "{alert}");
        assert_eq!(alert["container"]["image"]["ref"], BUSYBOX, "{alert}");
        assert_eq!(alert["container"]["pod"]["name"], pod, "{alert}");
        assert_eq!(alert["container"]["pod"]["namespace"], "shop", "{alert}");
        assert_eq!(alert["metadata"], "resolved", "{alert}");
    }
    Ok(())
}

#[test]
fn the_same_attack_is_the_same_alert_in_docker_and_plain_runc() -> Result<()> {
    if !can_run(&CONTAINERD) || !can_run(&[Capability::Docker, Capability::Runc]) {
        return Ok(());
    }
    let containerd = Containerd::start("several")?;
    let docker = Docker::start("several", CgroupView::Host)?;
    docker.load(Set::Busybox)?;
    let agent = AgentProcess::start(&Options {
        docker_host: Some(docker.host()),
        containerd: Some(containerd.socket()),
        ..Options::default()
    })?;
    let kubelet = Kubelet::new(&containerd)?;
    let pod = kubelet.run_pod("pod", "web")?;
    let id = docker.docker(["run", "--detach", "--name", "box", BUSYBOX, "sleep", "1000"])?;
    let runc = Runc::prepare("several")?;
    let plain = runc.start(&["sleep", "1000"])?;
    agent.wait_for_container(&pod, "resolved")?;
    agent.wait_for_container(&id, "resolved")?;
    agent.wait_for_container(&plain.id, "unavailable")?;
    containerd.exec(&pod, &["sh", "-c", &attack("in-pod")])?;
    docker.docker(["exec", "box", "sh", "-c", &attack("in-docker")])?;
    plain.exec(&["sh", "-c", &attack("in-runc")])?;
    let told = ["in-pod", "in-docker", "in-runc"].map(|program| alert(&agent, program));
    let mut judged = Vec::new();
    for line in told {
        let alert = line?.value;
        // What is in an upper layer, only a filesystem that has one tells: the plain container has none.
        let also = alert["also"].as_array().into_iter().flatten();
        let told = also
            .chain([&alert["rule"]])
            .any(|rule| rule == "drift.exec_from_tmp");
        judged.push((told, alert["class"].clone(), alert["severity"].clone()));
    }
    let expected = (true, Value::from("drift"), Value::from("critical"));
    assert_eq!(judged, [expected.clone(), expected.clone(), expected]);
    Ok(())
}
