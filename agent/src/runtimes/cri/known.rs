//! What one runtime told so far, and what is still to be asked. A state machine without I/O.

use super::api::{
    CONTAINER_CREATED, CONTAINER_RUNNING, Container, ContainerStatusResponse, PodSandbox, SANDBOX_READY,
};
use super::describe;
use crate::container::{ContainerMetadata, RuntimeEvent};
use crate::event::ContainerId;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Containers and sandboxes taken from a list, each: more than there are slots.
pub(super) const MAX_LISTED: usize = 4096;
/// Longer ids are nobody's: a container's is 64 digits.
const MAX_ID: usize = 128;
/// Pause after a status that was not given.
const RETRY: Duration = Duration::from_secs(30);

#[derive(Debug)]
struct Entry {
    /// As it was told last.
    told: Option<Arc<ContainerMetadata>>,
    /// As the list has it.
    listed: ContainerMetadata,
    state: i32,
    asked: Asked,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    /// Never in this state.
    No,
    Yes,
    Failed(Instant),
}

/// What a list changes.
#[derive(Debug, Default)]
pub(super) struct News {
    pub(super) told: Vec<RuntimeEvent>,
    /// Whose status is to be asked.
    pub(super) ask: Vec<ContainerId>,
    /// Lines that were not taken: too many, or without a usable id.
    pub(super) omitted: usize,
}

/// Containers of one runtime that exist and have not ended.
#[derive(Debug)]
pub(super) struct Known {
    runtime: &'static str,
    containers: BTreeMap<ContainerId, Entry>,
}

impl Known {
    pub(super) fn new(runtime: &'static str) -> Self {
        Self {
            runtime,
            containers: BTreeMap::new(),
        }
    }

    pub(super) fn ids(&self) -> Vec<ContainerId> {
        self.containers.keys().cloned().collect()
    }

    /// Full lists of sandboxes and containers.
    pub(super) fn listed(
        &mut self,
        sandboxes: Vec<PodSandbox>,
        containers: Vec<Container>,
        now: Instant,
    ) -> News {
        let lines = sandboxes.len() + containers.len();
        let sandboxes = usable(sandboxes, |sandbox| &sandbox.id);
        let containers = usable(containers, |container| &container.id);
        let mut news = News {
            omitted: lines - sandboxes.len() - containers.len(),
            ..News::default()
        };
        let mut present = HashSet::new();
        for sandbox in sandboxes.iter().filter(|sandbox| sandbox.state == SANDBOX_READY) {
            let id = ContainerId::from(sandbox.id.as_str());
            self.see(&id, describe::sandbox(sandbox), sandbox.state, Asked::Yes);
            news.told.extend(self.tell(&id, None));
            present.insert(id);
        }
        let pods: HashMap<&str, &PodSandbox> = sandboxes.iter().map(|pod| (pod.id.as_str(), pod)).collect();
        for container in containers.into_iter().filter(is_alive) {
            let id = ContainerId::from(container.id.as_str());
            let (state, pod) = (container.state, pods.get(container.pod_sandbox_id.as_str()));
            let listed = describe::container(container, pod.copied());
            if self.see(&id, listed, state, Asked::No).is_due(now) {
                news.ask.push(id.clone());
            }
            present.insert(id);
        }
        news.told.extend(self.keep(&present));
        news
    }

    /// The status of a container, or that there was none: then it is told as the list has it.
    pub(super) fn status(
        &mut self,
        id: &ContainerId,
        answer: Option<ContainerStatusResponse>,
        now: Instant,
    ) -> Option<RuntimeEvent> {
        let entry = self.containers.get_mut(id)?;
        entry.asked = answer.as_ref().map_or(Asked::Failed(now), |_| Asked::Yes);
        // What an earlier status said is better than what no status says.
        if answer.is_none() && entry.told.is_some() {
            return None;
        }
        self.tell(id, answer)
    }

    /// Takes in a line of a list. A container that went on to another state is asked again.
    fn see(&mut self, id: &ContainerId, listed: ContainerMetadata, state: i32, asked: Asked) -> &Entry {
        let entry = self.containers.entry(id.clone()).or_insert_with(|| Entry {
            told: None,
            listed: ContainerMetadata::default(),
            state,
            asked,
        });
        if entry.state != state {
            entry.asked = asked;
        }
        entry.state = state;
        entry.listed = listed;
        entry
    }

    /// Forgets all others.
    fn keep(&mut self, present: &HashSet<ContainerId>) -> Vec<RuntimeEvent> {
        let mut removed = Vec::new();
        self.containers.retain(|id, _| {
            let stays = present.contains(id);
            if !stays {
                removed.push(RuntimeEvent::Removed { id: id.clone() });
            }
            stays
        });
        removed
    }

    /// The description of `id`, if it differs from the one that was told last.
    fn tell(&mut self, id: &ContainerId, status: Option<ContainerStatusResponse>) -> Option<RuntimeEvent> {
        let entry = self.containers.get_mut(id)?;
        let mut metadata = entry.listed.clone();
        if let Some(status) = status {
            describe::complete(&mut metadata, status);
        }
        self.runtime.clone_into(&mut metadata.runtime);
        if entry.told.as_deref() == Some(&metadata) {
            return None;
        }
        let metadata = Arc::new(metadata);
        entry.told = Some(Arc::clone(&metadata));
        Some(RuntimeEvent::Described {
            id: id.clone(),
            metadata,
        })
    }
}

impl Entry {
    fn is_due(&self, now: Instant) -> bool {
        match self.asked {
            Asked::No => true,
            Asked::Yes => false,
            Asked::Failed(at) => now.saturating_duration_since(at) >= RETRY,
        }
    }
}

/// Lines with an id, no more than [`MAX_LISTED`].
fn usable<T>(lines: Vec<T>, id: impl Fn(&T) -> &String) -> Vec<T> {
    let has_id = |line: &T| (1..=MAX_ID).contains(&id(line).len());
    lines.into_iter().filter(has_id).take(MAX_LISTED).collect()
}

fn is_alive(container: &Container) -> bool {
    matches!(container.state, CONTAINER_CREATED | CONTAINER_RUNNING)
}
