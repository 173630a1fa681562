//! Another process with root changes what belongs to the agent.

use agent_tests::agent::{AgentProcess, Options};
use agent_tests::capability::{Capability, can_run};
use agent_tests::command;
use agent_tests::image::{BUSYBOX, Set};
use agent_tests::lab::{CgroupView, Docker};
use anyhow::{Context, Result};
use aya::maps::{Array, Map, MapData};
use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(15);

/// A map of this agent, by its name: other agents of the machine have one of the same name.
fn map_of(agent: &AgentProcess, name: &str) -> Result<MapData> {
    let mut ids = BTreeSet::new();
    for entry in fs::read_dir(format!("/proc/{}/fdinfo", agent.pid()))? {
        let text = fs::read_to_string(entry?.path()).unwrap_or_default();
        let id = text.lines().find_map(|line| line.strip_prefix("map_id:"));
        ids.extend(id.and_then(|id| id.trim().parse::<u32>().ok()));
    }
    let mut maps = ids.into_iter().filter_map(|id| MapData::from_id(id).ok());
    maps.find(|map| map.info().is_ok_and(|info| info.name_as_str() == Some(name)))
        .with_context(|| format!("no map {name}"))
}

#[test]
fn a_map_that_another_process_changes_is_an_alert_and_put_right() -> Result<()> {
    if !can_run(&[Capability::Root, Capability::Bpf]) {
        return Ok(());
    }
    let agent = AgentProcess::start(&Options::default())?;
    let mut controls = Array::<_, [u8; 8]>::try_from(Map::Array(map_of(&agent, "SLOT_CONTROL")?))?;
    controls.set(77, [1; 8], 0)?;
    let alert = agent.wait_for(0, SOON, |value| value["rule"] == "sensor.tampered")?;
    let evidence = &alert.value["evidence"];
    assert_eq!(
        (&evidence["name"], &evidence["repaired"]),
        (&"SLOT_CONTROL".into(), &true.into())
    );
    assert_eq!(controls.get(&77, 0)?, [0; 8]);
    assert_eq!(agent.status()?["ready"], true, "it was put right");
    Ok(())
}

#[test]
fn a_map_that_only_programs_write_cannot_be_changed() -> Result<()> {
    if !can_run(&[Capability::Root, Capability::Bpf]) {
        return Ok(());
    }
    let agent = AgentProcess::start(&Options::default())?;
    let mut quotas = Array::<_, [u8; 56]>::try_from(Map::Array(map_of(&agent, "QUOTAS")?))?;
    assert!(quotas.set(0, [0; 56], 0).is_err());
    Ok(())
}

#[test]
fn a_slot_that_another_process_changed_is_told_and_the_agent_is_not_ready() -> Result<()> {
    let needed = [Capability::Root, Capability::Bpf, Capability::Docker];
    if !can_run(&needed) {
        return Ok(());
    }
    let docker = Docker::start("tampering", CgroupView::Host)?;
    docker.load(Set::Busybox)?;
    let agent = AgentProcess::start(&Options {
        docker_host: Some(docker.host()),
        ..Options::default()
    })?;
    let id = docker.docker(["run", "--detach", BUSYBOX, "sleep", "1000"])?;
    agent.wait_for_container(&id, "resolved")?;
    let mut states = Array::<_, [u8; 200]>::try_from(Map::Array(map_of(&agent, "SLOT_STATE")?))?;
    let is_its = |state: &[u8; 200]| state.windows(id.len()).any(|bytes| bytes == id.as_bytes());
    let slot = (1..4096).find(|slot| states.get(slot, 0).is_ok_and(|state| is_its(&state)));
    states.set(slot.context("no slot")?, [0; 200], 0)?;
    agent.wait_for(0, SOON, |value| {
        value["rule"] == "sensor.tampered" && value["container"]["id"] == id.as_str()
    })?;
    command::wait_until("it is not ready", SOON, || {
        (agent.get("/readyz").ok()?.0 == 503).then_some(())
    })
}

#[test]
fn the_programs_answer_and_the_time_of_it_is_a_metric() -> Result<()> {
    if !can_run(&[Capability::Root, Capability::Bpf]) {
        return Ok(());
    }
    let agent = AgentProcess::start(&Options::default())?;
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)?
        .as_secs_f64();
    command::wait_until("an answer", SOON, || {
        let (_, text) = agent.get("/metrics").ok()?;
        let line = text
            .lines()
            .find(|line| line.starts_with("vigia_sensor_heartbeat_timestamp_seconds "))?;
        let time: f64 = line.rsplit_once(' ')?.1.parse().ok()?;
        (time >= now - 1.0).then_some(())
    })
}
