//! Slots and labels: who a container is over time, and what a process's moves do to it.

use crate::Test;
use crate::capabilities::rows;
use crate::lab::container::{lifecycle, remove};
use crate::lab::hierarchy::Version;
use crate::lab::{Container, Spec, World, hierarchies};
use agent::event::{ContainerOp, Payload, RawEvent, SlotKey};
use agent::kernel::{Capability, SensorConfig};
use agent_common::counter::Outcome;
use agent_common::event::EventKind;
use agent_common::limits::CANDIDATE_SLOTS;
use agent_common::slot::SlotRef;
use anyhow::{Context, Result, bail, ensure};
use std::fs;
use std::path::Path;

pub(crate) const TESTS: &[Test] = &[
    Test {
        name: "identity::each_hierarchy_alone_names_the_container",
        run: each_hierarchy_alone,
    },
    Test {
        name: "identity::the_same_id_again_is_another_container",
        run: same_id_again,
    },
    Test {
        name: "identity::a_slot_comes_back_with_a_new_generation",
        run: slot_comes_back,
    },
    Test {
        name: "identity::a_nested_cgroup_keeps_the_slot",
        run: nested_cgroup,
    },
    Test {
        name: "identity::leaving_the_cgroup_keeps_the_label_and_is_reported",
        run: leaving,
    },
    Test {
        name: "identity::a_child_born_outside_is_reported_and_keeps_the_label",
        run: born_outside,
    },
    Test {
        name: "identity::a_move_into_another_container_is_leaving",
        run: moving,
    },
    Test {
        name: "identity::other_namespaces_keep_the_label",
        run: other_namespaces,
    },
    Test {
        name: "identity::a_container_older_than_the_sensor_is_known",
        run: older,
    },
    Test {
        name: "identity::host_tasks_export_nothing",
        run: host_tasks,
    },
    Test {
        name: "identity::what_the_runtime_does_first_is_suppressed",
        run: runtime_init,
    },
    Test {
        name: "identity::two_containers_do_not_mix",
        run: two_containers,
    },
];

/// The path of a file whose opening an event reports.
pub(crate) fn opened(event: &RawEvent) -> Option<String> {
    match &event.payload {
        Payload::FileOpen(open) => Some(open.path.to_text()),
        _ => None,
    }
}

/// The container opens a new file; whose event that is.
pub(crate) fn open_new(world: &mut World, container: &mut Container, name: &str) -> Result<SlotKey> {
    let path = world.file(name)?.to_string_lossy().into_owned();
    container.init.act(&format!("open-read {path}"))?;
    let event = world.expect("FILE_OPEN", |event| {
        (opened(event)? == path).then(|| event.clone())
    })?;
    ensure!(
        event.header.tgid == container.init.pid,
        "of process {}",
        event.header.tgid
    );
    event.slot().context("of the host")
}

fn each_hierarchy_alone(world: &mut World) -> Result<()> {
    for hierarchy in hierarchies() {
        let spec = Spec {
            hierarchies: vec![hierarchy.clone()],
            ..Spec::default()
        };
        let mut container = Container::start(world, spec).with_context(|| format!("{hierarchy:?}"))?;
        let slot = open_new(world, &mut container, &format!("{:?}", hierarchy.version))?;
        ensure!(slot == container.slot, "{hierarchy:?}: {slot:?}");
        container.stop()?;
    }
    Ok(())
}

fn same_id_again(world: &mut World) -> Result<()> {
    let first = Container::start(world, Spec::default())?;
    let id = first.id.clone();
    let before = first.stop()?;
    world.expect("GONE", |event| lifecycle(event, ContainerOp::GONE, &id))?;
    world.forget()?;
    let spec = Spec {
        id,
        ..Spec::default()
    };
    let mut second = Container::start(world, spec)?;
    ensure!(second.slot != before, "the same slot {before:?}");
    let slot = open_new(world, &mut second, "again")?;
    ensure!(slot == second.slot, "{slot:?}");
    Ok(())
}

/// The queue of free slots is first in, first out: it must be gone through once. Of the two that of candidates is the shorter.
fn slot_comes_back(world: &mut World) -> Result<()> {
    let root = hierarchies().first().context("no hierarchy")?.root.clone();
    let before = come_and_go(world, &root.join(format!("vigia-slots-{}", std::process::id())))?;
    let epoch = world.sensor.slots.control(before.slot).epoch;
    recycle(world, before)?;
    for round in 0..2 * CANDIDATE_SLOTS {
        let again = come_and_go(
            world,
            &root.join(format!("vigia-slots-{}-{round}", std::process::id())),
        )?;
        recycle(world, again)?;
        if again.slot == before.slot {
            ensure!(
                again.generation == before.generation + 1,
                "{again:?} after {before:?}"
            );
            let next = world.sensor.slots.control(again.slot).epoch;
            ensure!(next != epoch, "its behaviours are the former container's");
            return Ok(());
        }
    }
    bail!("slot {} never came back", before.slot)
}

