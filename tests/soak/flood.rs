//! One container does as much as it can, all of it noteworthy; another one carries out a hundred attacks meanwhile.

use crate::MEMORY;
use agent_tests::agent::{AgentProcess, Options};
use agent_tests::capability::{Capability, can_run};
use agent_tests::command::wait_until;
use agent_tests::lab::{Runc, RuncContainer};
use agent_tests::length;
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

const NEEDED: [Capability; 3] = [Capability::Root, Capability::Bpf, Capability::Runc];
/// Alerts wait for each other on the way out: a queue is no loss.
const SOON: Duration = Duration::from_secs(60);
/// What the books need to come to rest, and the audit to look at them.
const REST: Duration = Duration::from_secs(20);
const DROPPED: usize = 40;
const LISTENERS: usize = 30;
const SETTINGS: usize = 30;

/// New files, new programs, new places to connect to: each its own deviation, from four processes. Most are programs, which leave the kernel
/// without a profile too: a slow machine too makes more of them than a container's share.
const FLOOD: &str = "\
flood() {
    i=0
    mkdir /tmp/$1
    while :; do
        i=$((i + 1)); d=/tmp/$1/$i
        mkdir $d
        for n in 1 2 3 4 5 6 7 8; do for m in 1 2 3 4 5 6 7 8; do : > $d/$n$m; done; done
        for n in 0 1 2 3 4 5 6 7 8 9; do cp /bin/busybox $d/x$n; $d/x$n true; done
        nc -w 1 127.0.0.1 $((1024 + (i * 4 + $1) % 60000)) < /dev/null
        rm -rf $d
    done
}
for p in 0 1 2 3; do flood $p > /dev/null 2>&1 & done
wait";

/// One after the other, over the time of the flood: a program that is dropped and executed, a listener, a setting of the kernel that is opened
/// for writing (and not written).
fn attack(pause: Duration) -> String {
    format!(
        "\
drop() {{ cp /bin/busybox /tmp/attack-$1; /tmp/attack-$1 true; rm /tmp/attack-$1; }}
open() {{ nc -l -p $((20000 + $1)) < /dev/null > /dev/null 2>&1 & p=$!; sleep {pause}; kill $p; }}
for n in $(seq 1 {DROPPED}); do drop $n > /dev/null 2>&1; sleep {pause}; done
for n in $(seq 1 {LISTENERS}); do open $n; done
for f in $(find /proc/sys/vm -maxdepth 1 -type f -perm -200 | sort | head -n {SETTINGS}); do
    : >> $f; basename $f; sleep {pause}
done",
        pause = pause.as_secs_f32()
    )
}

/// What stands for one attack: a program's path, a port, or a setting's name.
fn deed(alert: &Value) -> Option<String> {
    let evidence = &alert["evidence"];
    let rule = alert["rule"].as_str()?;
    match alert["class"].as_str()? {
        "drift" => alert["process"]["exe"].as_str().map(str::to_owned),
        "listener" => Some(evidence["local_port"].to_string()),
        // What protects the kernel is tampered with.
        "escape" | "tampering" => evidence["path"].as_str()?.rsplit('/').next().map(str::to_owned),
        _ => Some(rule.to_owned()),
    }
}

/// The agent's memory at its largest while the flood lasts.
fn largest(agent: &AgentProcess, until: Instant) -> Result<u64> {
    let mut largest = 0;
    while Instant::now() < until {
        largest = largest.max(agent.resident_bytes()?);
        std::thread::sleep(Duration::from_millis(100));
    }
    Ok(largest)
}

fn expected(settings: &str) -> BTreeSet<String> {
    let dropped = (1..=DROPPED).map(|number| format!("/tmp/attack-{number}"));
    let ports = (1..=LISTENERS).map(|number| (20_000 + number).to_string());
    dropped
        .chain(ports)
        .chain(settings.lines().map(str::to_owned))
        .collect()
}

/// Attacks of which an alert names the container.
fn arrived(
    agent: &AgentProcess,
    container: &RuncContainer<'_>,
    wanted: &BTreeSet<String>,
) -> BTreeSet<String> {
    let lines = agent.lines();
    let ours = lines
        .iter()
        .filter(|line| line.value["container"]["id"] == container.id.as_str());
    ours.filter_map(|line| deed(&line.value))
        .filter(|deed| wanted.contains(deed))
        .collect()
}

