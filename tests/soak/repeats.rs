//! One deviation, a million times.

use crate::flood::{books, lost};
use agent_tests::agent::{AgentProcess, Options};
use agent_tests::capability::{Capability, can_run};
use agent_tests::command::wait_until;
use agent_tests::lab::{Runc, RuncContainer};
use agent_tests::length;
use agent_tests::measure::cpu_time;
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

const TIMES: u64 = 1_000_000;
/// A shell's loop.
const LOOP_WITHIN: Duration = Duration::from_secs(300);
/// The window of an alert, and some time on the way.
const WINDOW: Duration = Duration::from_secs(90);
/// Percent of a core that the agent may use meanwhile.
const SHARE: f64 = 5.0;

/// A setting of the kernel is opened to be written, and not written.
fn deeds() -> String {
    let hundred = ": >> $f; ".repeat(100);
    format!(
        "f=/proc/sys/vm/stat_interval; i=0; while [ $i -lt {} ]; do {hundred} i=$((i + 1)); done; exec sleep 1000",
        TIMES / 100
    )
}

/// The loop ends with another program.
fn wait_for_end(container: &RuncContainer<'_>) -> Result<()> {
    let program = format!("/proc/{}/comm", container.init_pid()?);
    wait_until("the end of the loop", LOOP_WITHIN, || {
        let name = std::fs::read_to_string(&program).ok()?;
        (name.trim() == "sleep").then_some(())
    })
}

/// Alerts that name the container, revisions of one being one; and the last revision of all.
fn alerts(agent: &AgentProcess, container: &str) -> (BTreeSet<String>, Value) {
    let lines = agent.lines();
    let mut ours = lines
        .iter()
        .map(|line| &line.value)
        .filter(|alert| alert["container"]["id"] == container);
    let ids = ours
        .clone()
        .map(|alert| format!("{} {}", alert["rule"], alert["id"]))
        .collect();
    (ids, ours.next_back().cloned().unwrap_or_default())
}

#[test]
fn a_million_repeats_are_one_alert_with_the_exact_count() -> Result<()> {
    if !can_run(&[Capability::Root, Capability::Bpf, Capability::Runc]) {
        return Ok(());
    }
    let agent = AgentProcess::start(&Options::default())?;
    let runc = Runc::prepare("repeats")?;
    let container = runc.create(&["sh", "-c", &deeds()])?;
    agent.wait_for_container(&container.id, "unavailable")?;
    let (begun, before) = (Instant::now(), cpu_time(agent.pid())?);
    container.begin()?;
    wait_for_end(&container)?;
    let (took, used) = (begun.elapsed(), cpu_time(agent.pid())?.saturating_sub(before));
    let share = used.as_secs_f64() / took.as_secs_f64() * 100.0;

    let id = container.id.clone();
    // The window ends after a minute, or with its container.
    if !length::is_full() {
        drop(container);
    }
    let is_last = |alert: &Value| alert["container"]["id"] == id.as_str() && alert["repeat"]["count"] != 1;
    agent.wait_for(0, WINDOW, is_last)?;
    let status = books(&agent)?;
    let (ids, last) = alerts(&agent, &id);
    println!(
        "{TIMES} times in {:.1} s; the agent used {share:.2} % of a core; {} records in all; {}",
        took.as_secs_f32(),
        status["records"]["received"],
        last["repeat"]
    );
    ensure!(ids.len() == 1, "{ids:?}");
    let count = last["repeat"]["count"].as_u64().context("no count")?;
    ensure!(count == TIMES, "{count} counted: {last}");
    ensure!(lost(&status) == 0, "{}", status["events"]);
    for equation in ["seen", "sent", "received"] {
        let sample = format!("vigia_accounting_mismatch_total{{equation=\"{equation}\"}}");
        ensure!(agent.metric(&sample)? == 0.0, "{sample}: {}", agent.log_tail());
    }
    ensure!(share < SHARE, "{share:.2} % of a core");
    Ok(())
}
