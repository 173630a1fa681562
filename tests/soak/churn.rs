//! Many short containers: each one's first program is its own, and nothing of them stays.

use crate::MEMORY;
use agent_tests::agent::{AgentProcess, Options};
use agent_tests::capability::{Capability, can_run};
use agent_tests::command::wait_until;
use agent_tests::image::{BUSYBOX, Set};
use agent_tests::lab::{CgroupView, Docker, Runc};
use agent_tests::length;
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::collections::{HashMap, HashSet};
use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Containers at a time.
const TOGETHER: usize = 20;
/// So many containers the daemon remembers after their end: memory grows until they are that many.
const REMEMBERED: usize = 1024;
/// Bytes that a container may leave behind.
const SLOPE: f64 = 1024.0;
/// Memory is measured once in so many containers.
const EVERY: usize = 25;
/// A slot rests for half a minute, and a record that is lost is missed for one or two.
const BACK_WITHIN: Duration = Duration::from_secs(180);
const SOON: Duration = Duration::from_secs(30);
/// What must be as it was before.
const MAPS: [&str; 6] = [
    "cgroups",
    "container_ids",
    "slots",
    "candidate_slots",
    "slots_resting",
    "deviations",
];
const TABLES: [&str; 7] = [
    "containers",
    "containers_unnamed",
    "candidates",
    "waiting_containers",
    "waiting_missed",
    "reviewed_containers",
    "alert_windows",
];
/// What is kept of containers that are gone, as long as late records can name them: ten minutes.
const KEPT: [&str; 3] = ["early_descriptions", "startups", "detector_state"];

/// `agent watch`: whose program had which mark as its argument.
struct Watcher {
    child: Child,
    owners: Arc<Mutex<HashMap<String, String>>>,
}

impl Watcher {
    fn start(agent: &AgentProcess) -> Result<Self> {
        let mut watch = agent.client(&["watch", "--json", "--kind", "exec"]);
        let mut child = watch.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
        let stdout = child.stdout.take().context("no pipe")?;
        let owners: Arc<Mutex<HashMap<String, String>>> = Arc::default();
        let found = Arc::clone(&owners);
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let Some((mark, id)) = owner(&line) else { continue };
                let mut owners = found.lock().unwrap_or_else(PoisonError::into_inner);
                owners.entry(mark).or_insert(id);
            }
        });
        wait_until("the watcher is known", SOON, || {
            let status = agent.status().ok()?;
            (status["watchers"].as_u64() > Some(0)).then_some(())
        })?;
        Ok(Self { child, owners })
    }

    fn owners(&self) -> HashMap<String, String> {
        self.owners.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// The mark of a `true MARK`, and the container that it was executed in.
fn owner(line: &str) -> Option<(String, String)> {
    let event: Value = serde_json::from_str(line).ok()?;
    let mark = event["process"]["args"].get(1)?.as_str()?.strip_prefix("mark-")?;
    Some((mark.to_owned(), event["container"]["id"].as_str()?.to_owned()))
}

/// Runs `count` containers, some at a time; how much memory the agent had after how many.
fn run_all(
    agent: &AgentProcess,
    count: usize,
    one: impl Fn(usize) -> Result<()> + Sync,
) -> Result<Vec<(f64, f64)>> {
    let (next, samples) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let work = || -> Result<()> {
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= count {
                return Ok(());
            }
            one(number)?;
            if number % EVERY == 0 {
                #[expect(clippy::cast_precision_loss, reason = "figures of a measurement")]
                let sample = (number as f64, agent.resident_bytes()? as f64);
                samples
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push(sample);
            }
        }
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..TOGETHER).map(|_| scope.spawn(work)).collect();
        threads
            .into_iter()
            .try_for_each(|thread| thread.join().ok().context("a thread panicked")?)
    })?;
    Ok(samples.into_inner().unwrap_or_else(PoisonError::into_inner))
}

/// Bytes per container, by least squares.
fn slope(samples: &[(f64, f64)]) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "figures of a measurement")]
    let count = samples.len() as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| samples.iter().map(of).sum::<f64>() / count;
    let (x, y) = (mean(|sample| sample.0), mean(|sample| sample.1));
    let covariance: f64 = samples.iter().map(|sample| (sample.0 - x) * (sample.1 - y)).sum();
    let variance: f64 = samples.iter().map(|sample| (sample.0 - x).powi(2)).sum();
    covariance / variance
}

fn entries(status: &Value, section: &str, name: &str) -> u64 {
    status[section][name]["entries"].as_u64().unwrap_or(u64::MAX)
}

/// A moment of the agent: what it holds, and how many containers of others may have come and gone until then.
struct Moment {
    status: Value,
    /// Records of containers' lives so far.
    lives: u64,
}

impl Moment {
    /// When every container that was there before has its name, or is known to have none.
    fn settled(agent: &AgentProcess) -> Result<Self> {
        let mut now = None;
        wait_until("the names of containers that others run", SOON, || {
            let moment = Self::now(agent).ok()?;
            let named = moment
                .containers()
                .all(|container| container["metadata"] != "pending");
            now = Some(moment);
            named.then_some(())
        })?;
        now.context("no status")
    }

    fn now(agent: &AgentProcess) -> Result<Self> {
        let status = agent.status()?;
        let lives = status["events"]["container"]["sent"].as_u64().unwrap_or(0);
        Ok(Self { status, lives })
    }

    fn ids(&self) -> HashSet<&str> {
        self.containers()
            .filter_map(|container| container["id"].as_str())
            .collect()
    }

