//! What users were promised: alerts soon after the deed, and an agent that costs nothing while nothing happens.
//! Measured on the release build; `docs/performance.md` has the figures.
#![expect(clippy::print_stdout, reason = "figures for docs/performance.md")]

use agent::event::Timestamp;
use agent_tests::agent::{AgentProcess, Line, Options};
use agent_tests::capability::{Capability, can_run};
use agent_tests::image::{BUSYBOX, Set};
use agent_tests::lab::{CgroupView, Docker};
use agent_tests::{command, paths};
use anyhow::{Context, Result};
use serde_json::Value;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const NEEDED: [Capability; 3] = [Capability::Root, Capability::Bpf, Capability::Docker];
const SAMPLES: usize = 200;
/// Between two deeds, so that each meets an agent that sleeps. No multiple of its polling interval.
const PAUSE: Duration = Duration::from_millis(73);
const ALL_WITHIN: Duration = Duration::from_secs(30);
const IDLE_FOR: Duration = Duration::from_secs(30);

/// The release build: `VIGIA_TEST_RELEASE_AGENT`, else it is built.
fn release_agent() -> Result<PathBuf> {
    if let Some(path) = std::env::var_os("VIGIA_TEST_RELEASE_AGENT") {
        return Ok(path.into());
    }
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut build = Command::new(cargo);
    build
        .args(["build", "--quiet", "--release", "--package", "agent"])
        .current_dir(paths::workspace());
    let output = command::run_within(&mut build, Duration::from_secs(1800))?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    anyhow::ensure!(output.status.success(), "{said}");
    Ok(paths::target_dir().join("release/agent"))
}

fn start(docker: &Docker) -> Result<AgentProcess> {
    AgentProcess::start(&Options {
        binary: Some(release_agent()?),
        docker_host: Some(docker.host()),
        ..Options::default()
    })
}

/// A container with a name that the agent knows.
fn container(docker: &Docker, agent: &AgentProcess, name: &str) -> Result<String> {
    // On tmpfs no inode is used twice: every dropped program is a behaviour of its own.
    let run = ["run", "--detach", "--tmpfs", "/tmp:exec", "--name", name];
    let id = docker.docker(run.into_iter().chain([BUSYBOX, "sleep", "10000"]))?;
    command::wait_until("the container is known", Duration::from_secs(10), || {
        let status = command::run(
            Command::new(paths::agent_binary())
                .arg("--config")
                .arg(agent.config())
                .args(["status", "--output", "json"]),
        );
        status.ok().filter(|status| status.contains(name))
    })?;
    Ok(id)
}

/// Alerts of one rule about one container, once each.
fn alerts(agent: &AgentProcess, id: &str, rule: &str) -> Vec<Line> {
    let of_interest =
        |value: &Value| value["rule"] == rule && value["container"]["id"] == id && value["revision"] == 0;
    let lines = agent.lines();
    lines
        .into_iter()
        .filter(|line| of_interest(&line.value))
        .collect()
}

/// From the event, by the kernel's clock, to the moment at which the line was read; sorted.
fn latencies(docker: &Docker, agent: &AgentProcess, deed: &str, rule: &str) -> Result<Vec<Duration>> {
    let name = rule.split('.').next().unwrap_or(rule);
    let id = container(docker, agent, name)?;
    let script = format!(
        "i=0; while [ $i -lt {SAMPLES} ]; do {deed}; usleep {}; i=$((i+1)); done",
        PAUSE.as_micros()
    );
    docker.docker(["exec", name, "sh", "-c", &script])?;
    let found = command::wait_until(rule, ALL_WITHIN, || {
        let found = alerts(agent, &id, rule);
        (found.len() >= SAMPLES).then_some(found)
    });
    let found = found.with_context(|| {
        let count = alerts(agent, &id, rule).len();
        format!("{count} of {SAMPLES} alerts\n{}", agent.log_tail())
    })?;
    let mut latencies = found.iter().map(latency).collect::<Result<Vec<_>>>()?;
    latencies.sort_unstable();
    docker.docker(["rm", "--force", name])?;
    Ok(latencies)
}

