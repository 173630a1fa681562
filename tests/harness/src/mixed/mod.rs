//! The mixed run: nginx, redis and postgres under load, and beside it all that is ordinary on a host: reloads, restarts,
//! replaced containers, saves, log rotation, cron, health checks, a package that an image build installs. Nobody is to be
//! disturbed by it. `cargo xtask corpus --mixed` runs it.
//!
//! Operations have their times, and end when their effect is there; one that fails ends the run.

mod created;
mod figures;
mod learners;
mod operation;
mod report;
mod schedule;
mod services;
mod stage;

pub use figures::Figures;
pub use report::{Alert, Done, Report};

use crate::agent::{AgentProcess, Options};
use crate::image::Set;
use crate::lab::Docker;
use anyhow::{Context, Result, bail};
use created::Created;
use learners::Learners;
use operation::OPERATIONS;
use schedule::{Schedule, Turns};
use stage::Stage;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

/// A run in which each operation has its turn.
pub const SHORTEST: Duration = Duration::from_secs(3 * 60);
/// How long profiles are learned: each operation comes twice.
pub const LEARN: Duration = Duration::from_secs(6 * 60);

const MINUTE: Duration = Duration::from_secs(60);

/// Makes the images that the containers start from.
///
/// # Errors
/// When they cannot be made or loaded.
pub fn prepare(docker: &Docker) -> Result<()> {
    docker.load(Set::Services)?;
    docker.load(Set::CorpusBenign)?;
    stage::build(docker, "batch", services::BATCH_IMAGE)
}

/// Learns a profile of each image from [`LEARN`] of the same work, calls it complete, and leaves it in `folder`; `tell` is
/// told how far it is, once a minute.
///
/// # Errors
/// When an operation fails, or of some image nothing was learned.
pub fn learn(docker: &Docker, options: &Options, folder: &Path, tell: &dyn Fn(&str)) -> Result<()> {
    let agent = AgentProcess::start(options)?;
    let stage = Stage::set(docker)?;
    let learners = Learners::start(&agent, &stage, folder, LEARN)?;
    let work = Work::carry_out(&stage, LEARN, &|minute, done| {
        tell(&format!("{minute} min of learning, {done} operations"));
        Ok(())
    });
    match work.failure {
        Some(failure) => bail!("while profiles were learned: {failure}"),
        None => learners.finish(),
    }
}

/// Does the work for so long beside an agent with these options; `tell` is told how far it is, once a minute. An
/// operation that fails ends the run early, and is a fault in its report.
///
/// # Errors
/// When a service does not come up, or the agent ends.
pub fn measure(docker: &Docker, options: &Options, length: Duration, tell: &dyn Fn(&str)) -> Result<Report> {
    let mut created = Created::follow(docker)?;
    let agent = AgentProcess::start(options)?;
    let started = Instant::now();
    let stage = Stage::set(docker)?;
    let work = Work::carry_out(&stage, length, &|minute, done| {
        tell(&progress(&agent, minute, done)?);
        Ok(())
    });
    let load = stage.rounds()?;
    let figures = Figures::of(&agent, started.elapsed()).with_context(|| {
        let failure = work.failure.as_deref().unwrap_or("all work was done");
        format!("{failure}; the agent:\n{}", agent.log_tail())
    })?;
    // Its end is ordinary work too, and what the agent has not said yet it says when it ends.
    drop(stage);
    let (status, lines) = agent.finish()?;
    let mut faults = work.faults();
    if !status.success() {
        faults.push(format!("the agent ended with {status}"));
    }
    Ok(Report {
        kernel: crate::corpus::kernel(),
        is_learned: options.profiles.is_some(),
        seconds: work.took.as_secs_f64(),
        operations: work.done(),
        load,
        alerts: report::alerts_of(&lines, &created.ids()?),
        agent: figures,
        faults,
    })
}

/// # Errors
/// When the agent has ended.
fn progress(agent: &AgentProcess, minute: u64, done: u64) -> Result<String> {
    let (lines, memory) = (agent.mark(), agent.resident_bytes()? >> 20);
    Ok(format!(
        "{minute} min, {done} operations; the agent has said {lines} lines and has {memory} MiB"
    ))
}

/// What was done.
#[derive(Debug)]
struct Work {
    /// By the place of the operation.
    turns: Vec<Turns>,
    took: Duration,
    /// Of which operation, when and why.
    failure: Option<String>,
}

impl Work {
    /// For so long, or until something fails; `tell` is told once a minute the minute and the number of operations.
    fn carry_out(stage: &Stage<'_>, length: Duration, tell: Tell<'_>) -> Self {
        let begun = Instant::now();
        let mut schedule = Schedule::new(OPERATIONS.iter().map(|operation| operation.pace));
        let failure = turn_by_turn(&mut schedule, stage, (begun, length), tell).err();
        Self {
            turns: schedule.turns().to_vec(),
            took: begun.elapsed(),
            failure: failure.map(|error| format!("{error:#}")),
        }
    }

    fn done(&self) -> Vec<Done> {
        let pairs = OPERATIONS.iter().zip(&self.turns);
        pairs
            .map(|(operation, turns)| Done {
                name: operation.name,
                times: turns.done,
                left_out: turns.left_out,
            })
            .collect()
    }

    fn faults(&self) -> Vec<String> {
        if let Some(failure) = &self.failure {
            return vec![failure.clone()];
        }
        let idle = self.done().into_iter().filter(|done| done.times == 0);
        idle.map(|done| format!("{}: not carried out once", done.name))
            .collect()
    }
}

/// Who is told once a minute the minute and the number of operations.
type Tell<'a> = &'a dyn Fn(u64, u64) -> Result<()>;

/// One operation after the other; what is late when the time is over is not begun.
fn turn_by_turn(
    schedule: &mut Schedule,
    stage: &Stage<'_>,
    (begun, length): (Instant, Duration),
    tell: Tell<'_>,
) -> Result<()> {
    let (mut minute, mut done) = (0, 0);
    let in_time = |(_, due): &(usize, Duration)| *due < length && begun.elapsed() < length;
    while let Some((place, due)) = schedule.due().filter(in_time) {
        thread::sleep(due.saturating_sub(begun.elapsed()));
        let operation = &OPERATIONS[place];
        (operation.carry_out)(stage)
            .with_context(|| format!("{}, {} s after the start", operation.name, due.as_secs()))?;
        schedule.over(place, begun.elapsed());
        done += 1;
        let now = begun.elapsed().as_secs() / MINUTE.as_secs();
        if now > minute {
            minute = now;
            tell(minute, done)?;
        }
    }
    thread::sleep(length.saturating_sub(begun.elapsed()));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn work(failure: Option<&str>) -> Work {
        let schedule = Schedule::new(OPERATIONS.iter().map(|operation| operation.pace));
        Work {
            turns: schedule.turns().to_vec(),
            took: Duration::ZERO,
            failure: failure.map(str::to_owned),
        }
    }

    #[test]
    fn what_was_not_carried_out_is_a_fault() {
        let mut work = work(None);
        assert_eq!(work.faults().len(), OPERATIONS.len());
        work.turns.iter_mut().for_each(|turns| turns.done = 1);
        assert_eq!(work.faults(), Vec::<String>::new());
        work.turns[0].done = 0;
        let fault = format!("{}: not carried out once", OPERATIONS[0].name);
        assert_eq!(work.faults(), [fault]);
    }

    #[test]
    fn what_failed_explains_all_that_was_not_carried_out_after_it() {
        assert_eq!(
            work(Some("nginx reload: refused")).faults(),
            ["nginx reload: refused"]
        );
    }
}
