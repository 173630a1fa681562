//! The table of slots: what takes none, who may take how many, and that each comes back.

mod exhaustion;

use crate::Test;
use crate::identity::opened;
use crate::lab::container::{remove, unique_id};
use crate::lab::hierarchy::{Hierarchy, Version};
use crate::lab::{Container, Spec, World, hierarchies};
use agent::event::RawEvent;
use agent::kernel::{Capability, SensorConfig};
use agent_common::limits::{CANDIDATE_SLOTS, MAX_CGROUP_DEPTH};
use agent_common::slot::SlotRef;
use anyhow::{Context, Result, ensure};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

pub(crate) const TESTS: &[Test] = &[
    Test {
        name: "slots::cgroups_inside_a_container_take_no_memory",
        run: nested,
    },
    Test {
        name: "slots::a_cgroup_that_is_too_deep_is_counted",
        run: too_deep,
    },
    Test {
        name: "slots::hierarchies_that_are_made_at_once_share_one",
        run: made_at_once,
    },
    Test {
        name: "slots::candidates_are_bounded_and_containers_win",
        run: candidates,
    },
    Test {
        name: "slots::without_a_free_one_universal_rules_go_on",
        run: exhaustion::exhausted,
    },
    Test {
        name: "slots::what_is_not_free_is_given_to_nobody",
        run: exhaustion::false_slot,
    },
    Test {
        name: "slots::ten_thousand_containers_leave_nothing",
        run: many,
    },
    Test {
        name: "slots::what_comes_and_goes_while_the_sensor_loads_is_not_kept",
        run: churn_at_load,
    },
    Test {
        name: "slots::a_runtime_is_believed_for_a_while_only",
        run: runtime_is_bounded,
    },
];

/// Directories that are removed again, the last one first.
#[derive(Debug, Default)]
struct Directories(Vec<PathBuf>);

impl Directories {
    fn make(&mut self, path: PathBuf) -> Result<&Path> {
        fs::create_dir(&path).with_context(|| path.display().to_string())?;
        self.0.push(path);
        self.0.last().map(PathBuf::as_path).context("just made")
    }
}

impl Drop for Directories {
    fn drop(&mut self) {
        for path in self.0.iter().rev() {
            // Best effort: what failed is said already.
            remove(path).ok();
        }
    }
}

fn usage(world: &World) -> BTreeMap<&'static str, u64> {
    let all = world.sensor.slots.usage().into_iter();
    all.map(|usage| (usage.map, usage.entries)).collect()
}

fn errors(world: &World, cause: &str) -> Result<u64> {
    let all = world.sensor.books.read()?.errors.into_iter();
    Ok(all
        .filter(|(name, _)| *name == cause)
        .map(|(_, count)| count)
        .sum())
}

/// Frees what is gone.
pub(crate) fn recycle_gone(world: &mut World) -> Result<()> {
    for slot in world.sensor.slots.gone().collect::<Vec<_>>() {
        world.sensor.slots.recycle(slot)?;
    }
    Ok(())
}

/// The states of slots that are in use under this id.
fn holders(world: &World, id: &str) -> Vec<(SlotRef, u32)> {
    let found = world
        .sensor
        .slots
        .in_use()
        .filter(|slot| slot.id() == id.as_bytes());
    let holder = |slot: &agent::kernel::ContainerSlot| SlotRef {
        slot: slot.slot,
        generation: slot.state.generation,
    };
    found.map(|slot| (holder(&slot), slot.state.cgroups)).collect()
}

fn root_of(version: Version) -> Option<PathBuf> {
    let mut all = hierarchies().into_iter();
    all.find(|one| one.version == version).map(|one| one.root)
}

