//! Profiles of all images at once, as an operator learns them who watches a host for a while.

use super::stage::Stage;
use crate::agent::AgentProcess;
use crate::command::wait_within;
use crate::profile::call_complete;
use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Duration;

/// How long the profiles may take to be written when their time is over.
const WRITTEN_WITHIN: Duration = Duration::from_secs(60);

/// One `agent profile learn` for each image; they are ended when it is dropped.
#[derive(Debug)]
pub(super) struct Learners(Vec<Learner>);

#[derive(Debug)]
struct Learner {
    image: &'static str,
    file: PathBuf,
    process: Child,
}

impl Learners {
    /// Begins to learn, for so long, what the stage's containers do; profiles go into `folder`.
    ///
    /// # Errors
    /// When the agent does not know the containers, or its client cannot be started.
    pub(super) fn start(
        agent: &AgentProcess,
        stage: &Stage<'_>,
        folder: &Path,
        length: Duration,
    ) -> Result<Self> {
        let mut learners = Self(Vec::new());
        for (number, (image, id)) in stage.learned_from()?.into_iter().enumerate() {
            // Only who is known by its image is learned from.
            agent.wait_for_container(&id, "resolved")?;
            let file = folder.join(format!("{number}.yaml"));
            let process = learn(agent, image, &file, length)?;
            learners.0.push(Learner { image, file, process });
        }
        Ok(learners)
    }

    /// Waits for all, and calls the profiles complete.
    ///
    /// # Errors
    /// When one of them learned nothing.
    pub(super) fn finish(mut self) -> Result<()> {
        for Learner { image, file, process } in &mut self.0 {
            match wait_within(process, WRITTEN_WITHIN)? {
                Some(status) if status.success() => call_complete(file)?,
                Some(status) => bail!("no profile of {image} was learned: {status}"),
                None => bail!("no profile of {image} was written in time"),
            }
        }
        Ok(())
    }
}

impl Drop for Learners {
    fn drop(&mut self) {
        for learner in &mut self.0 {
            // It may have ended by itself.
            learner.process.kill().ok();
            learner.process.wait().ok();
        }
    }
}

fn learn(agent: &AgentProcess, image: &str, file: &Path, length: Duration) -> Result<Child> {
    let seconds = format!("{}s", length.as_secs());
    let mut client = agent.client(&[
        "profile", "learn", "--image", image, "--for", &seconds, "--output",
    ]);
    client.arg(file).stdin(Stdio::null()).stdout(Stdio::null());
    client.spawn().context("cannot start the agent's client")
}