/// Makes and removes a cgroup; the slot that it had.
fn come_and_go(world: &mut World, path: &Path) -> Result<SlotKey> {
    world.forget()?;
    let name = path
        .file_name()
        .context("no name")?
        .to_string_lossy()
        .into_owned();
    fs::create_dir(path)?;
    let created = world.expect("CREATED", |event| lifecycle(event, ContainerOp::CREATED, &name));
    remove(path)?;
    created
}

pub(crate) fn recycle(world: &mut World, SlotKey { slot, generation }: SlotKey) -> Result<()> {
    Ok(world.sensor.slots.recycle(SlotRef { slot, generation })?)
}

fn nested_cgroup(world: &mut World) -> Result<()> {
    let mut container = Container::start(world, Spec::default())?;
    let nested = container
        .groups
        .iter()
        .map(|group| group.join("system.slice"))
        .collect::<Vec<_>>();
    for group in &nested {
        fs::create_dir(group)?;
        fs::write(group.join("cgroup.procs"), container.init.pid.to_string())?;
    }
    let slot = open_new(world, &mut container, "nested")?;
    ensure!(slot == container.slot, "{slot:?} instead of {:?}", container.slot);
    let left = world.count(|event| lifecycle(event, ContainerOp::LEFT, &container.id).is_some())?;
    ensure!(left == 0, "it is said to have left");
    let state = world.sensor.slots.state(slot.slot).context("no state")?;
    ensure!(
        usize::try_from(state.cgroups)? == nested.len(),
        "{} cgroups: nested ones take no memory",
        state.cgroups
    );
    for (group, above) in nested.iter().zip(&container.groups) {
        fs::write(above.join("cgroup.procs"), container.init.pid.to_string())?;
        remove(group)?;
    }
    let gone = world.count(|event| lifecycle(event, ContainerOp::GONE, &container.id).is_some())?;
    ensure!(gone == 0, "it is gone with its nested cgroup");
    Ok(())
}

fn leaving(world: &mut World) -> Result<()> {
    let mut container = Container::start(world, Spec::default())?;
    for hierarchy in hierarchies() {
        fs::write(
            hierarchy.root.join("cgroup.procs"),
            container.init.pid.to_string(),
        )?;
    }
    let (left, trust) = world.expect("LEFT", |event| {
        let left = lifecycle(event, ContainerOp::LEFT, &container.id)?;
        Some((left, event.header.flags.trust()))
    })?;
    ensure!(left == container.slot, "{left:?}");
    let sight = rows::sight(world.sensor.reports(), "leave_cgroup")?;
    ensure!(sight.trust() == Some(trust), "trust {}", trust.name());
    let slot = open_new(world, &mut container, "left")?;
    ensure!(slot == container.slot, "{slot:?} instead of {:?}", container.slot);
    // And what it starts from there.
    let path = world.file("child-of-left")?.to_string_lossy().into_owned();
    container.init.act(&format!("run open-read {path}"))?;
    let child = world.expect("FILE_OPEN", |event| {
        (opened(event)? == path).then(|| event.slot())
    })?;
    ensure!(child == Some(container.slot), "{child:?}");
    Ok(())
}

/// What moves it, or whoever does, gives it to nobody else.
fn moving(world: &mut World) -> Result<()> {
    let mut one = Container::start(world, Spec::default())?;
    let other = Container::start(world, Spec::default())?;
    for group in &other.groups {
        fs::write(group.join("cgroup.procs"), one.init.pid.to_string())?;
    }
    let left = world.expect("LEFT", |event| lifecycle(event, ContainerOp::LEFT, &one.id))?;
    ensure!(left == one.slot, "{left:?}");
    let slot = open_new(world, &mut one, "migrated")?;
    ensure!(slot == one.slot, "{slot:?} instead of {:?}", one.slot);
    for group in &one.groups {
        fs::write(group.join("cgroup.procs"), one.init.pid.to_string())?;
    }
    Ok(())
}

/// Namespaces of its own, and then those of the host.
fn other_namespaces(world: &mut World) -> Result<()> {
    let mut container = Container::start(world, Spec::default())?;
    container.init.act("unshare")?;
    let slot = open_new(world, &mut container, "unshared")?;
    ensure!(slot == container.slot, "{slot:?} after unshare");
    let host = std::process::id();
    for namespace in ["uts", "mnt"] {
        container
            .init
            .act(&format!("setns /proc/{host}/ns/{namespace}"))?;
    }
    let slot = open_new(world, &mut container, "in-the-hosts")?;
    ensure!(slot == container.slot, "{slot:?} after setns");
    Ok(())
}

