//! CRI, the API by which a kubelet runs pods: containerd's and CRI-O's containers with their pods and images.
//!
//! Lists are compared once a second, and at once when the runtime tells of a change (CRI's events, or containerd's
//! own before 1.7). A container's status is asked once per state. Every request has a time-out; a list replaces
//! whatever was missed.

mod api;
mod client;
mod describe;
mod known;

#[cfg(test)]
mod tests;

use crate::container::{ContainerRuntime, RuntimeError, RuntimeEvent};
use crate::event::ContainerId;
use async_trait::async_trait;
use client::Client;
use futures_util::StreamExt;
use known::{Known, News};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{Notify, mpsc};

/// Time between lists when nothing is told.
const POLL: Duration = Duration::from_secs(1);
/// What is told of a container precedes it in the list by this; and changes that come together are one.
const GATHER: Duration = Duration::from_millis(100);
/// Status requests under way at once.
const CONCURRENT: usize = 8;

/// How to reach a runtime that speaks CRI.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CriConfig {
    /// The runtime's name in alerts: `containerd` or `cri-o`.
    pub name: &'static str,
    pub socket: PathBuf,
    /// For each request.
    pub timeout: Duration,
}

impl CriConfig {
    /// A runtime at `socket` with the default time-out of 10 s.
    #[must_use]
    pub fn new(name: &'static str, socket: PathBuf) -> Self {
        Self {
            name,
            socket,
            timeout: Duration::from_secs(10),
        }
    }
}

/// A runtime that speaks CRI.
#[derive(Debug)]
pub struct Cri {
    config: CriConfig,
    client: Mutex<Option<Client>>,
    known: Mutex<Known>,
    /// One comparison at a time.
    turn: tokio::sync::Mutex<()>,
    /// Something changed.
    wake: Notify,
    omitted: Arc<AtomicU64>,
}

impl Cri {
    /// Connects only when it is asked something.
    #[must_use]
    pub fn new(config: CriConfig) -> Self {
        Self {
            known: Mutex::new(Known::new(config.name)),
            config,
            client: Mutex::new(None),
            turn: tokio::sync::Mutex::new(()),
            wake: Notify::new(),
            omitted: Arc::default(),
        }
    }

    /// Counts in `omitted`, where an adapter before it may have counted.
    #[must_use]
    pub fn counting(self, omitted: Arc<AtomicU64>) -> Self {
        Self { omitted, ..self }
    }

    /// Lines of lists that were not taken: too many, or without a usable id.
    #[must_use]
    pub fn omitted(&self) -> u64 {
        self.omitted.load(Ordering::Relaxed)
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn client_slot(&self) -> MutexGuard<'_, Option<Client>> {
        self.client.lock().unwrap_or_else(PoisonError::into_inner)
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

    /// Lists, asks for what is new, and tells it.
    async fn compare(
        &self,
        client: &Client,
        events: &mpsc::Sender<RuntimeEvent>,
    ) -> Result<(), RuntimeError> {
        let _turn = self.turn.lock().await;
        let lists = tokio::try_join!(client.sandboxes(), client.containers());
        if lists.is_err() {
            *self.client_slot() = None;
        }
        let (sandboxes, containers) = lists?;
        let News { told, ask, omitted } = self.known().listed(sandboxes, containers, Instant::now());
        self.count_omitted(omitted);
        for event in told {
            send(events, event).await?;
        }
        let answers = ask.into_iter().map(|id| self.status(client, id));
        let mut answers = futures_util::stream::iter(answers).buffer_unordered(CONCURRENT);
        while let Some(told) = answers.next().await {
            if let Some(event) = told {
                send(events, event).await?;
            }
        }
        Ok(())
    }

    async fn status(&self, client: &Client, id: ContainerId) -> Option<RuntimeEvent> {
        let answer = client.status(id.as_str()).await;
        let answer = answer.inspect_err(|error| {
            tracing::debug!(container = id.short(), %error, "container not described");
        });
        self.known().status(&id, answer.ok(), Instant::now())
    }

    fn count_omitted(&self, omitted: usize) {
        if omitted > 0 {
            tracing::debug!(runtime = self.config.name, omitted, "lines of a list not taken");
        }
        let omitted = u64::try_from(omitted).unwrap_or(u64::MAX);
        self.omitted.fetch_add(omitted, Ordering::Relaxed);
    }

    async fn compare_again_and_again(
        &self,
        client: &Client,
        events: &mpsc::Sender<RuntimeEvent>,
    ) -> Result<(), RuntimeError> {
        loop {
            self.compare(client, events).await?;
            if tokio::time::timeout(POLL, self.wake.notified()).await.is_ok() {
                tokio::time::sleep(GATHER).await;
            }
        }
    }
}

#[async_trait]
impl ContainerRuntime for Cri {
    fn name(&self) -> &'static str {
        self.config.name
    }

    async fn list(&self, events: &mpsc::Sender<RuntimeEvent>) -> Result<(), RuntimeError> {
        let client = self.client().await?;
        self.compare(&client, events).await?;
        let listed = RuntimeEvent::Listed {
            runtime: self.config.name.to_owned(),
            ids: self.known().ids(),
        };
        send(events, listed).await
    }

    async fn watch(&self, events: &mpsc::Sender<RuntimeEvent>) -> Result<(), RuntimeError> {
        let client = self.client().await?;
        let changes = async {
            client.tell_changes(&self.wake).await;
            std::future::pending().await
        };
        tokio::select! {
            result = self.compare_again_and_again(&client, events) => result,
            () = changes => Ok(()),
        }
    }
}

async fn send(events: &mpsc::Sender<RuntimeEvent>, event: RuntimeEvent) -> Result<(), RuntimeError> {
    events.send(event).await.map_err(|_| RuntimeError::Closed)
}
