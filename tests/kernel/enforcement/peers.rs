//! Peers by image: containers come and go, and the kernel knows which addresses a profile's images stand for.

use super::{EPERM, Fate, end, expect_told, nowhere, profile};
use crate::lab::{Container, Spec, World};
use agent::event::{Payload, SlotKey};
use agent::profile::ImageName;
use anyhow::{Context, Result, ensure};
use std::net::IpAddr;

const REST: &str =
    "mode: {lateral: enforce}\nconnect: [{image: postgres, port: 5432}, {cidr: 192.0.2.64/26, port: 80}]";
/// Slots of containers that only the runtime knows.
const DATABASE: SlotKey = SlotKey {
    slot: 2000,
    generation: 1,
};
const OTHER: SlotKey = SlotKey {
    slot: 2001,
    generation: 1,
};

fn runs(world: &mut World, container: SlotKey, image: &str, addresses: &[&str]) -> Result<()> {
    let image = ImageName::parse(image).context("no image")?;
    let addresses: Vec<IpAddr> = addresses
        .iter()
        .map(|text| text.parse())
        .collect::<Result<_, _>>()?;
    Ok(world.sensor.peer(container, Some(&image), &addresses)?)
}

/// What becomes of a contact.
#[derive(Debug, PartialEq, Eq)]
enum Contact {
    /// It fails only for want of a route.
    Tried,
    Denied,
}
use Contact::{Denied, Tried};

fn expect(container: &mut Container, address: &str, expected: Contact) -> Result<()> {
    let outcome = container.init.attempt(&format!("connect-to {address}"))?;
    let found = if outcome == Err(EPERM) { Denied } else { Tried };
    ensure!(outcome.is_err() && found == expected, "{address}: {outcome:?}");
    Ok(())
}

/// In a network of its own, from which nothing gets anywhere; `own` is what the runtime tells of it.
fn start(world: &mut World, own: &[&str]) -> Result<Container> {
    let mut container = Container::start(world, Spec::default())?;
    nowhere(&mut container.init, "connect-to 127.0.0.1 9")?;
    let own = own
        .iter()
        .map(|text| text.parse())
        .collect::<Result<Vec<_>, _>>()?;
    world.sensor.assign(container.slot, Some(&profile(REST)?), &own)?;
    world.forget()?;
    Ok(container)
}

fn epoch(world: &World, container: &Container) -> u32 {
    world.sensor.slots.control(container.slot.slot).epoch
}

pub(super) fn images(world: &mut World) -> Result<()> {
    let mut container = start(world, &["192.0.2.3/25"])?;
    runs(
        world,
        DATABASE,
        "postgres:latest",
        &["192.0.2.70", "2001:db8::70"],
    )?;
    runs(world, OTHER, "redis", &["192.0.2.71"])?;
    world.forget()?;
    for _ in 0..2 {
        expect(&mut container, "192.0.2.70 5432", Tried)?;
        expect(&mut container, "2001:db8::70 5432", Tried)?;
        // By the network around it, and not by the image.
        expect(&mut container, "192.0.2.70 80", Tried)?;
        expect(&mut container, "192.0.2.70 22", Denied)?;
        expect(&mut container, "192.0.2.71 5432", Denied)?;
        expect(&mut container, "2001:db8::71 5432", Denied)?;
    }
    expect_told(
        world,
        &container,
        &Fate::Denied,
        |payload| matches!(payload, Payload::Connect(net) if net.remote.addr[15] == 71 && net.remote.addr[10] == 0xff),
    )?;
    // The address is another's now: what was allowed before is not remembered.
    runs(world, DATABASE, "postgres:latest", &["192.0.2.72"])?;
    runs(world, OTHER, "redis", &["192.0.2.70"])?;
    expect(&mut container, "192.0.2.70 5432", Denied)?;
    expect(&mut container, "192.0.2.70 80", Tried)?;
    expect(&mut container, "192.0.2.72 5432", Tried)?;
    // Nobody's: what the profile says of its network holds on.
    world.sensor.peer(OTHER, None, &[])?;
    world.sensor.peer(DATABASE, None, &[])?;
    expect(&mut container, "192.0.2.72 80", Tried)?;
    expect(&mut container, "2001:db8::70 5432", Denied)?;
    end(world, container)
}

pub(super) fn strangers(world: &mut World) -> Result<()> {
    let mut container = start(world, &["192.0.2.3/25"])?;
    let mut anywhere = start(world, &[])?;
    world.sensor.host(&["192.0.2.1".parse()?])?;
    // It may be a database that has just started, so it is the daemon's to judge; at another port it cannot be.
    expect(&mut container, "192.0.2.9 5432", Tried)?;
    expect(&mut container, "192.0.2.9 22", Denied)?;
    expect(&mut container, "192.0.2.1 5432", Denied)?;
    expect(&mut container, "192.0.2.200 5432", Denied)?;
    expect(&mut anywhere, "192.0.2.200 5432", Tried)?;
    expect(&mut anywhere, "192.0.2.1 5432", Denied)?;
    // It is known now, and none.
    runs(world, OTHER, "redis", &["192.0.2.9"])?;
    expect(&mut container, "192.0.2.9 5432", Denied)?;
    // Who starts elsewhere makes nobody's verdicts anew but those whom it is near.
    let before = (epoch(world, &container), epoch(world, &anywhere));
    runs(world, DATABASE, "redis", &["192.0.2.201"])?;
    ensure!(epoch(world, &container) == before.0, "of who cannot reach it");
    ensure!(epoch(world, &anywhere) != before.1, "of who can");
    for slot in [DATABASE, OTHER] {
        world.sensor.peer(slot, None, &[])?;
    }
    world.sensor.host(&[])?;
    let slot = anywhere.stop()?;
    world.sensor.assign(slot, None, &[])?;
    end(world, container)
}
