//! The demo's containers, work and attacks, without an agent: what fails here is not the agent's fault.

use agent_tests::capability::{Capability, can_run};
use agent_tests::lab::{CgroupView, Docker};
use agent_tests::scenario::{ATTACKS, Stage, do_ordinary_work};
use anyhow::{Context, Result};
use std::time::Duration;

#[test]
fn services_work_and_every_attack_can_be_carried_out() -> Result<()> {
    if !can_run(&[Capability::Root, Capability::Docker, Capability::Images]) {
        return Ok(());
    }
    let docker = Docker::start("scene", CgroupView::Host)?;
    let stage = Stage::set(&docker)?;
    do_ordinary_work(&stage, Duration::from_secs(1), |_| {})?;
    for attack in &ATTACKS {
        attack.run(&stage).with_context(|| attack.name)?;
    }
    Ok(())
}