/// As many as fit the index of one container a thousand times, side by side and below each other.
fn nested(world: &mut World) -> Result<()> {
    let mut container = Container::start(world, Spec::default())?;
    let cgroups = world
        .sensor
        .slots
        .state(container.slot.slot)
        .context("no state")?
        .cgroups;
    let mut made = Directories::default();
    let group = container.groups.last().context("no cgroup")?.clone();
    for number in 0..500 {
        made.make(group.join(format!("inner-{number}")))?;
    }
    let mut deep = group;
    for level in 0..MAX_CGROUP_DEPTH - 2 {
        deep = made.make(deep.join(format!("level-{level}")))?.to_owned();
    }
    let state = world
        .sensor
        .slots
        .state(container.slot.slot)
        .context("no state")?;
    ensure!(
        state.cgroups == cgroups,
        "{} cgroups instead of {cgroups}",
        state.cgroups
    );
    // Somebody from outside arrives at the deepest one.
    container.groups.push(deep);
    let mut actor = container.join_by_attach()?;
    let path = world.file("deep")?.to_string_lossy().into_owned();
    actor.act(&format!("open-read {path}"))?;
    let slot = world.expect("FILE_OPEN", |event| {
        (opened(event)? == path).then(|| event.slot())
    })?;
    drop(actor);
    container.groups.pop();
    ensure!(
        slot == Some(container.slot),
        "{slot:?} instead of {:?}",
        container.slot
    );
    drop(made);
    container.stop().map(drop)
}

fn too_deep(world: &mut World) -> Result<()> {
    let before = errors(world, "cgroup_too_deep")?;
    let container = Container::start(world, Spec::default())?;
    let mut made = Directories::default();
    let mut deep = container.groups.last().context("no cgroup")?.clone();
    for level in 0..=MAX_CGROUP_DEPTH {
        deep = made.make(deep.join(format!("level-{level}")))?.to_owned();
    }
    let after = errors(world, "cgroup_too_deep")?;
    ensure!(after > before, "{after} after {before}");
    Ok(())
}

/// Both hierarchies of one container on two processors at the same moment: one slot, which ends with the second of them.
fn made_at_once(world: &mut World) -> Result<()> {
    let (Some(v1), Some(v2)) = (root_of(Version::V1), root_of(Version::V2)) else {
        return one_after_the_other(world);
    };
    for _ in 0..200 {
        let id = unique_id();
        let paths = [v1.join(&id), v2.join(format!("docker-{id}.scope"))];
        let barrier = Barrier::new(paths.len());
        let mut made = Directories::default();
        std::thread::scope(|scope| {
            for path in &paths {
                let barrier = &barrier;
                scope.spawn(move || {
                    barrier.wait();
                    fs::create_dir(path)
                });
            }
        });
        made.0.extend(paths);
        let holders_now = holders(world, &id);
        ensure!(
            matches!(holders_now.as_slice(), [(_, 2)]),
            "slots of one container: {holders_now:?}"
        );
        drop(made);
        ensure!(holders(world, &id).is_empty(), "{id} is not gone");
        world.forget()?;
    }
    recycle_gone(world)
}

/// Where there is one hierarchy only, the same id in two places of it.
fn one_after_the_other(world: &mut World) -> Result<()> {
    let Hierarchy { root, .. } = hierarchies().first().context("no hierarchy")?.clone();
    let id = unique_id();
    let mut made = Directories::default();
    made.make(root.join(&id))?;
    made.make(root.join(format!("docker-{id}.scope")))?;
    let found = holders(world, &id);
    ensure!(
        matches!(found.as_slice(), [(_, 2)]),
        "slots of one container: {found:?}"
    );
    Ok(())
}

/// However many cgroups the host makes that are no containers, containers have their slots.
fn candidates(world: &mut World) -> Result<()> {
    let root = hierarchies().first().context("no hierarchy")?.root.clone();
    recycle_gone(world)?;
    let (before, lost) = (usage(world), errors(world, "candidates_exhausted")?);
    let mut made = Directories::default();
    for number in 0..CANDIDATE_SLOTS + 50 {
        made.make(root.join(format!("vigia-candidate-{}-{number}", std::process::id())))?;
        world.forget()?;
    }
    ensure!(
        errors(world, "candidates_exhausted")? >= lost + 50,
        "none was refused"
    );
    ensure!(
        usage(world)["candidate_slots"] == u64::from(CANDIDATE_SLOTS),
        "{:?}",
        usage(world)
    );
    let container = Container::start(world, Spec::default())?;
    container.stop()?;
    drop(made);
    world.forget()?;
    recycle_gone(world)?;
    let after = usage(world);
    let back = |map: &str| after[map] <= before[map];
    ensure!(
        back("cgroups") && back("candidate_slots"),
        "{after:?} after {before:?}"
    );
    Ok(())
}

