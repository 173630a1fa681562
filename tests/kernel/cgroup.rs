//! The ground the other tests stand on: control groups of their own.

use agent_tests::capability::{Capability, can_run};
use agent_tests::command;
use agent_tests::lab::{Cgroup, unique_name};
use anyhow::Result;
use std::fs;

#[test]
fn a_command_joins_its_group_before_it_runs() -> Result<()> {
    if !can_run(&[Capability::Root]) {
        return Ok(());
    }
    let name = unique_name("vigia-kernel");
    let group = Cgroup::create(&name)?;
    let path = group.path().to_path_buf();
    let said = command::run(group.command("cat").arg("/proc/self/cgroup"))?;
    assert!(said.contains(&name), "{said}");
    drop(group);
    assert!(!path.exists());
    Ok(())
}

#[test]
fn what_runs_in_a_group_ends_with_it() -> Result<()> {
    if !can_run(&[Capability::Root]) {
        return Ok(());
    }
    let group = Cgroup::create(&unique_name("vigia-kernel"))?;
    let mut sleeper = std::process::Command::new("sleep").arg("1000").spawn()?;
    group.add(sleeper.id())?;
    assert!(fs::read_to_string(group.path().join("cgroup.procs"))?.contains(&sleeper.id().to_string()));
    drop(group);
    assert!(!sleeper.wait()?.success());
    Ok(())
}
