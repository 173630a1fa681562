//! Listeners that a profile does not name: denied port by port, however they come about.

use super::{EPERM, Fate, end, enforced, expect_told, fate, means};
use crate::capabilities::network::free_port;
use crate::lab::{Container, Spec, World};
use agent::event::Payload;
use anyhow::{Context, Result, ensure};
use std::net::TcpListener;

const EINVAL: i32 = 22;

pub(super) fn listeners(world: &mut World) -> Result<()> {
    let (named, other) = (free_port()?, free_port()?);
    let rest =
        format!("mode: {{listener: enforce}}\nlisten: [{{port: {named}}}, {{port: {named}, proto: udp}}]");
    let mut container = enforced(world, &rest)?;
    let mut neighbour = Container::start(world, Spec::default())?;
    container.init.act(&format!("listen {named} 1"))?;
    world.forget()?;
    for _ in 0..3 {
        let fate = fate(&mut container.init, &format!("listen {other} 1"))?;
        ensure!(fate == Fate::Denied, "{fate:?}");
    }
    let listens = |payload: &Payload| matches!(payload, Payload::Listen(_) | Payload::Bind(_));
    expect_told(world, &container, &Fate::Denied, listens)?;
    // Rings that do not know it refuse it by themselves.
    let by_ring = container.init.attempt(&format!("uring-listen {other}"))?;
    ensure!(by_ring == Err(EPERM) || by_ring == Err(EINVAL), "{by_ring:?}");
    ensure!(fate(&mut container.init, &format!("listen6 ::1 {other}"))? == Fate::Denied);
    neighbour.init.act(&format!("listen {other} 1"))?;
    neighbour.stop()?;
    drop(TcpListener::bind(("127.0.0.1", other)).context("the host is kept from it")?);
    end(world, container)
}

/// Also those that the kernel gives out, which are one behaviour otherwise.
pub(super) fn ports(world: &mut World) -> Result<()> {
    let free = || -> Result<u16> { Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port()) };
    let (named, other) = (free()?, free()?);
    let rest = format!("mode: {{listener: enforce}}\nlisten: [{{port: {named}}}]");
    let mut container = enforced(world, &rest)?;
    for _ in 0..2 {
        ensure!(fate(&mut container.init, &format!("listen {other} 1"))? == Fate::Denied);
    }
    container.init.act(&format!("listen {named} 1"))?;
    ensure!(
        fate(&mut container.init, &format!("listen {other} 1"))? == Fate::Denied,
        "by the other's verdict"
    );
    end(world, container)
}

pub(super) fn unbound(world: &mut World) -> Result<()> {
    let mut container = enforced(world, "mode: {listener: enforce}\nlisten: [{port: 80}]")?;
    let fate = fate(&mut container.init, "run listen-anywhere");
    // The process that is told to do it says only that it failed.
    ensure!(fate.is_err() || fate.is_ok_and(|fate| fate == Fate::Killed));
    let lsm = means(world, "listen")? == Fate::Denied
        && world
            .sensor
            .enforcement()
            .iter()
            .any(|report| report.gap.is_none());
    let fate = if lsm { Fate::Denied } else { Fate::Killed };
    expect_told(world, &container, &fate, |payload| {
        matches!(payload, Payload::Listen(_))
    })?;
    end(world, container)?;
    let mut allowed = enforced(world, "mode: {listener: enforce}\nlisten: [{port: ephemeral}]")?;
    allowed.init.act("listen-anywhere")?;
    end(world, allowed)
}
