//! What Podman's containers do is told with their names, which its service gives by Docker's API.

use agent_tests::agent::{AgentProcess, Options};
use agent_tests::capability::{Capability, can_run};
use agent_tests::image::{BUSYBOX, Set, archive_of};
use agent_tests::lab::Podman;
use anyhow::Result;
use std::path::Path;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(10);

#[test]
fn an_attack_in_a_podman_container_is_told_with_its_name_and_image() -> Result<()> {
    if !can_run(&[Capability::Root, Capability::Bpf, Capability::Podman]) {
        return Ok(());
    }
    let podman = Podman::start("podman")?;
    podman.podman([Path::new("load"), "--input".as_ref(), &archive_of(Set::Busybox)?])?;
    let old = podman.run("old", &[BUSYBOX])?;
    let agent = AgentProcess::start(&Options {
        podman: Some(podman.socket()),
        ..Options::default()
    })?;
    // One that ran before the agent, and one that comes.
    let new = podman.run("new", &[BUSYBOX])?;
    for (name, id) in [("old", old), ("new", new)] {
        agent.wait_for_container(&id, "resolved")?;
        let attack = format!("cp /bin/busybox /tmp/{name} && /tmp/{name} true; true");
        podman.podman(["exec", name, "sh", "-c", &attack])?;
        let exe = format!("/tmp/{name}");
        let alert = agent.wait_for(0, SOON, |value| {
            value["process"]["exe"] == exe.as_str() && value["container"]["id"] == id.as_str()
        })?;
        let container = &alert.value["container"];
        assert_eq!(container["name"], name, "{container}");
        assert_eq!(container["runtime"], "podman", "{container}");
        assert_eq!(container["image"]["ref"], BUSYBOX, "{container}");
        assert_eq!(alert.value["metadata"], "resolved", "{container}");
    }
    Ok(())
}
