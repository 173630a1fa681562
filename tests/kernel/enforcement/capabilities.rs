//! Capabilities that a profile does not name: denied where a security module is asked, told elsewhere.

use super::{EPERM, Fate, end, enforced, profile, told};
use crate::lab::{Container, Spec, World};
use agent::event::{Capable, Payload, RawEvent, RecordFlags};
use agent::kernel::Backend;
use agent_common::slot::SlotControl;
use anyhow::{Result, ensure};

const NET_RAW: u32 = 13;
const SYS_CHROOT: u32 = 18;
const CAPABILITIES: u32 = 41;
/// Roots stay where they are.
const CHROOT: &str = "in-root / open-read /etc/passwd";
/// AF_INET and AF_PACKET, SOCK_RAW.
const RAW: &str = "socket 2 3 1";
const PACKET: &str = "socket 17 3 0";

fn all_but(left_out: &[u32]) -> String {
    let named = (0..CAPABILITIES).filter(|number| !left_out.contains(number));
    let entries = named.map(|capability| {
        let used = Capable {
            capability,
            user_ns: 0,
        };
        format!("{{name: {}}}", used.name())
    });
    format!("capabilities: [{}]", entries.collect::<Vec<_>>().join(", "))
}

fn uses(event: &RawEvent, container: &Container, number: u32) -> bool {
    let number_used = match &event.payload {
        Payload::Capable(used) => Some(used.capability),
        _ => None,
    };
    event.slot() == Some(container.slot) && number_used == Some(number)
}

pub(super) fn outside_the_profile(world: &mut World) -> Result<()> {
    let lsm = world.forced == Some(Backend::Lsm);
    // Only for the profile.
    world.sensor.watch(false)?;
    let mode = if lsm { "enforce" } else { "monitor" };
    let rest = format!(
        "mode: {{drift: {mode}}}
{}",
        all_but(&[SYS_CHROOT, NET_RAW])
    );
    let mut container = enforced(world, &rest)?;
    let fate = lsm.then_some(Fate::Denied);
    for (deed, number) in [(CHROOT, SYS_CHROOT), (RAW, NET_RAW)] {
        for _ in 0..2 {
            let outcome = container.init.attempt(deed)?;
            ensure!((outcome == Err(EPERM)) == lsm, "{deed}: {outcome:?}");
        }
        let is = |event: &RawEvent| {
            let outside = event.header.flags.has(RecordFlags::OUTSIDE_POLICY);
            uses(event, &container, number) && outside && told(event) == fate
        };
        world.expect(deed, |event| is(event).then_some(()))?;
        ensure!(world.count(is)? == 1, "{deed} is told more than once");
    }
    let outcome = container.init.attempt(PACKET)?;
    ensure!((outcome == Err(EPERM)) == lsm, "{outcome:?}");
    let mut neighbour = Container::start(world, Spec::default())?;
    let allowed = format!(
        "mode: {{drift: {mode}}}
{}",
        all_but(&[])
    );
    let mut twin = enforced(world, &allowed)?;
    for deed in [CHROOT, RAW, PACKET] {
        neighbour.init.act(deed)?;
        twin.init.act(deed)?;
    }
    for other in [&neighbour, &twin] {
        let outside = |event: &RawEvent| {
            event.slot() == Some(other.slot) && event.header.flags.has(RecordFlags::OUTSIDE_POLICY)
        };
        ensure!(world.count(outside)? == 0, "told of who may");
        ensure!(
            world.count(|event| uses(event, other, SYS_CHROOT))? == 0,
            "nobody looks at it"
        );
    }
    neighbour.stop()?;
    let slot = twin.stop()?;
    world.sensor.assign(slot, None, &[])?;
    if !lsm {
        let refused = world.sensor.assign(
            container.slot,
            Some(&profile(
                "mode: {drift: enforce}
capabilities: []",
            )?),
            &[],
        );
        ensure!(refused.is_err(), "nothing here can deny it");
    }
    end(world, container)?;
    Ok(world.sensor.watch(true)?)
}

/// Whoever watches sees the first use of each, whatever it is.
pub(super) fn learned(world: &mut World) -> Result<()> {
    let mut container = Container::start(world, Spec::default())?;
    let slot = container.slot.slot;
    let control = world.sensor.slots.control(slot);
    let flags = control.flags | SlotControl::EXPORT_ALL;
    world
        .sensor
        .slots
        .set_control(slot, SlotControl { flags, ..control })?;
    world.sensor.watch(true)?;
    for _ in 0..3 {
        container.init.act(CHROOT)?;
    }
    world.expect("its use", |event| {
        uses(event, &container, SYS_CHROOT).then_some(())
    })?;
    let times = world.count(|event| uses(event, &container, SYS_CHROOT))?;
    ensure!(times == 1, "it is told {times} times");
    container.stop().map(drop)
}
