//! Another configuration while the agent runs: what is written comes into force by itself, and what is wrong does not.

use agent_tests::agent::{AgentProcess, Options};
use agent_tests::capability::{Capability, can_run};
use agent_tests::command;
use agent_tests::lab::{Runc, RuncContainer};
use anyhow::{Context, Result};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Duration;

const NEEDED: [Capability; 3] = [Capability::Root, Capability::Bpf, Capability::Runc];
const SOON: Duration = Duration::from_secs(20);

fn sink_to(file: &Path) -> String {
    format!("sinks:\n- {{name: disk, type: file, path: {}}}\n", file.display())
}

/// An alert about a program in a folder of this name.
fn drop_and_run(container: &RuncContainer<'_>, name: &str) -> Result<()> {
    let command = format!("mkdir /tmp/{name} && cp /bin/busybox /tmp/{name}/true && /tmp/{name}/true");
    container.exec(&["sh", "-c", &command])?;
    Ok(())
}

/// Programs that alerts in a file are about, by their first alert.
fn programs(file: &Path) -> Result<BTreeSet<String>> {
    let text = fs::read_to_string(file)?;
    let alerts = text.lines().map(serde_json::from_str::<Value>);
    let alerts = alerts.collect::<Result<Vec<_>, _>>()?;
    let first = alerts.iter().filter(|alert| alert["revision"] == 0);
    let programs = first.filter_map(|alert| alert["process"]["exe"].as_str());
    Ok(programs.map(str::to_owned).collect())
}

fn wait_for_program(file: &Path, program: &str) -> Result<()> {
    command::wait_until("the program is in the file", SOON, || {
        programs(file).ok()?.contains(program).then_some(())
    })
    .with_context(|| format!("{program}: {:?}", fs::read_to_string(file)))
}

fn problems(agent: &AgentProcess) -> Result<String> {
    Ok(agent.status()?["problems"].to_string())
}

/// A mistake in `fragment` is told with its place, and nothing else happens.
fn break_and_be_told(agent: &AgentProcess, fragment: &Path) -> Result<()> {
    fs::write(fragment, "sinks:\n- {name: disk, type: fill}\n")?;
    command::wait_until("the mistake is told", SOON, || {
        let told = problems(agent).ok()?;
        (told.contains("10-disk.yaml:2:") && told.contains("did you mean `file`?")).then_some(())
    })
    .with_context(|| agent.log_tail())?;
    assert!(agent.metric("vigia_config_reload_failures_total")? >= 1.0);
    assert!(agent.metric("vigia_config_reload_successful")? < 0.5);
    Ok(())
}

#[test]
fn files_that_change_come_into_force_by_themselves_and_wrong_ones_do_not() -> Result<()> {
    if !can_run(&NEEDED) {
        return Ok(());
    }
    let runc = Runc::prepare("reload")?;
    let agent = AgentProcess::start(&Options::default())?;
    let container = runc.start(&["sleep", "1000"])?;
    drop_and_run(&container, "before")?;
    agent.wait_for(0, SOON, |value| value["process"]["exe"] == "/tmp/before/true")?;

    let (first, second) = (agent.folder().join("first"), agent.folder().join("second"));
    let fragments = agent.folder().join("conf.d");
    fs::create_dir(&fragments)?;
    let fragment = fragments.join("10-disk.yaml");
    fs::write(&fragment, sink_to(&first))?;
    command::wait_until("the sink runs", SOON, || first.exists().then_some(()))?;
    drop_and_run(&container, "one")?;
    wait_for_program(&first, "/tmp/one/true")?;

    break_and_be_told(&agent, &fragment)?;
    drop_and_run(&container, "two")?;
    wait_for_program(&first, "/tmp/two/true")?;

    // An editor's way: a file beside it, and the rename.
    let new = fragments.join(".10-disk.yaml.new");
    fs::write(&new, sink_to(&second))?;
    fs::rename(&new, &fragment)?;
    command::wait_until("the second file is written", SOON, || {
        second.exists().then_some(())
    })?;
    drop_and_run(&container, "three")?;
    wait_for_program(&second, "/tmp/three/true")?;
    let (one, two) = (programs(&first)?, programs(&second)?);
    assert!(
        !one.contains("/tmp/before/true"),
        "it was raised before the sink came: {one:?}"
    );
    assert!(one.is_disjoint(&two), "{one:?} {two:?}");
    Ok(())
}

#[test]
fn the_command_says_what_changed_what_waits_for_a_restart_and_what_is_wrong() -> Result<()> {
    if !can_run(&[Capability::Root, Capability::Bpf]) {
        return Ok(());
    }
    let agent = AgentProcess::start(&Options::default())?;
    let fragments = agent.folder().join("conf.d");
    fs::create_dir(&fragments)?;
    let fragment = fragments.join("a.yaml");
    fs::write(
        &fragment,
        sink_to(&agent.folder().join("alerts")) + "spool: {max_size_mib: 64}\n",
    )?;
    // It is also noticed by itself: whichever comes first, the restart is pending.
    let said = command::run(&mut agent.client(&["reload"]))?;
    assert!(
        said.contains("! spool is in force only after a restart"),
        "{said}"
    );
    assert!(problems(&agent)?.contains("needs a restart: spool"));
    assert!(agent.metric("vigia_config_reload_successful")? > 0.5);
    fs::write(&fragment, "spool: {max_size_mib: 1}\n")?;
    let refused = command::run_within(&mut agent.client(&["reload"]), SOON)?;
    let said = String::from_utf8(refused.stderr)?;
    assert_eq!(refused.status.code(), Some(78), "{said}");
    assert!(
        said.contains("a.yaml:1:23: spool.max_size_mib: 1 MiB is out of range"),
        "{said}"
    );
    Ok(())
}
