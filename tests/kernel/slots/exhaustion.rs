//! No slot is free, or somebody says that there is one.

use super::{errors, recycle_gone};
use crate::identity::opened;
use crate::lab::{Container, Spec, World};
use agent::event::RawEvent;
use agent_common::slot::{SHARED_SLOT, SlotFlags, SlotRef};
use anyhow::{Context, Result, ensure};
use aya::maps::{Map, MapData, MapInfo, Queue};
use std::fs;

/// The queues of free slots of the one sensor that this process has loaded.
fn free_queues() -> Result<Vec<Queue<MapData, SlotRef>>> {
    let mut queues = Vec::new();
    for entry in fs::read_dir("/proc/self/fdinfo")?.flatten() {
        let text = fs::read_to_string(entry.path()).unwrap_or_default();
        let id = text
            .lines()
            .find_map(|line| line.strip_prefix("map_id:")?.trim().parse().ok());
        let Some(id) = id else { continue };
        let info = MapInfo::from_id(id)?;
        if info.name_as_str().is_some_and(|name| name.starts_with("FREE_")) {
            queues.push(Map::from_map_data(MapData::from_id(id)?)?.try_into()?);
        }
    }
    Ok(queues)
}

pub(super) fn exhausted(world: &mut World) -> Result<()> {
    recycle_gone(world)?;
    let lost = errors(world, "slots_exhausted")?;
    let mut queues = free_queues()?;
    ensure!(queues.len() == 2, "{} queues", queues.len());
    let mut kept = Vec::new();
    for queue in &mut queues {
        let slots: Vec<SlotRef> = std::iter::from_fn(|| queue.pop(0).ok()).collect();
        kept.push(slots);
    }
    let seen = shared_deed(world, "shared");
    for (queue, slots) in queues.iter_mut().zip(kept) {
        for slot in slots {
            queue.push(slot, 0)?;
        }
    }
    let event = seen?;
    ensure!(event.header.slot == SHARED_SLOT, "slot {}", event.header.slot);
    ensure!(errors(world, "slots_exhausted")? > lost, "it was not counted");
    let state = world.sensor.slots.state(SHARED_SLOT).context("no state")?;
    // Another container of the machine may have come at this moment.
    ensure!(
        state.cgroups >= 1 && state.flags.0 & SlotFlags::GONE == 0,
        "the shared slot after its container: {state:?}"
    );
    let container = Container::start(world, Spec::default())?;
    ensure!(container.slot.slot != SHARED_SLOT, "{:?}", container.slot);
    Ok(())
}

/// Who writes to the queue of free slots, and puts the host's into it.
pub(super) fn false_slot(world: &mut World) -> Result<()> {
    recycle_gone(world)?;
    let refused = errors(world, "slot_refused")?;
    let mut queues = free_queues()?;
    let mut kept = Vec::new();
    for queue in &mut queues {
        let slots: Vec<SlotRef> = std::iter::from_fn(|| queue.pop(0).ok()).collect();
        kept.push(slots);
        let hosts = SlotRef {
            slot: 0,
            generation: 1,
        };
        queue.push(hosts, 0)?;
    }
    let seen = shared_deed(world, "shared-too");
    for (queue, slots) in queues.iter_mut().zip(kept) {
        while queue.pop(0).is_ok() {}
        for slot in slots {
            queue.push(slot, 0)?;
        }
    }
    ensure!(seen?.header.slot == SHARED_SLOT, "it is the host's");
    ensure!(errors(world, "slot_refused")? > refused, "it was not counted");
    Ok(())
}

/// What a container does that found no slot.
/// Each needs a file of its own: all of them are one container to the sensor.
fn shared_deed(world: &mut World, file: &str) -> Result<RawEvent> {
    let path = world.file(file)?.to_string_lossy().into_owned();
    let mut container = Container::start_unseen(Spec::default())?;
    container.init.act(&format!("open-read {path}"))?;
    let event = world.expect("FILE_OPEN", |event| {
        (opened(event)? == path).then(|| event.clone())
    });
    container.stop()?;
    event
}
