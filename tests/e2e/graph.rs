//! Which image contacts which, through real containers.

use agent_tests::agent::{AgentProcess, Options};
use agent_tests::capability::{Capability, can_run};
use agent_tests::command;
use agent_tests::image::{BUSYBOX, Set};
use agent_tests::lab::{CgroupView, Docker};
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::fs;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(10);
const CLIENT: &str = "lab.local/client:1";
const PROFILE: &str = "apiVersion: vigia.dev/v1alpha1
kind: BehaviorProfile
metadata: {name: client}
match: {images: ['lab.local/client']}
connect: [{image: lab.local/busybox, port: 8080}]
";

/// Edges from one image to the other: the port, and what the profile says.
fn edges(agent: &AgentProcess, args: &[&str]) -> Result<Vec<(u64, String)>> {
    let words = [&["graph", "--output", "json"][..], args].concat();
    let report: Value = serde_json::from_str(&command::run(&mut agent.client(&words))?)?;
    ensure!(report["schema"] == "vigia.graph/v1", "{report}");
    let is = |node: &Value, image: &str| node["kind"] == "image" && node["name"] == image;
    let edges = report["edges"].as_array().context("no edges")?;
    let between = edges
        .iter()
        .filter(|edge| is(&edge["from"], CLIENT) && is(&edge["to"], BUSYBOX));
    let mut found: Vec<_> = between
        .filter_map(|edge| Some((edge["port"].as_u64()?, edge["profile"].as_str()?.to_owned())))
        .collect();
    found.sort();
    Ok(found)
}

/// A server, and a client that asks it at the port that its profile names and at another, and is gone.
fn visit(docker: &Docker, agent: &AgentProcess) -> Result<()> {
    let serve = ["httpd", "-f", "-p", "8080"];
    let run = ["run", "--detach", "--name", "server", BUSYBOX];
    let server = docker.docker(run.into_iter().chain(serve))?;
    let address = docker.address_of("server")?;
    agent.wait_for_container(&server, "resolved")?;
    // Docker tells of the server's start before it tells of this one.
    let run = ["run", "--detach", "--name", "client", CLIENT, "sleep", "1000"];
    let client = docker.docker(run)?;
    agent.wait_for_container(&client, "resolved")?;
    for port in [8080, 9090] {
        let get = format!("wget -q -O /dev/null http://{address}:{port}/; true");
        docker.docker(["exec", "client", "sh", "-c", &get])?;
    }
    docker.docker(["rm", "--force", "client"])?;
    Ok(())
}

#[test]
fn the_graph_shows_who_contacted_whom_and_what_is_new() -> Result<()> {
    if !can_run(&[Capability::Root, Capability::Bpf, Capability::Docker]) {
        return Ok(());
    }
    let profiles = tempfile::tempdir()?;
    fs::write(profiles.path().join("client.yaml"), PROFILE)?;
    let docker = Docker::start("graph", CgroupView::Host)?;
    docker.load(Set::Busybox)?;
    docker.docker(["tag", BUSYBOX, CLIENT])?;
    let agent = AgentProcess::start(&Options {
        docker_host: Some(docker.host()),
        profiles: Some(profiles.path().to_owned()),
        ..Options::default()
    })?;
    visit(&docker, &agent)?;
    let both: [(u64, String); 2] = [(8080, "expected".to_owned()), (9090, "new".to_owned())];
    command::wait_until("both edges", SOON, || {
        (edges(&agent, &[]).ok()? == both).then_some(())
    })
    .with_context(|| format!("{:?}", edges(&agent, &[])))?;
    assert_eq!(edges(&agent, &["--new"])?, both[1..]);
    assert!(edges(&agent, &["--new", "--image", "another"])?.is_empty());
    for (output, shown) in [
        ("text", format!("{CLIENT}  {BUSYBOX}  9090/tcp  new")),
        ("dot", "[label=\"9090/tcp\", color=red".to_owned()),
        ("mermaid", "-->|\"9090/tcp\"|".to_owned()),
    ] {
        let text = command::run(&mut agent.client(&["graph", "--new", "--output", output]))?;
        assert!(text.contains(&shown), "{shown} is missing in:\n{text}");
    }
    assert!(agent.status()?["graph"]["edges"].as_u64() >= Some(2));
    // Metrics are copied once a second.
    command::wait_until("the metric", SOON, || {
        (agent.metric("vigia_graph_edges").ok()? >= 2.0).then_some(())
    })
}