/// One after the other, each in every hierarchy. Emulated machines are told by the backend that is forced on them: they do a part of it.
fn many(world: &mut World) -> Result<()> {
    const BATCH: u32 = 500;
    let batches = if world.forced.is_some() { 1 } else { 20 };
    let roots: Vec<PathBuf> = hierarchies().into_iter().map(|one| one.root).collect();
    world.forget()?;
    recycle_gone(world)?;
    let before = usage(world);
    let lost = errors(world, "slots_exhausted")?;
    for _ in 0..batches {
        for _ in 0..BATCH {
            let mut made = Directories::default();
            let id = unique_id();
            for root in &roots {
                made.make(root.join(&id))?;
            }
        }
        world.forget()?;
        recycle_gone(world)?;
    }
    let after = usage(world);
    ensure!(after == before, "{after:?} after {before:?}");
    ensure!(errors(world, "slots_exhausted")? == lost, "some had no slot");
    Ok(())
}

/// Containers come and go all the time while a sensor looks for those that exist: it ends with those that are.
fn churn_at_load(own: &mut World) -> Result<()> {
    let roots: Vec<PathBuf> = hierarchies().into_iter().map(|one| one.root).collect();
    let over = AtomicBool::new(false);
    let (mut world, ids) = std::thread::scope(|scope| -> Result<_> {
        let churn = scope.spawn(|| {
            let mut ids = Vec::new();
            while !over.load(Ordering::Relaxed) {
                let id = unique_id();
                let mut made = Directories::default();
                for root in &roots {
                    // Nested ones too, as systemd inside a container makes them.
                    made.make(root.join(&id))?;
                    made.make(root.join(&id).join("inner"))?;
                }
                ids.push(id);
                // Every sensor of the machine gives each of them a slot.
                std::thread::sleep(Duration::from_millis(3));
            }
            Ok::<_, anyhow::Error>(ids)
        });
        // As everywhere identity comes first: what else is loaded makes no difference, and takes a minute without an accelerator.
        let world = World::with(SensorConfig {
            capabilities: Some(&[]),
            ..SensorConfig::default()
        });
        over.store(true, Ordering::Relaxed);
        let ids = churn.join().ok().context("the churn panicked")??;
        Ok((world?, ids))
    })?;
    ensure!(ids.len() > 10, "{} containers only", ids.len());
    world.forget()?;
    recycle_gone(own)?;
    let left: Vec<_> = ids.iter().flat_map(|id| holders(&world, id)).collect();
    ensure!(
        left.is_empty(),
        "of {} containers these are left: {left:?}",
        ids.len()
    );
    let inner = holders(&world, "inner");
    ensure!(inner.is_empty(), "inner ones are left: {inner:?}");
    Ok(())
}

/// A runtime that was taken over before it executes the container's program is seen in the end.
fn runtime_is_bounded(world: &mut World) -> Result<()> {
    let path = world.file("hijacked")?.to_string_lossy().into_owned();
    let mut strict = World::with(SensorConfig {
        backend: world.forced,
        capabilities: Some(&[Capability::FileOpen]),
        runtime: Some(Duration::from_secs(2)),
        ..SensorConfig::default()
    })?;
    let spec = Spec {
        first: ["after", "4", "open-read", &path].map(str::to_owned).to_vec(),
        ..Spec::default()
    };
    let container = Container::start(world, spec)?;
    let of_path = |event: &RawEvent| opened(event).as_ref() == Some(&path);
    ensure!(world.count(of_path)? == 0, "two minutes are not over");
    strict.expect("FILE_OPEN of the runtime", |event| of_path(event).then_some(()))?;
    container.stop().map(drop)
}
