//! Tasks: named, tracked, stopped together. The only place that spawns.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The tasks of a daemon. An error in one stops all; [`Tasks::drain`] waits for them and names who hangs.
#[derive(Debug, Clone, Default)]
pub struct Tasks {
    token: CancellationToken,
    tracker: TaskTracker,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    running: Vec<&'static str>,
    failure: Option<(&'static str, anyhow::Error)>,
}

/// How a shutdown went.
#[derive(Debug)]
pub struct Drained {
    /// Tasks that did not end within the grace period.
    pub hung: Vec<&'static str>,
    /// The task that failed first and stopped the others.
    pub failure: Option<(&'static str, anyhow::Error)>,
}

impl Tasks {
    /// Nothing runs yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Cancelled when everything is to stop.
    #[must_use]
    pub fn token(&self) -> CancellationToken {
        self.token.clone()
    }

    /// Asks every task to stop.
    pub fn stop(&self) {
        self.token.cancel();
    }

    /// Runs `task`; when it fails, all tasks are asked to stop.
    pub fn spawn<F>(&self, name: &'static str, task: F)
    where
        F: Future<Output = anyhow::Result<()>> + Send + 'static,
    {
        self.lock().running.push(name);
        let guard = Running {
            tasks: self.clone(),
            name,
        };
        // TaskTracker::spawn is tokio's spawn with a list of who still runs.
        drop(self.tracker.spawn(async move {
            let mut guard = guard;
            if let Err(error) = task.await {
                guard.fail(error);
            }
        }));
    }

    /// Stops all tasks and waits for them, at most `grace`.
    pub async fn drain(&self, grace: Duration) -> Drained {
        self.stop();
        self.tracker.close();
        let ended = tokio::time::timeout(grace, self.tracker.wait()).await.is_ok();
        let mut state = self.lock();
        Drained {
            hung: if ended { Vec::new() } else { state.running.clone() },
            failure: state.failure.take(),
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Removes the task from the list also when it panics, and stops the others then.
struct Running {
    tasks: Tasks,
    name: &'static str,
}

impl Running {
    fn fail(&mut self, error: anyhow::Error) {
        tracing::error!(
            task = self.name,
            error = format!("{error:#}"),
            "task failed, stopping"
        );
        self.tasks.lock().failure.get_or_insert((self.name, error));
        self.tasks.stop();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.fail(anyhow::anyhow!("panicked"));
        }
        let mut state = self.tasks.lock();
        if let Some(at) = state.running.iter().position(|name| *name == self.name) {
            state.running.swap_remove(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GRACE: Duration = Duration::from_millis(50);

    #[tokio::test]
    async fn an_error_in_one_task_stops_all() {
        let tasks = Tasks::new();
        let token = tasks.token();
        tasks.spawn("waits", async move {
            token.cancelled().await;
            Ok(())
        });
        tasks.spawn("fails", async { anyhow::bail!("broken") });
        tasks.token().cancelled().await;
        let drained = tasks.drain(GRACE).await;
        assert!(drained.hung.is_empty());
        assert_eq!(drained.failure.unwrap().0, "fails");
    }

    #[tokio::test]
    async fn a_hanging_task_is_named() {
        let tasks = Tasks::new();
        tasks.spawn("hangs", std::future::pending());
        assert_eq!(tasks.drain(GRACE).await.hung, ["hangs"]);
    }

    #[tokio::test]
    async fn a_panic_is_a_failure() {
        let tasks = Tasks::new();
        tasks.spawn("panics", async { panic!("test") });
        tasks.token().cancelled().await;
        assert_eq!(tasks.drain(GRACE).await.failure.unwrap().0, "panics");
    }
}