/// Also when it runs in a cgroup that it made inside, and when somebody joins it later.
fn older(world: &mut World) -> Result<()> {
    let mut container = Container::start(world, Spec::default())?;
    let nested: Vec<_> = container.groups.iter().map(|group| group.join("inner")).collect();
    for group in &nested {
        fs::create_dir(group)?;
        fs::write(group.join("cgroup.procs"), container.init.pid.to_string())?;
    }
    let mut younger = World::with(SensorConfig {
        backend: world.forced,
        capabilities: Some(&[Capability::FileOpen]),
        ..SensorConfig::default()
    })?;
    let mut joined = container.join_by_attach()?;
    for (actor, name) in [(&mut container.init, "before"), (&mut joined, "after")] {
        let path = world.file(name)?.to_string_lossy().into_owned();
        actor.act(&format!("open-read {path}"))?;
        let slot = younger.expect("FILE_OPEN", |event| {
            (opened(event)? == path).then(|| event.slot())
        })?;
        let state = younger.sensor.slots.state(slot.context("of the host")?.slot);
        let id = state.context("no state")?.id;
        ensure!(id.starts_with(container.id.as_bytes()), "{name}: of {id:?}");
    }
    for (group, above) in nested.iter().zip(&container.groups) {
        fs::write(above.join("cgroup.procs"), container.init.pid.to_string())?;
        remove(group)?;
    }
    Ok(())
}

/// CLONE_INTO_CGROUP knows cgroup2 only: where that is not mounted nobody can ask for it.
fn born_outside(world: &mut World) -> Result<()> {
    let Some(outside) = hierarchies().into_iter().find(|one| one.version == Version::V2) else {
        return Ok(());
    };
    let mut container = Container::start(world, Spec::default())?;
    let path = world.file("born-outside")?.to_string_lossy().into_owned();
    let root = outside.root.to_string_lossy().into_owned();
    container.init.act(&format!("born-in {root} open-read {path}"))?;
    let left = world.expect("LEFT", |event| lifecycle(event, ContainerOp::LEFT, &container.id))?;
    ensure!(left == container.slot, "{left:?}");
    let child = world.expect("FILE_OPEN", |event| {
        (opened(event)? == path).then(|| event.slot())
    })?;
    ensure!(child == Some(container.slot), "{child:?}");
    Ok(())
}

fn host_tasks(world: &mut World) -> Result<()> {
    let path = world.file("host")?;
    fs::read(&path)?;
    agent_tests::command::run(
        std::process::Command::new("/bin/sh")
            .args(["-c", ": < \"$0\""])
            .arg(&path),
    )?;
    let _listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    // A container's event that comes after all of it.
    let mut container = Container::start(world, Spec::default())?;
    open_new(world, &mut container, "after-the-host")?;
    let path = path.to_string_lossy().into_owned();
    let ours = std::process::id();
    let exported = world.count(|event| {
        let is_behaviour = event.header.kind != EventKind::CONTAINER;
        is_behaviour
            && (event.header.tgid == ours || event.slot().is_none() || opened(event).as_ref() == Some(&path))
    })?;
    ensure!(exported == 0, "{exported} events of the host");
    Ok(())
}

fn runtime_init(world: &mut World) -> Result<()> {
    let path = world.file("runtime")?.to_string_lossy().into_owned();
    let suppressed = |world: &World| -> Result<u64> {
        let totals = world.sensor.books.read()?;
        Ok(totals.get(EventKind::FILE_OPEN, Outcome::SUPPRESSED_RUNTIME_INIT))
    };
    let before = suppressed(world)?;
    let spec = Spec {
        first: vec!["open-read".to_owned(), path.clone()],
        ..Spec::default()
    };
    let mut container = Container::start(world, spec)?;
    open_new(world, &mut container, "after-the-runtime")?;
    let exported = world.count(|event| opened(event).as_ref() == Some(&path))?;
    ensure!(exported == 0, "what the runtime opened was exported");
    ensure!(suppressed(world)? > before, "and not counted as suppressed");
    Ok(())
}

fn two_containers(world: &mut World) -> Result<()> {
    let mut one = Container::start(world, Spec::default())?;
    let mut other = Container::start(world, Spec::default())?;
    ensure!(one.slot.slot != other.slot.slot, "{:?} twice", one.slot);
    ensure!(open_new(world, &mut one, "of-one")? == one.slot, "of another");
    ensure!(open_new(world, &mut other, "of-another")? == other.slot, "of one");
    // The same behaviour of the second container is not a repeat of the first one's.
    let path = world.path("of-one").to_string_lossy().into_owned();
    other.init.act(&format!("open-read {path}"))?;
    let slot = other.slot;
    world.expect("FILE_OPEN of the other", |event| {
        (opened(event)? == path && event.slot() == Some(slot)).then_some(())
    })
}
