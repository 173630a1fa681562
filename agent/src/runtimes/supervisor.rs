//! Keeps one runtime connected: watch its events, list at once and then regularly, start again when either
//! fails. Each change between answering and not answering is told once, however often it is retried.

use crate::container::{ContainerRuntime, RuntimeError, RuntimeEvent};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// Time between full lists: bounds how long a lost event matters.
const RECONCILE: Duration = Duration::from_secs(30);
/// First pause after a failure; doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// A connection that lasted so long was a good one: the next failure starts with the first pause again.
const GOOD_SESSION: Duration = Duration::from_secs(10);

/// Runs until `cancel` is cancelled or nobody receives `events`.
pub async fn run(
    runtime: Arc<dyn ContainerRuntime>,
    events: mpsc::Sender<RuntimeEvent>,
    cancel: CancellationToken,
) {
    tokio::select! {
        () = cancel.cancelled() => {}
        () = supervise(&*runtime, &events) => {}
    }
}

async fn supervise(runtime: &dyn ContainerRuntime, events: &mpsc::Sender<RuntimeEvent>) {
    let mut link = Link {
        runtime: runtime.name(),
        events,
        state: LinkState::Unknown,
    };
    let mut pause = FIRST_PAUSE;
    loop {
        let begin = Instant::now();
        let (weight, error) = match session(runtime, &mut link).await {
            Err(RuntimeError::Closed) => return,
            Err(error @ RuntimeError::NotOffered { .. }) => (Weight::Usual, error.to_string()),
            Err(error) => (Weight::Loss, error.to_string()),
            Ok(()) => (Weight::Loss, "the connection ended".to_owned()),
        };
        if begin.elapsed() >= GOOD_SESSION {
            pause = FIRST_PAUSE;
        }
        if link.down(weight, error).await.is_err() {
            return;
        }
        tokio::time::sleep(jittered(pause)).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// One connection, until it fails. The watch begins before the first list, so nothing falls between them.
async fn session(runtime: &dyn ContainerRuntime, link: &mut Link<'_>) -> Result<(), RuntimeError> {
    let events = link.events;
    let reconcile = async {
        loop {
            runtime.list(events).await?;
            link.up().await?;
            tokio::time::sleep(RECONCILE).await;
        }
    };
    tokio::select! {
        biased;
        ended = runtime.watch(events) => ended,
        failed = reconcile => failed,
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LinkState {
    Unknown,
    Up,
    Down,
}

/// What it means that a runtime gives no names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Weight {
    /// It has none to give: the containerd of a Docker host, where CRI is switched off.
    Usual,
    Loss,
}

/// Tells the changes.
struct Link<'a> {
    runtime: &'static str,
    events: &'a mpsc::Sender<RuntimeEvent>,
    state: LinkState,
}

impl Link<'_> {
    async fn up(&mut self) -> Result<(), RuntimeError> {
        if self.state == LinkState::Up {
            return Ok(());
        }
        self.state = LinkState::Up;
        tracing::info!(runtime = self.runtime, "container runtime connected");
        self.tell(RuntimeEvent::Connected {
            runtime: self.runtime.to_owned(),
        })
        .await
    }

    async fn down(&mut self, weight: Weight, reason: String) -> Result<(), RuntimeError> {
        if self.state == LinkState::Down {
            tracing::trace!(
                runtime = self.runtime,
                reason,
                "container runtime still not connected"
            );
            return Ok(());
        }
        self.state = LinkState::Down;
        match weight {
            Weight::Usual => {
                tracing::info!(
                    runtime = self.runtime,
                    reason,
                    "container runtime gives no names; retrying"
                );
            }
            Weight::Loss => tracing::warn!(
                runtime = self.runtime,
                reason,
                "container runtime not connected: containers keep their ids, names are unknown; retrying"
            ),
        }
        self.tell(RuntimeEvent::Disconnected {
            runtime: self.runtime.to_owned(),
            reason,
        })
        .await
    }

    async fn tell(&self, event: RuntimeEvent) -> Result<(), RuntimeError> {
        self.events.send(event).await.map_err(|_| RuntimeError::Closed)
    }
}

/// Three quarters of `pause`, and up to a quarter more: many agents do not come back at one instant.
fn jittered(pause: Duration) -> Duration {
    let (_, random) = uuid::Uuid::now_v7().as_u64_pair();
    let quarter = pause / 4;
    let nanos = u64::try_from(quarter.as_nanos()).unwrap_or(u64::MAX).max(1);
    pause - quarter + Duration::from_nanos(random % nanos)
}

#[cfg(test)]
mod tests;