/// Waits until nothing moves any more, and the books were compared.
pub(crate) fn books(agent: &AgentProcess) -> Result<Value> {
    let mut last = Value::Null;
    wait_until("the books to rest", REST, || {
        let status = agent.status().ok()?;
        let rests = status["records"]["received"] == last["records"]["received"];
        let balanced = status["records"]["mismatches"]
            .as_array()
            .is_some_and(Vec::is_empty);
        last = status;
        std::thread::sleep(Duration::from_secs(1));
        (rests && balanced).then_some(())
    })
    .with_context(|| last["records"].to_string())?;
    Ok(last)
}

pub(crate) fn lost(status: &Value) -> u64 {
    let kinds = status["events"]
        .as_object()
        .into_iter()
        .flat_map(|kinds| kinds.values());
    let reasons = kinds.flat_map(|kind| {
        kind["lost"]
            .as_object()
            .into_iter()
            .flat_map(|lost| lost.values())
    });
    reasons.filter_map(Value::as_u64).sum()
}

fn alerts_of<'a>(
    lines: &'a [agent_tests::agent::Line],
    id: &'a str,
    rule: &'a str,
) -> impl Iterator<Item = &'a Value> {
    lines
        .iter()
        .map(|line| &line.value)
        .filter(move |alert| alert["container"]["id"] == id && alert["rule"] == rule)
}

#[test]
fn a_flood_hides_nothing_of_another_container() -> Result<()> {
    if !can_run(&NEEDED) {
        return Ok(());
    }
    let duration = length::choose(Duration::from_secs(10), Duration::from_secs(60));
    let agent = AgentProcess::start(&Options::default())?;
    let at_rest = agent.resident_bytes()?;
    let runc = Runc::prepare("flood")?;
    let attacker = runc.start(&["sleep", "1000"])?;
    agent.wait_for_container(&attacker.id, "unavailable")?;
    let noisy = runc.start(&["sh", "-c", FLOOD])?;
    let end = Instant::now() + duration;
    let pause = duration / u32::try_from(2 * (DROPPED + LISTENERS + SETTINGS))?;
    let (settings, memory) = std::thread::scope(|scope| {
        let attacks = scope.spawn(|| attacker.exec(&["sh", "-c", &attack(pause)]));
        let memory = largest(&agent, end);
        (attacks.join(), memory)
    });
    let (settings, memory) = (settings.ok().context("the attacker panicked")??, memory?);
    let (noisy_id, wanted) = (noisy.id.clone(), expected(&settings));
    ensure!(
        wanted.len() == DROPPED + LISTENERS + SETTINGS,
        "{} attacks",
        wanted.len()
    );
    drop(noisy);
    let all = wait_until("every attack's alert", SOON, || {
        (arrived(&agent, &attacker, &wanted) == wanted).then_some(())
    });
    all.with_context(|| {
        let missing: Vec<_> = wanted
            .difference(&arrived(&agent, &attacker, &wanted))
            .cloned()
            .collect();
        format!("missing: {missing:?}")
    })?;

    let status = books(&agent)?;
    for equation in ["seen", "sent", "received"] {
        let sample = format!("vigia_accounting_mismatch_total{{equation=\"{equation}\"}}");
        ensure!(agent.metric(&sample)? == 0.0, "{sample}: {}", agent.log_tail());
    }
    let (lines, lost) = (agent.lines(), lost(&status));
    println!(
        "{} records, {lost} lost, {} alerts, {} MiB at rest, {} MiB at most; alert_quota {}",
        status["records"]["received"],
        lines.len(),
        at_rest >> 20,
        memory >> 20,
        status["kernel_errors"]["alert_quota"],
    );
    ensure!(
        status["kernel_errors"]["alert_quota"].as_u64() > Some(0),
        "the flood was within its quota: {}",
        status["kernel_errors"]
    );
    let told = alerts_of(&lines, &noisy_id, "sensor.events_lost").count();
    ensure!(
        lost == 0 || told > 0,
        "{lost} events were lost, and no alert names {noisy_id}"
    );
    let wrong: Vec<_> = alerts_of(&lines, &attacker.id, "sensor.events_lost").collect();
    ensure!(wrong.is_empty(), "the attacker lost nothing: {wrong:?}");
    ensure!(memory < MEMORY, "{} MiB", memory >> 20);
    Ok(())
}
