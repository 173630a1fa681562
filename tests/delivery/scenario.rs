//! The one scenario, for every receiver: all alerts arrive.

use crate::courier_process::Courier;
use agent_tests::command::wait_until;
use agent_tests::length;
use anyhow::{Context, Result, ensure};
use std::collections::HashSet;
use std::path::Path;
use std::time::Duration;

const WITHIN: Duration = Duration::from_secs(180);
/// A sink that has nothing to send looks after its connection every second.
const NOTICES: Duration = Duration::from_secs(5);

/// A server that alerts are sent to. It keeps its folder and its port when it is killed and started again.
pub(crate) trait Receiver {
    /// Returns when it takes alerts.
    fn start(&mut self) -> Result<()>;
    /// By SIGKILL.
    fn kill(&mut self) -> Result<()>;
    /// True: what it acknowledged in its last moment it may have nowhere but in memory, also when it is asked to end. The agent is held
    /// then while it ends.
    fn forgets(&self) -> bool {
        false
    }
    /// What it has got so far: `<id>-<revision>` of each alert, as often as it came.
    fn received(&mut self) -> Result<Vec<String>>;
}

/// How hard it is made.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Trial {
    pub(crate) alerts: u64,
    /// Of each side.
    pub(crate) kills: u32,
}

impl Trial {
    /// What the issue of delivery asks for, or a part of it that CI has time for.
    pub(crate) fn of_this_run() -> Self {
        let (alerts, kills) = length::choose((2_000, 1), (10_000, 5));
        Self { alerts, kills }
    }

    /// For receivers that forget what they got when they are killed.
    pub(crate) fn without_kills(self) -> Self {
        Self { kills: 0, ..self }
    }
}

/// The receiver is down when the spool is filled, then both sides are killed in turn while alerts travel. Every alert must be there in
/// the end; how many came twice is printed.
#[expect(
    clippy::print_stdout,
    reason = "how often alerts came twice is of interest, and no failure"
)]
pub(crate) fn all_arrive(
    name: &str,
    folder: &Path,
    sink: &str,
    trial: Trial,
    receiver: &mut dyn Receiver,
) -> Result<()> {
    let mut courier = Courier::new(folder, sink, trial.alerts)?;
    courier.start()?;
    courier.wait_until_filled(WITHIN)?;
    receiver.start()?;
    for round in 0..trial.kills {
        let threshold = trial.alerts * u64::from(round + 1) / u64::from(trial.kills + 1);
        let mut seen = String::new();
        wait_until("alerts arrive", WITHIN, || {
            let arrived = receiver.received().map(|ids| distinct(&ids) as u64);
            seen = format!("{arrived:?} of {threshold} in round {round}");
            (arrived.ok()? >= threshold).then_some(())
        })
        .with_context(|| format!("{seen}: {}", courier.said()))?;
        restart(receiver, &mut courier)?;
        courier.kill()?;
        courier.start()?;
    }
    courier.finish(WITHIN)?;
    let arrived = wait_until(
        "the receiver has read everything",
        Duration::from_secs(20),
        || {
            let received = receiver.received().ok()?;
            (distinct(&received) as u64 >= trial.alerts).then_some(received)
        },
    );
    let arrived = match arrived {
        Ok(arrived) => arrived,
        Err(_) => receiver.received()?,
    };
    receiver.kill()?;
    let missing = missing(&arrived, trial.alerts);
    ensure!(
        missing.is_empty(),
        "{} of {} alerts are missing, the first is number {}\n{}",
        missing.len(),
        trial.alerts,
        missing[0],
        courier.said()
    );
    println!(
        "{name}: {} alerts, {} came more than once, {} kills of each side",
        trial.alerts,
        arrived.len() as u64 - trial.alerts,
        trial.kills
    );
    Ok(())
}

fn restart(receiver: &mut dyn Receiver, courier: &mut Courier) -> Result<()> {
    if !receiver.forgets() {
        receiver.kill()?;
        return receiver.start();
    }
    courier.hold()?;
    let mut before = usize::MAX;
    wait_until("what was sent has arrived", WITHIN, || {
        let now = receiver.received().ok()?.len();
        (std::mem::replace(&mut before, now) == now).then_some(())
    })?;
    receiver.kill()?;
    receiver.start()?;
    let before = courier.reconnections();
    courier.let_go()?;
    // What it wrote to a connection that was gone it writes again. Killed before it noticed, it may not know: docs/sinks.md.
    wait_until("the courier noticed", NOTICES, || {
        (courier.reconnections() > before || courier.has_ended()).then_some(())
    })
    .ok();
    Ok(())
}

fn distinct(received: &[String]) -> usize {
    received.iter().collect::<HashSet<_>>().len()
}

/// Numbers of alerts that did not come.
fn missing(received: &[String], alerts: u64) -> Vec<u64> {
    let came: HashSet<&str> = received.iter().filter_map(|id| id.get(..36)).collect();
    (0..alerts)
        .filter(|number| !came.contains(format!("00000000-0000-7000-8000-{number:012x}").as_str()))
        .collect()
}