    fn containers(&self) -> impl Iterator<Item = &Value> {
        self.status["containers"].as_array().into_iter().flatten()
    }
}

/// What is more than before. On a machine that others use some of theirs may have come since, or have ended after ours did.
fn left_over(before: &Moment, end: &Moment, now: &Moment) -> Vec<String> {
    let new = now.ids().difference(&before.ids()).count() as u64;
    let others = new + (now.lives - end.lives);
    let gone = entries(&now.status, "tables", "containers_gone");
    let (before, now) = (&before.status, &now.status);
    let of = |section: &'static str, names: &'static [&str]| names.iter().map(move |name| (section, *name));
    let all = of("maps", &MAPS).chain(of("tables", &TABLES));
    all.filter(|(section, name)| entries(now, section, name) > entries(before, section, name) + 2 * others)
        .chain(of("tables", &KEPT).filter(|(section, name)| entries(now, section, name) > gone + others))
        .map(|(section, name)| {
            let (then, now) = (entries(before, section, name), entries(now, section, name));
            format!("{section} {name}: {then} before, {now} now, {others} of others")
        })
        .collect()
}

/// Waits until none of `ours` runs, then until every map and table is as it was.
fn assert_back<'a>(
    agent: &AgentProcess,
    before: &Moment,
    ours: impl Iterator<Item = &'a String> + Clone,
) -> Result<()> {
    let end = wait_until("the end of all containers", SOON, || {
        let now = Moment::now(agent).ok()?;
        let left = ours.clone().any(|id| now.ids().contains(id.as_str()));
        (!left).then_some(now)
    })?;
    let mut left = Vec::new();
    wait_until("every map and table is as it was", BACK_WITHIN, || {
        left = left_over(before, &end, &Moment::now(agent).ok()?);
        left.is_empty().then_some(())
    })
    .with_context(|| left.join("; "))?;
    ensure!(
        agent.metric("vigia_container_ends_lost_total")? == 0.0,
        "ends were lost"
    );
    Ok(())
}

/// Each mark was seen in the container that it was given to.
fn assert_owners(watcher: &Watcher, wanted: &HashMap<String, String>) -> Result<()> {
    let wrong = || {
        let found = watcher.owners();
        let wrong = wanted.iter().filter(|(mark, id)| found.get(*mark) != Some(id));
        wrong
            .map(|(mark, id)| format!("{mark}: {id}, said to be {:?}", found.get(mark)))
            .collect::<Vec<_>>()
    };
    let all = wait_until("every first program", SOON, || wrong().is_empty().then_some(()));
    all.with_context(|| format!("of {} containers: {}", wanted.len(), wrong().join("\n")))
}

#[test]
fn short_containers_of_runc_leave_nothing_behind() -> Result<()> {
    if !can_run(&[Capability::Root, Capability::Bpf, Capability::Runc]) {
        return Ok(());
    }
    let count = length::choose(100, 2000);
    let agent = AgentProcess::start(&Options::default())?;
    let (runc, before) = (Runc::prepare("churn")?, Moment::settled(&agent)?);
    let watcher = Watcher::start(&agent)?;
    let ids: Vec<String> = (0..count).map(|_| runc.new_id()).collect();
    let mut samples = run_all(&agent, count, |number| {
        let id = ids.get(number).context("an id")?;
        runc.run(id, &["true", &format!("mark-{id}")]).map(drop)
    })?;
    assert_owners(&watcher, &ids.iter().map(|id| (id.clone(), id.clone())).collect())?;
    drop(watcher);
    assert_back(&agent, &before, ids.iter())?;
    let memory = agent.resident_bytes()?;
    ensure!(memory < MEMORY, "{} MiB", memory >> 20);
    #[expect(clippy::cast_precision_loss, reason = "figures of a measurement")]
    samples.retain(|(number, _)| *number > REMEMBERED as f64 * 1.1);
    if length::is_full() {
        let slope = slope(&samples);
        println!(
            "{slope:.0} bytes per container over {} samples, {} MiB",
            samples.len(),
            memory >> 20
        );
        ensure!(slope < SLOPE, "{slope:.0} bytes per container: {samples:?}");
    }
    Ok(())
}

#[test]
fn short_containers_of_docker_leave_nothing_behind() -> Result<()> {
    if !can_run(&[Capability::Root, Capability::Bpf, Capability::Docker]) {
        return Ok(());
    }
    let count = length::choose(20, 200);
    let docker = Docker::start("churn", CgroupView::Host)?;
    docker.load(Set::Busybox)?;
    let agent = AgentProcess::start(&Options {
        docker_host: Some(docker.host()),
        ..Options::default()
    })?;
    let before = Moment::settled(&agent)?;
    let watcher = Watcher::start(&agent)?;
    let ids = Mutex::new(HashMap::new());
    run_all(&agent, count, |number| {
        let file = docker.folder().join(format!("id-{number}"));
        let (mark, cidfile) = (format!("mark-{number}"), file.display().to_string());
        docker.docker(["run", "--rm", "--cidfile", &cidfile, BUSYBOX, "true", &mark])?;
        let id = std::fs::read_to_string(&file)?;
        ids.lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(number.to_string(), id);
        Ok(())
    })?;
    let ids = ids.into_inner().unwrap_or_else(PoisonError::into_inner);
    assert_owners(&watcher, &ids)?;
    drop(watcher);
    assert_back(&agent, &before, ids.values())
}
