//! What users were promised: alerts soon after the deed, and an agent that costs nothing while nothing happens.
//! The tests' build keeps these promises too; `--full` measures the release build, of which `docs/performance.md` has the figures.
#![expect(clippy::print_stdout, reason = "figures for docs/performance.md")]

use agent_tests::agent::{AgentProcess, Line, Options};
use agent_tests::capability::{Capability, can_run};
use agent_tests::image::{BUSYBOX, Set};
use agent_tests::lab::{CgroupView, Docker};
use agent_tests::measure::{Samples, Subject, cpu_time, demand};
use agent_tests::{command, length, paths};
use anyhow::{Context, Result};
use serde_json::Value;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

const NEEDED: [Capability; 3] = [Capability::Root, Capability::Bpf, Capability::Docker];
const SAMPLES: usize = 200;
/// Between two deeds, so that each meets an agent that sleeps. No multiple of its polling interval.
const PAUSE: Duration = Duration::from_millis(73);
const ALL_WITHIN: Duration = Duration::from_secs(30);
const IDLE_FOR: Duration = Duration::from_secs(30);

/// `None`: the tests' own. Of a full run the release build, which takes minutes: `VIGIA_TEST_RELEASE_AGENT`, else it is built.
fn measured_agent() -> Result<Option<PathBuf>> {
    if let Some(path) = std::env::var_os("VIGIA_TEST_RELEASE_AGENT") {
        return Ok(Some(path.into()));
    }
    if !length::is_full() {
        return Ok(None);
    }
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut build = Command::new(cargo);
    build
        .args(["build", "--quiet", "--release", "--package", "agent"])
        .current_dir(paths::workspace());
    let output = command::run_within(&mut build, Duration::from_secs(1800))?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    anyhow::ensure!(output.status.success(), "{said}");
    Ok(Some(paths::target_dir().join("release/agent")))
}

fn subject(agent: &AgentProcess) -> Subject<'_> {
    Subject {
        pid: agent.pid(),
        folder: agent.folder(),
    }
}

fn start(docker: &Docker) -> Result<AgentProcess> {
    AgentProcess::start(&Options {
        binary: measured_agent()?,
        docker_host: Some(docker.host()),
        ..Options::default()
    })
}

/// A container with a name that the agent knows.
fn container(docker: &Docker, agent: &AgentProcess, name: &str) -> Result<String> {
    // On tmpfs no inode is used twice: every dropped program is a behaviour of its own.
    let run = ["run", "--detach", "--tmpfs", "/tmp:exec", "--name", name];
    let id = docker.docker(run.into_iter().chain([BUSYBOX, "sleep", "10000"]))?;
    agent.wait_for_container(&id, "resolved")?;
    Ok(id)
}

/// A container in which one deed is done again and again.
struct Bench<'a> {
    docker: &'a Docker,
    agent: &'a AgentProcess,
    name: &'static str,
    id: String,
    /// Deeds done; each has a number of its own, so that each is a behaviour of its own.
    done: usize,
}

impl<'a> Bench<'a> {
    fn set(docker: &'a Docker, agent: &'a AgentProcess, name: &'static str) -> Result<Self> {
        Ok(Self {
            docker,
            agent,
            name,
            id: container(docker, agent, name)?,
            done: 0,
        })
    }

    /// Does the deed [`SAMPLES`] times. From the event, by the kernel's clock, to the moment at which the line was read.
    fn latencies(&mut self, promise: &Promise) -> Result<Samples> {
        let (mark, first) = (self.agent.mark(), self.done);
        self.done += SAMPLES;
        let script = format!(
            "i={first}; while [ $i -lt {} ]; do {}; usleep {}; i=$((i+1)); done",
            self.done,
            promise.deed,
            PAUSE.as_micros()
        );
        self.docker.docker(["exec", self.name, "sh", "-c", &script])?;
        let found = command::wait_until(promise.rule, ALL_WITHIN, || {
            let found = self.alerts(mark, promise.rule);
            (found.len() >= SAMPLES).then_some(found)
        });
        let found = found.with_context(|| {
            let count = self.alerts(mark, promise.rule).len();
            format!("{count} of {SAMPLES} alerts\n{}", self.agent.log_tail())
        })?;
        let latencies = found.iter().map(Line::latency).collect::<Option<_>>();
        Ok(Samples::new(latencies.context("an alert came before its deed")?))
    }

    /// Alerts of one rule about this container, once each.
    fn alerts(&self, mark: usize, rule: &str) -> Vec<Line> {
        let of_interest = |value: &Value| {
            value["rule"] == rule && value["container"]["id"] == self.id.as_str() && value["revision"] == 0
        };
        let lines = self.agent.lines().into_iter().skip(mark);
        lines.filter(|line| of_interest(&line.value)).collect()
    }
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
    /// What starts the container is no part of the measurement: it would disturb it.
    fn demand(&self, mut bench: Bench<'_>) -> Result<()> {
        demand(self.what, subject(bench.agent), || {
            let latencies = bench.latencies(self)?;
            println!("{}: {latencies}", self.what);
            Ok(self.complaint(&latencies))
        })
    }

    fn complaint(&self, latencies: &Samples) -> Option<String> {
        let (p50, p99) = (latencies.at(50), latencies.at(99));
        (p50 > self.p50 || p99 > self.p99)
            .then(|| format!("p50 {p50:.1?} of {:?}, p99 {p99:.1?} of {:?}", self.p50, self.p99))
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
    kernel.demand(Bench::set(&docker, &agent, "dropper")?)?;
    daemon.demand(Bench::set(&docker, &agent, "listener")?)
}

fn resident_kib(pid: u32) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let size = line.and_then(|line| line.split_whitespace().next());
    Ok(size.context("no VmRSS")?.parse()?)
}

/// Share of a core that the agent used during [`IDLE_FOR`], percent.
fn idle_share(agent: &AgentProcess) -> Result<f64> {
    let (begun, used) = (Instant::now(), cpu_time(agent.pid())?);
    thread::sleep(IDLE_FOR);
    let used = cpu_time(agent.pid())? - used;
    Ok(used.as_secs_f64() / begun.elapsed().as_secs_f64() * 100.0)
}

/// What it may be. Assertions and overflow checks cost the tests' build a third more.
fn most_idle() -> f64 {
    length::choose(1.0, 0.5)
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
    demand("idle", subject(&agent), || {
        let share = idle_share(&agent)?;
        println!("idle: {share:.3} % of a core");
        Ok((share >= most_idle()).then(|| format!("{share:.3} % of a core")))
    })?;
    let resident = resident_kib(agent.pid())?;
    println!("idle: {:.1} MiB resident", resident as f64 / 1024.0);
    // The tests' build has more code.
    let most = length::choose(48 << 10, 40 << 10);
    assert!(resident < most, "{resident} KiB resident");
    Ok(())
}
