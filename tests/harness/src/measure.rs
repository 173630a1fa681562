//! Measurements on machines that others use too.
//!
//! A promise about time is kept or broken by the agent, yet what is measured is the agent and whatever else the machine
//! does. So an independent observer measures the machine in the same round, on the same disk: a round that breaks the
//! promise is repeated only when the observer itself was delayed, and never when the agent was what used the machine.

use crate::capability::{Capability, skip};
use anyhow::{Context, Result, bail};
use nix::time::clock_getcpuclockid;
use nix::unistd::Pid;
use std::fmt;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// After so many disturbed rounds the machine is no place to measure.
const ROUNDS: usize = 3;
/// How long the observer sleeps each time.
const NAP: Duration = Duration::from_millis(10);
/// It syncs once in so many naps.
const NAPS_PER_SYNC: usize = 5;
/// A process that wants to run on an idle machine does so in less than a millisecond.
const DELAYED_WAKEUP: Duration = Duration::from_millis(10);
/// A disk that has nothing else to do takes some milliseconds.
const DELAYED_SYNC: Duration = Duration::from_millis(50);
/// Percent of a core; an agent that uses more than this has itself to blame.
const INNOCENT_SHARE: f64 = 30.0;

/// Durations, smallest first.
#[derive(Debug, Clone, Default)]
pub struct Samples(Vec<Duration>);

impl Samples {
    #[must_use]
    pub fn new(mut samples: Vec<Duration>) -> Self {
        samples.sort_unstable();
        Self(samples)
    }

    /// The smallest one that so many percent do not exceed; zero when there are none.
    #[must_use]
    pub fn at(&self, percent: usize) -> Duration {
        let place = (self.0.len() * percent / 100).min(self.0.len().saturating_sub(1));
        self.0.get(place).copied().unwrap_or_default()
    }
}

impl fmt::Display for Samples {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [p50, p90, p99, max] = [50, 90, 99, 100].map(|percent| self.at(percent));
        let count = self.0.len();
        write!(
            f,
            "{count} samples, p50 {p50:.1?}, p90 {p90:.1?}, p99 {p99:.1?}, max {max:.1?}"
        )
    }
}

/// What the observer saw of the machine while a round ran.
#[derive(Debug, Clone)]
pub struct Surroundings {
    /// How much later than asked for a sleeping thread ran.
    pub wakeups: Samples,
    /// How long the disk took for one block.
    pub syncs: Samples,
    /// Of a core, by the process that is measured; percent.
    pub own_share: f64,
}

impl Surroundings {
    /// Whether somebody else had the processors or the disk.
    #[must_use]
    pub fn are_disturbed(&self) -> bool {
        let is_delayed = self.wakeups.at(99) > DELAYED_WAKEUP || self.syncs.at(99) > DELAYED_SYNC;
        is_delayed && self.own_share < INNOCENT_SHARE
    }
}

impl fmt::Display for Surroundings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = if self.are_disturbed() { "disturbed" } else { "calm" };
        write!(
            f,
            "{word}: the agent used {:.2} % of a core; wake-ups: {}; syncs: {}",
            self.own_share, self.wakeups, self.syncs
        )
    }
}

/// The process that is measured, and a folder on the disk that it uses.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    pub pid: u32,
    pub folder: &'a Path,
}

/// Demands that each round keeps the promise: `measure` says what is wrong, if anything is. Only disturbed rounds are
/// repeated; when all were, the test is skipped for lack of a quiet machine.
///
/// # Errors
/// When a round cannot be measured, or an undisturbed one breaks the promise.
#[expect(clippy::print_stdout, reason = "the figures of every round")]
pub fn demand(
    what: &str,
    subject: Subject<'_>,
    mut measure: impl FnMut() -> Result<Option<String>>,
) -> Result<()> {
    for round in 1..=ROUNDS {
        let observer = Observer::start(subject)?;
        let complaint = measure();
        let surroundings = observer.finish()?;
        println!("{what}: round {round}: {surroundings}");
        match complaint? {
            None => return Ok(()),
            Some(complaint) if surroundings.are_disturbed() => println!("{what}: again, for {complaint}"),
            Some(complaint) => bail!("{what}: {complaint}; {surroundings}"),
        }
    }
    skip(
        Capability::Quiet,
        &format!("{what}: others disturbed all {ROUNDS} rounds"),
    );
    Ok(())
}

/// Processor time that all threads of a process used, ended ones too: nanoseconds, where `/proc/PID/stat` has hundredths
/// of a second and `/proc/PID/task` forgets threads that ended.
///
/// # Errors
/// When there is no such process.
pub fn cpu_time(pid: u32) -> Result<Duration> {
    let process = Pid::from_raw(i32::try_from(pid)?);
    let clock = clock_getcpuclockid(process).with_context(|| format!("process {pid}"))?;
    Ok(clock.now()?.into())
}

