//! A runtime that takes longer than it is believed for.

use agent_tests::agent::{AgentProcess, Options};
use agent_tests::capability::{Capability, can_run};
use agent_tests::lab::Runc;
use agent_tests::length;
use anyhow::{Result, ensure};
use serde_json::Value;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(10);

/// Created, left alone, and started by hand: what runc does then is seen, and is nobody's alarm.
#[test]
fn a_container_that_starts_late_raises_no_alarm() -> Result<()> {
    if !can_run(&[Capability::Root, Capability::Bpf, Capability::Runc]) {
        return Ok(());
    }
    let agent = AgentProcess::start(&Options::default())?;
    let runc = Runc::prepare("slow")?;
    let container = runc.create(&[
        "sh",
        "-c",
        "cp /bin/busybox /tmp/late && /tmp/late true; sleep 1000",
    ])?;
    agent.wait_for_container(&container.id, "unavailable")?;
    // The bound is two minutes: agent_common::limits::RUNTIME_TICKS.
    std::thread::sleep(length::choose(Duration::from_secs(2), Duration::from_secs(130)));
    container.begin()?;
    let ours = |alert: &Value| alert["container"]["id"] == container.id.as_str();
    let late = |alert: &Value| ours(alert) && alert["process"]["exe"] == "/tmp/late";
    agent.wait_for(0, SOON, late)?;
    let lines = agent.lines();
    let alarms: Vec<_> = lines
        .iter()
        .map(|line| &line.value)
        .filter(|alert| ours(alert) && !late(alert))
        .collect();
    ensure!(alarms.is_empty(), "{alarms:?}");
    Ok(())
}
