//! `agent run --record` and `agent replay`: what was recorded of a run gives its alerts again, without a kernel.

use agent_tests::agent::{AgentProcess, Options};
use agent_tests::capability::{Capability, can_run};
use agent_tests::image::{BUSYBOX, Set};
use agent_tests::lab::{CgroupView, Docker};
use agent_tests::{command, paths};
use anyhow::{Result, ensure};
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(10);

/// A profile under which the listener of the run is expected, and the one who listens beside it is not.
const PROFILE: &str = "apiVersion: vigia.dev/v1alpha1
kind: BehaviorProfile
metadata: {name: box}
match: {images: ['lab.local/busybox']}
state: complete
listen: [{port: 8080, proto: tcp}]
";

/// Alerts of one run, in order, without the ids that each run draws anew.
fn without_ids(lines: impl Iterator<Item = Value>) -> Vec<String> {
    lines
        .map(|mut alert| {
            if let Some(alert) = alert.as_object_mut() {
                alert.remove("id");
            }
            alert.to_string()
        })
        .collect()
}

fn replayed(recording: &Path, arguments: &[&str]) -> Result<Vec<Value>> {
    let mut replay = Command::new(paths::agent_binary());
    replay
        .arg("replay")
        .arg(recording)
        .args(["--output", "json"])
        .args(arguments);
    let text = command::run(&mut replay)?;
    text.lines().map(|line| Ok(serde_json::from_str(line)?)).collect()
}

#[test]
fn a_recording_of_a_run_replays_to_its_alerts() -> Result<()> {
    if !can_run(&[Capability::Root, Capability::Bpf, Capability::Docker]) {
        return Ok(());
    }
    let folder = tempfile::tempdir()?;
    let recording = folder.path().join("run.vigia");
    let profiles = folder.path().join("profiles");
    fs::create_dir(&profiles)?;
    fs::write(profiles.join("box.yaml"), PROFILE)?;
    let docker = Docker::start("record", CgroupView::Host)?;
    docker.load(Set::Busybox)?;
    // One that runs before the agent, one that comes later.
    docker.docker(["run", "--detach", "--name", "early", BUSYBOX, "sleep", "1000"])?;
    let agent = AgentProcess::start(&Options {
        docker_host: Some(docker.host()),
        profiles: Some(profiles),
        args: vec!["--record".to_owned(), recording.display().to_string()],
        ..Options::default()
    })?;
    docker.docker(["run", "--detach", "--name", "late", BUSYBOX, "sleep", "1000"])?;
    for (container, port) in [("early", "8080"), ("late", "4444")] {
        let script = format!(
            "cp /bin/busybox /tmp/t && /tmp/t true; /tmp/t true; nc -l -p {port} & sleep 0.2; kill $!"
        );
        docker.docker(["exec", container, "sh", "-c", &script])?;
    }
    agent.wait_for(0, SOON, |alert| alert["evidence"]["local_port"] == 4444)?;
    docker.docker(["rm", "--force", "early", "late"])?;
    agent.wait_for(0, SOON, |alert| alert["revision"].as_u64() > Some(0))?;
    let (status, lines) = agent.finish()?;
    ensure!(status.success(), "{status}");
    let live = without_ids(lines.into_iter().map(|line| line.value));
    ensure!(live.len() >= 4, "{live:#?}");
    let again = without_ids(replayed(&recording, &[])?.into_iter());
    assert_eq!(live, again);
    Ok(())
}