/// Measures the machine on a thread of its own until it is told to finish.
struct Observer {
    pid: u32,
    begun: Instant,
    cpu_before: Duration,
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Result<(Samples, Samples)>>,
}

impl Observer {
    fn start(subject: Subject<'_>) -> Result<Self> {
        let path = subject.folder.join("observer");
        let file = File::create(&path).with_context(|| path.display().to_string())?;
        let stop = Arc::new(AtomicBool::new(false));
        let thread = thread::spawn({
            let stop = Arc::clone(&stop);
            move || observe(&file, &stop)
        });
        Ok(Self {
            pid: subject.pid,
            begun: Instant::now(),
            cpu_before: cpu_time(subject.pid)?,
            stop,
            thread,
        })
    }

    fn finish(self) -> Result<Surroundings> {
        let used = cpu_time(self.pid)?.saturating_sub(self.cpu_before);
        let own_share = used.as_secs_f64() / self.begun.elapsed().as_secs_f64() * 100.0;
        self.stop.store(true, Ordering::Relaxed);
        let Ok(seen) = self.thread.join() else {
            bail!("the observer panicked")
        };
        let (wakeups, syncs) = seen?;
        Ok(Surroundings {
            wakeups,
            syncs,
            own_share,
        })
    }
}

/// Delays of wake-ups, and durations of syncs. Like the spool it writes into space that is reserved already.
fn observe(file: &File, stop: &AtomicBool) -> Result<(Samples, Samples)> {
    let block = [0x5a; 4096];
    file.write_all_at(&block, 0)?;
    file.sync_all()?;
    let (mut wakeups, mut syncs) = (Vec::new(), Vec::new());
    while !stop.load(Ordering::Relaxed) {
        let begun = Instant::now();
        thread::sleep(NAP);
        wakeups.push(begun.elapsed().saturating_sub(NAP));
        if wakeups.len() % NAPS_PER_SYNC == 0 {
            let begun = Instant::now();
            file.write_all_at(&block, 0)?;
            file.sync_data()?;
            syncs.push(begun.elapsed());
        }
    }
    Ok((Samples::new(wakeups), Samples::new(syncs)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::hint::black_box;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    fn surroundings(wakeup: Duration, sync: Duration, own_share: f64) -> Surroundings {
        Surroundings {
            wakeups: Samples::new(vec![wakeup; 100]),
            syncs: Samples::new(vec![sync; 100]),
            own_share,
        }
    }

    #[test]
    fn percentiles_are_those_of_the_sorted_samples() {
        let samples = Samples::new((1..=200).rev().map(MS).collect());
        assert_eq!(
            [50, 99, 100].map(|percent| samples.at(percent)),
            [101, 199, 200].map(MS)
        );
        assert_eq!(Samples::default().at(99), Duration::ZERO);
    }

    #[test]
    fn only_others_disturb() {
        assert!(!surroundings(MS(1), MS(10), 0.4).are_disturbed());
        assert!(surroundings(MS(11), MS(10), 0.4).are_disturbed());
        assert!(surroundings(MS(1), MS(51), 0.4).are_disturbed());
        assert!(
            !surroundings(MS(11), MS(51), 90.0).are_disturbed(),
            "its own fault"
        );
    }

    #[test]
    fn one_hiccup_is_no_disturbance() {
        let mut wakeups = vec![MS(1); 200];
        wakeups[0] = MS(500);
        let calm = Surroundings {
            wakeups: Samples::new(wakeups),
            ..surroundings(MS(1), MS(1), 0.4)
        };
        assert!(!calm.are_disturbed());
    }

    #[test]
    fn a_promise_that_is_kept_is_measured_once() -> Result<()> {
        let folder = tempfile::tempdir()?;
        let subject = Subject {
            pid: std::process::id(),
            folder: folder.path(),
        };
        let mut rounds = 0;
        demand("kept", subject, || {
            rounds += 1;
            Ok(None)
        })?;
        assert_eq!(rounds, 1);
        Ok(())
    }

    #[test]
    fn the_time_of_all_threads_counts() -> Result<()> {
        let before = cpu_time(std::process::id())?;
        let work = || black_box((0..1_000_000_u64).fold(0, u64::wrapping_mul));
        thread::spawn(work).join().expect("no panic");
        // The thread has ended, and what it used still counts.
        assert!(cpu_time(std::process::id())? > before);
        Ok(())
    }
}
