//! Processes that are older than the sensor, or outlive their container.

use crate::Test;
use crate::identity::{open_new, recycle};
use crate::lab::container::{lifecycle, remove};
use crate::lab::{Container, Spec, World, hierarchies};
use agent::event::{ContainerOp, CredentialsOp, Lifecycle, Payload};
use agent::kernel::{Capability, SensorConfig};
use anyhow::{Result, ensure};
use std::fs;

pub(crate) const TESTS: &[Test] = &[
    Test {
        name: "outlived::a_user_older_than_the_sensor_is_seen_to_become_root",
        run: older_user,
    },
    Test {
        name: "outlived::who_outlived_its_container_is_no_other_s_first_process",
        run: outlived,
    },
];

/// By the first call of it that the sensor sees.
fn older_user(world: &mut World) -> Result<()> {
    let mut container = Container::start(world, Spec::default())?;
    container.init.act("be-user 65534")?;
    let mut younger = World::with(SensorConfig {
        backend: world.forced,
        capabilities: Some(&[Capability::Credentials]),
        ..SensorConfig::default()
    })?;
    container.init.act("be-user 0")?;
    younger.expect("CREDENTIALS", |event| match &event.payload {
        Payload::Credentials(change) if event.header.tgid == container.init.pid => {
            (change.op == CredentialsOp::SETUID && change.new_uid == Some(0)).then_some(())
        }
        _ => None,
    })
}

/// Its slot is free again when it is moved into another container's cgroup.
fn outlived(world: &mut World) -> Result<()> {
    let mut one = Container::start(world, Spec::default())?;
    for hierarchy in hierarchies() {
        for group in &one.groups {
            for pid in fs::read_to_string(group.join("cgroup.procs"))?.lines() {
                fs::write(hierarchy.root.join("cgroup.procs"), pid)?;
            }
        }
    }
    for group in one.groups.drain(..) {
        remove(&group)?;
    }
    world.expect("GONE", |event| lifecycle(event, ContainerOp::GONE, &one.id))?;
    recycle(world, one.slot)?;
    let other = Container::start(world, Spec::default())?;
    world.forget()?;
    for group in &other.groups {
        fs::write(group.join("cgroup.procs"), one.init.pid.to_string())?;
    }
    let left = world.expect("LEFT", |event| match &event.payload {
        Payload::Container(Lifecycle { op, id, .. }) if *op == ContainerOp::LEFT => {
            Some((event.slot()?, id.to_text()))
        }
        _ => None,
    })?;
    ensure!(left == (one.slot, String::new()), "{left:?}");
    let slot = open_new(world, &mut one, "outlived")?;
    ensure!(slot == one.slot, "{slot:?} instead of {:?}", one.slot);
    for hierarchy in hierarchies() {
        fs::write(hierarchy.root.join("cgroup.procs"), one.init.pid.to_string())?;
    }
    Ok(())
}
