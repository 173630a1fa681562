//! Whose process it is, however it came.

use super::{Check, Stage, namespace, word};
use crate::lab::container::{Actor, lifecycle};
use crate::lab::{Container, Spec};
use agent::event::{ContainerOp, Payload, RawEvent, RecordFlags};
use agent::kernel::Capability;
use anyhow::{Context, Result, ensure};
use std::fs;

pub(super) const CHECKS: &[Check] = &[
    Check {
        capability: Capability::Identity,
        what: "known before the first exec",
        rows: &[],
        run: known,
    },
    Check {
        capability: Capability::Identity,
        what: "made, alive, gone",
        rows: &["container_start"],
        run: life,
    },
    Check {
        capability: Capability::Identity,
        what: "a process that is attached later",
        rows: &["container_exec"],
        run: attached,
    },
    Check {
        capability: Capability::Identity,
        what: "a process that is born in the cgroup",
        rows: &["clone_into_cgroup"],
        run: born,
    },
];

fn known(stage: &mut Stage<'_>) -> Result<()> {
    let state = stage
        .world
        .sensor
        .slots
        .state(stage.container.slot.slot)
        .context("no state")?;
    ensure!(
        state.generation == stage.container.slot.generation,
        "generation {}",
        state.generation
    );
    ensure!(
        state.id.starts_with(stage.container.id.as_bytes()),
        "id {:?}",
        state.id
    );
    let cgroups = u32::try_from(stage.container.groups.len())?;
    ensure!(
        state.cgroups == cgroups,
        "{} cgroups instead of {cgroups}",
        state.cgroups
    );
    let init = stage.container.init.pid;
    ensure!(
        state.namespaces.mnt == namespace(init, "mnt")?,
        "{:?}",
        state.namespaces
    );
    ensure!(
        state.namespaces.pid == namespace(init, "pid")?,
        "{:?}",
        state.namespaces
    );
    Ok(())
}

fn life(stage: &mut Stage<'_>) -> Result<()> {
    let second = Container::start(stage.world, Spec::default())?;
    let (id, slot, first) = (second.id.clone(), second.slot, second.init.pid);
    second.stop()?;
    for (op, name) in [
        (ContainerOp::CREATED, "CREATED"),
        (ContainerOp::LIVE, "LIVE"),
        (ContainerOp::GONE, "GONE"),
    ] {
        let (_, said) = stage.expect_event(name, |event| lifecycle(event, op, &id))?;
        ensure!(said == slot, "{name}: {said:?} instead of {slot:?}");
        let times = stage.world.count(|event| lifecycle(event, op, &id).is_some())?;
        ensure!(times == 1, "{name}: {times} times");
    }
    stage.expect_event("the first exec", |event| {
        let executes = matches!(event.payload, Payload::Exec(_)) && event.header.tgid == first;
        (executes && event.slot() == Some(slot)).then_some(())
    })?;
    Ok(())
}

fn attached(stage: &mut Stage<'_>) -> Result<()> {
    let actor = stage.container.join_by_attach()?;
    is_session(stage, actor, "attached")
}

fn born(stage: &mut Stage<'_>) -> Result<()> {
    let actor = stage.container.join_by_clone()?;
    is_session(stage, actor, "born")
}

/// What it does is the container's, and said to be of a session.
fn is_session(stage: &mut Stage<'_>, mut actor: Actor, name: &str) -> Result<()> {
    let path = stage.world.file(name)?;
    actor.act(&format!("open-read {}", word(&path)))?;
    let (_, event) = stage.expect_event("the session's open", |event| {
        opens(event, name).then(|| event.clone())
    })?;
    ensure!(
        event.slot() == Some(stage.container.slot),
        "of {:?}",
        event.slot()
    );
    ensure!(event.header.tgid == actor.pid, "of process {}", event.header.tgid);
    ensure!(
        event.header.flags.has(RecordFlags::EXEC_SESSION),
        "flags {:#x}",
        event.header.flags.0
    );
    // A copy: the program itself was executed before.
    let program = stage.world.path(&format!("program-{name}"));
    fs::copy("/proc/self/exe", &program)?;
    actor.act(&format!("exec {} once open-read /dev/null", word(&program)))?;
    fs::remove_file(&program)?;
    let (header, ()) = stage.expect_any("the session's exec", |payload| match payload {
        Payload::Exec(exec) => (exec.path.to_text() == program.to_string_lossy()).then_some(()),
        _ => None,
    })?;
    ensure!(header.flags.has(RecordFlags::EXEC_SESSION), "{header:?}");
    Ok(())
}

fn opens(event: &RawEvent, name: &str) -> bool {
    matches!(&event.payload, Payload::FileOpen(open) if open.path.file_name() == name)
}
