//! The ground that other tiers stand on: control groups of their own.

use crate::Test;
use crate::lab::World;
use agent_tests::command;
use agent_tests::lab::{Cgroup, unique_name};
use anyhow::{Result, ensure};
use std::fs;

pub(crate) const TESTS: &[Test] = &[
    Test {
        name: "harness::a_command_joins_its_group_before_it_runs",
        run: joins,
    },
    Test {
        name: "harness::what_runs_in_a_group_ends_with_it",
        run: ends,
    },
];

fn joins(_world: &mut World) -> Result<()> {
    let name = unique_name("vigia-kernel");
    let group = Cgroup::create(&name)?;
    let path = group.path().to_path_buf();
    let said = command::run(group.command("cat").arg("/proc/self/cgroup"))?;
    ensure!(said.contains(&name), "{said}");
    drop(group);
    ensure!(!path.exists(), "it is still there");
    Ok(())
}

fn ends(_world: &mut World) -> Result<()> {
    let group = Cgroup::create(&unique_name("vigia-kernel"))?;
    let mut sleeper = std::process::Command::new("sleep").arg("1000").spawn()?;
    group.add(sleeper.id())?;
    let members = fs::read_to_string(group.path().join("cgroup.procs"))?;
    ensure!(members.contains(&sleeper.id().to_string()), "{members}");
    drop(group);
    ensure!(!sleeper.wait()?.success(), "it ended by itself");
    Ok(())
}