fn latency(line: &Line) -> Result<Duration> {
    let time: Timestamp = serde_json::from_value(line.value["time"].clone())?;
    let happened = UNIX_EPOCH + Duration::from_nanos(u64::try_from(time.0)?);
    line.received
        .duration_since(happened)
        .context("the line came before the deed")
}

/// What is promised of a kind of alert.
struct Promise {
    what: &'static str,
    deed: &'static str,
    rule: &'static str,
    p50: Duration,
    p99: Duration,
}

impl Promise {
    fn assert_kept(&self, docker: &Docker, agent: &AgentProcess) -> Result<()> {
        let sorted = latencies(docker, agent, self.deed, self.rule)?;
        let at = |percent: usize| sorted[(sorted.len() * percent / 100).min(sorted.len() - 1)];
        println!(
            "{}: {} samples, p50 {:.1?}, p90 {:.1?}, p99 {:.1?}, max {:.1?}",
            self.what,
            sorted.len(),
            at(50),
            at(90),
            at(99),
            at(100)
        );
        assert!(at(50) <= self.p50, "{}: p50 is {:?}", self.what, at(50));
        assert!(at(99) <= self.p99, "{}: p99 is {:?}", self.what, at(99));
        Ok(())
    }
}

#[test]
fn alerts_are_printed_soon_after_the_deed() -> Result<()> {
    if !can_run(&NEEDED) {
        return Ok(());
    }
    let docker = Docker::start("latency", CgroupView::Host)?;
    docker.load(Set::Busybox)?;
    let agent = start(&docker)?;
    let kernel = Promise {
        what: "decided in the kernel",
        deed: "cp /bin/busybox /tmp/t$i; /tmp/t$i true; rm /tmp/t$i",
        rule: "drift.exec_from_tmp",
        p50: Duration::from_millis(20),
        p99: Duration::from_millis(100),
    };
    let daemon = Promise {
        what: "decided by the daemon",
        // Ended only when it listens: a busy machine takes its time.
        deed: "nc -l -p $((10000+i)) & until cat /proc/net/tcp* | grep -q \":$(printf %04X $((10000+i))) \"; \
               do usleep 2000; done; kill $!",
        rule: "listener.shell_spawned",
        p50: Duration::from_millis(60),
        p99: Duration::from_millis(150),
    };
    kernel.assert_kept(&docker, &agent)?;
    daemon.assert_kept(&docker, &agent)
}

/// Processor time that a process used.
fn cpu_time(pid: u32) -> Result<Duration> {
    // Fields 14 and 15, after the name in parentheses; in ticks, hundredths of a second on every Linux.
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    let ticks: u64 = fields.skip(11).take(2).flat_map(str::parse::<u64>).sum();
    Ok(Duration::from_millis(ticks * 10))
}

fn resident_kib(pid: u32) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let size = line.and_then(|line| line.split_whitespace().next());
    Ok(size.context("no VmRSS")?.parse()?)
}

/// Share of a core that the agent used during [`IDLE_FOR`], percent.
fn idle_share(agent: &AgentProcess) -> Result<f64> {
    let (begun, used) = (SystemTime::now(), cpu_time(agent.pid())?);
    thread::sleep(IDLE_FOR);
    let used = cpu_time(agent.pid())? - used;
    Ok(used.as_secs_f64() / begun.elapsed()?.as_secs_f64() * 100.0)
}

#[test]
fn an_idle_agent_costs_nothing() -> Result<()> {
    if !can_run(&NEEDED) {
        return Ok(());
    }
    let docker = Docker::start("idle", CgroupView::Host)?;
    docker.load(Set::Busybox)?;
    let agent = start(&docker)?;
    for name in ["one", "two", "three"] {
        container(&docker, &agent, name)?;
    }
    thread::sleep(Duration::from_secs(3));
    let share = idle_share(&agent)?;
    let resident = resident_kib(agent.pid())?;
    println!(
        "idle: {share:.2} % of a core, {:.1} MiB resident",
        resident as f64 / 1024.0
    );
    assert!(share < 0.5, "{share:.2} % of a core");
    assert!(resident < 40 << 10, "{resident} KiB resident");
    Ok(())
}
