//! Docker's API (and Podman's, which speaks it): names, images, networks and mounts of containers.
//!
//! The event stream is drained whatever the daemon's other answers do: a slow reader silently loses events.
//! A container is described at `create` from the event alone (an inspect would block until the start is
//! over) and inspected after `start`. Every request has a time-out; what a failure left out, the next list
//! makes good.

mod client;
mod describe;
mod known;
mod notice;

#[cfg(test)]
mod tests;

use crate::container::{ContainerRuntime, RuntimeError, RuntimeEvent};
use async_trait::async_trait;
use client::Client;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use known::{Known, Work};
use notice::Notice;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::{Notify, mpsc};

/// Where `docker` listens when nothing else is configured.
pub const DEFAULT_DOCKER_HOST: &str = "unix:///var/run/docker.sock";
/// Notices read from the stream and not handled yet.
const NOTICES: usize = 4096;
/// Inspections under way at once: more would only queue inside the daemon.
const CONCURRENT: usize = 8;

/// How to reach a daemon that speaks Docker's API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DockerConfig {
    /// The runtime's name in alerts: `docker` or `podman`.
    pub name: &'static str,
    /// `unix:///path` or `tcp://host:port`, as in `DOCKER_HOST`.
    pub host: String,
    /// For each request; the event stream itself may be silent for as long as it likes.
    pub timeout: Duration,
}

impl DockerConfig {
    /// A daemon at `host` with the default time-out of 10 s.
    #[must_use]
    pub fn new(name: &'static str, host: &str) -> Self {
        Self {
            name,
            host: host.to_owned(),
            timeout: Duration::from_secs(10),
        }
    }
}

/// A daemon that speaks Docker's API.
#[derive(Debug)]
pub struct Docker {
    config: DockerConfig,
    client: Mutex<Option<Client>>,
    known: Mutex<Known>,
    /// There is work, or notices were missed.
    wake: Notify,
    /// Notices that found the queue full.
    missed: Arc<AtomicU64>,
    /// Where to resume the stream, seconds since the Unix epoch; 0: never connected.
    resume_secs: AtomicI64,
}

impl Docker {
    /// Connects only when it is asked something.
    #[must_use]
    pub fn new(config: DockerConfig) -> Self {
        Self {
            known: Mutex::new(Known::new(config.name)),
            config,
            client: Mutex::new(None),
            wake: Notify::new(),
            missed: Arc::default(),
            resume_secs: AtomicI64::new(0),
        }
    }

    /// Counts in `missed`, where an adapter before it may have counted.
    #[must_use]
    pub fn counting(self, missed: Arc<AtomicU64>) -> Self {
        Self { missed, ..self }
    }

    /// Events of the daemon that came faster than they were handled; a list made good for them.
    #[must_use]
    pub fn missed(&self) -> u64 {
        self.missed.load(Ordering::Relaxed)
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The client that is connected, or a new one.
    async fn client(&self) -> Result<Client, RuntimeError> {
        let existing = self.client_slot().clone();
        if let Some(client) = existing {
            return Ok(client);
        }
        let client = Client::connect(&self.config).await?;
        *self.client_slot() = Some(client.clone());
        Ok(client)
    }

    fn client_slot(&self) -> MutexGuard<'_, Option<Client>> {
        self.client.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// After an error: the daemon may come back with another version.
    fn disconnect<T>(&self, result: Result<T, RuntimeError>) -> Result<T, RuntimeError> {
        if result.is_err() {
            *self.client_slot() = None;
        }
        result
    }

    /// Reads the stream into the queue, and never waits for anything else.
    async fn drain(&self, client: &Client, notices: mpsc::Sender<Notice>) -> Result<(), RuntimeError> {
        let started = unix_secs();
        let resume = self.resume_secs.load(Ordering::Relaxed);
        let since = if resume == 0 { started } else { resume };
        let mut stream = std::pin::pin!(client.events(since));
        self.resume_secs.store(since, Ordering::Relaxed);
        while let Some(event) = stream.next().await {
            let event = event.inspect_err(|_| {
                // What cannot be read now cannot be read again: resume after it.
                self.resume_secs.store(unix_secs(), Ordering::Relaxed);
            })?;
            if let Some(seconds) = event.time {
                self.resume_secs.fetch_max(seconds, Ordering::Relaxed);
            }
            let Some(notice) = notice::read(event) else {
                continue;
            };
            if notices.try_send(notice).is_err() {
                self.missed.fetch_add(1, Ordering::Relaxed);
                self.wake.notify_one();
            }
        }
        Err(client.failed("events", "the stream ended"))
    }

    /// Handles notices at once and inspections beside them.
    async fn serve(
        &self,
        client: &Client,
        mut notices: mpsc::Receiver<Notice>,
        events: &mpsc::Sender<RuntimeEvent>,
    ) -> Result<(), RuntimeError> {
        let mut running = FuturesUnordered::new();
        let mut missed = self.missed();
        loop {
            while running.len() < CONCURRENT
                && let Some(work) = self.next_work()
            {
                running.push(self.perform(client, work));
            }
            tokio::select! {
                notice = notices.recv() => match notice {
                    Some(notice) => {
                        let told = self.known().heed(notice);
                        send(events, told).await?;
                    }
                    None => return Ok(()),
                },
                Some(told) = running.next(), if !running.is_empty() => send(events, told).await?,
                () = self.wake.notified() => {}
            }
            if missed != self.missed() {
                missed = self.missed();
                self.list(events).await?;
            }
        }
    }

    fn next_work(&self) -> Option<Work> {
        self.known().next_work()
    }

    /// One inspection. A failure is no one's loss for long: the container stays uninspected, and the next
    /// list queues it again.
    async fn perform(&self, client: &Client, work: Work) -> Option<RuntimeEvent> {
        match work {
            Work::Container(id) => match client.container(id.as_str()).await {
                Ok(answer) => self.known().inspected(&id, answer),
                Err(error) => {
                    tracing::debug!(container = id.short(), error = %error, "container not inspected");
                    None
                }
            },
            Work::Image { container, reference } => match client.image(&reference).await {
                Ok(answer) => self.known().image(&container, answer),
                Err(error) => {
                    tracing::debug!(image = reference, error = %error, "image not inspected");
                    None
                }
            },
        }
    }
}

#[async_trait]
impl ContainerRuntime for Docker {
    fn name(&self) -> &'static str {
        self.config.name
    }

    async fn list(&self, events: &mpsc::Sender<RuntimeEvent>) -> Result<(), RuntimeError> {
        let client = self.client().await?;
        let summaries = self.disconnect(client.list().await)?;
        let told = self.known().listed(summaries);
        for event in told {
            send(events, Some(event)).await?;
        }
        self.wake.notify_one();
        Ok(())
    }

    async fn watch(&self, events: &mpsc::Sender<RuntimeEvent>) -> Result<(), RuntimeError> {
        let client = self.client().await?;
        let (queue, notices) = mpsc::channel(NOTICES);
        let result = tokio::select! {
            result = self.drain(&client, queue) => result,
            result = self.serve(&client, notices, events) => result,
        };
        self.disconnect(result)
    }
}

async fn send(events: &mpsc::Sender<RuntimeEvent>, event: Option<RuntimeEvent>) -> Result<(), RuntimeError> {
    match event {
        Some(event) => events.send(event).await.map_err(|_| RuntimeError::Closed),
        None => Ok(()),
    }
}

/// Whole seconds: the form of `since` that Docker and Podman both take.
fn unix_secs() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .ok()
        .and_then(|since| i64::try_from(since.as_secs()).ok())
        .unwrap_or(0)
}
