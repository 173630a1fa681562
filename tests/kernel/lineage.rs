//! The chain of ancestors, read from the kernel's map.

use crate::Test;
use crate::identity::opened;
use crate::lab::{Container, Spec, World};
use crate::tampering::{LRU_HASH, find};
use agent::event::ExecId;
use agent::process::{Chain, Completeness, Lineage, Process};
use anyhow::{Context, Result, ensure};
use std::process::Command;
use std::sync::Arc;

pub(crate) const TESTS: &[Test] = &[
    Test {
        name: "lineage::the_chain_reaches_the_hosts_init",
        run: complete,
    },
    Test {
        name: "lineage::the_chain_survives_a_parent_that_exited",
        run: orphaned,
    },
    Test {
        name: "lineage::a_process_older_than_the_sensor_is_known",
        run: older,
    },
    Test {
        name: "lineage::what_the_host_executes_pushes_nothing_out",
        run: hosts,
    },
];

/// The container opens a file by `how`; the process that did it, and its ancestors.
fn chain_of(world: &mut World, container: &mut Container, how: &str) -> Result<(Arc<Process>, Chain)> {
    let path = world.file(&how.replace(' ', "-"))?.to_string_lossy().into_owned();
    container.init.act(&format!("{how} open-read {path}"))?;
    let exec_id = world.expect("FILE_OPEN", |event| {
        (opened(event)? == path).then(|| event.exec_id())
    })?;
    let mut lineage = Lineage::default();
    let process = lineage
        .get(exec_id, &mut world.sensor.lineage)
        .context("no entry")?;
    let chain = lineage.chain(&process, &mut world.sensor.lineage);
    Ok((process, chain))
}

/// What each was told to be, the youngest first.
fn roles(process: &Process, chain: &Chain) -> Vec<String> {
    std::iter::once(process)
        .chain(chain.ancestors.iter().map(Arc::as_ref))
        .map(|process| process.arguments().nth(1).unwrap_or_default().to_text())
        .collect()
}

fn complete(world: &mut World) -> Result<()> {
    let mut container = Container::start(world, Spec::default())?;
    let (process, chain) = chain_of(world, &mut container, "run run")?;
    let roles = roles(&process, &chain);
    ensure!(
        roles.starts_with(&["once", "once", "actor", "runtime"].map(str::to_owned)),
        "{roles:?}"
    );
    ensure!(chain.completeness == Completeness::Complete, "{chain:?}");
    let pids: Vec<u32> = chain.ancestors.iter().map(|ancestor| ancestor.host_pid).collect();
    ensure!(
        pids.contains(&container.init.pid) && pids.contains(&std::process::id()),
        "{pids:?}"
    );
    ensure!(pids.last() == Some(&1), "{pids:?}");
    ensure!(
        process.pid > 1 && chain.ancestors[1].pid == 1,
        "in its namespace {}",
        process.pid
    );
    for inside in [&process, &chain.ancestors[0], &chain.ancestors[1]] {
        ensure!(inside.slot == Some(container.slot), "{inside:?}");
    }
    let own = std::env::current_exe()?;
    ensure!(process.exe.to_text() == own.to_string_lossy(), "{process:?}");
    Ok(())
}

fn orphaned(world: &mut World) -> Result<()> {
    let mut container = Container::start(world, Spec::default())?;
    let (process, chain) = chain_of(world, &mut container, "orphan")?;
    let roles = roles(&process, &chain);
    ensure!(
        roles.starts_with(&["once", "parent", "actor", "runtime"].map(str::to_owned)),
        "{roles:?}"
    );
    ensure!(chain.completeness == Completeness::Complete, "{chain:?}");
    Ok(())
}

fn older(world: &mut World) -> Result<()> {
    let mut container = Container::start(world, Spec::default())?;
    let (_, chain) = chain_of(world, &mut container, "run")?;
    let ours = chain
        .ancestors
        .iter()
        .find(|ancestor| ancestor.host_pid == std::process::id());
    let ours = ours.context("this process is no ancestor")?;
    ensure!(ours.exec_id != ExecId::NONE && ours.slot.is_none(), "{ours:?}");
    let own = std::env::current_exe()?;
    ensure!(ours.exe.to_text() == own.to_string_lossy(), "{ours:?}");
    Ok(())
}

/// Who works on the host all day has no entry: none of a container's ancestors has to go for him.
fn hosts(world: &mut World) -> Result<()> {
    let map = find("lineage", |map| {
        (map.kind, map.key_size, map.value_size) == (LRU_HASH, 8, 256)
    })?;
    let before = map.count()?;
    for _ in 0..20 {
        let done = Command::new("true").status()?;
        ensure!(done.success(), "{done}");
    }
    let after = map.count()?;
    ensure!(after < before + 20, "{before} entries, then {after}");
    let mut container = Container::start(world, Spec::default())?;
    container.init.act("run run open-read /dev/null")?;
    ensure!(map.count()? > after, "nor do containers");
    Ok(())
}
