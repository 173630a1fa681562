//! A profile from work that is carried out, as an operator learns one and calls it complete.

use agent_tests::agent::{AgentProcess, Options};
use agent_tests::corpus::{Entry, Runner, Stage};
use agent_tests::profile::call_complete;
use anyhow::{Context, Result, bail};
use std::path::Path;

/// What one scenario takes at most; learning goes on until all are done.
const SECONDS_EACH: usize = 8;
const SECONDS_MORE: usize = 10;

/// Writes it into `folder`.
///
/// # Errors
/// When nothing was learned in time, or the agent has ended.
pub(super) fn profile(stage: &Stage<'_>, options: &Options, work: &[Entry], folder: &Path) -> Result<()> {
    let image = work.first().context("there is nothing to learn from")?.image();
    let agent = AgentProcess::start(options)?;
    let runner = Runner::new(stage, &agent)?;
    // Somebody must be there to learn from.
    let idle = stage.idle(image)?;
    agent.wait_for_container(&idle, "resolved")?;
    let file = folder.join("learned.yaml");
    let seconds = format!("{}s", work.len() * SECONDS_EACH + SECONDS_MORE);
    let mut command = agent.client(&[
        "profile", "learn", "--image", image, "--for", &seconds, "--output",
    ]);
    let mut learning = command.arg(&file).spawn().context("cannot start the agent")?;
    for entry in work {
        if let Some(failure) = runner.work(entry) {
            println!("{}  {failure}", entry.id);
        }
    }
    let status = learning.wait()?;
    stage.remove(&idle)?;
    if !status.success() {
        bail!("no profile was learned: {status}");
    }
    call_complete(&file)
}
