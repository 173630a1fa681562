//! What one daemon told so far, and what is still to be asked. A state machine without I/O.

use super::describe::{self, ImageFacts};
use super::notice::Notice;
use crate::container::{ContainerMetadata, RuntimeEvent};
use crate::event::ContainerId;
use bollard::models::{ContainerInspectResponse, ContainerSummary, ImageInspect};
use lru::LruCache;
use std::collections::VecDeque;
use std::num::NonZeroUsize;
use std::sync::Arc;

/// Containers remembered, the least recently told forgotten first.
const CONTAINERS: NonZeroUsize = NonZeroUsize::MIN.saturating_add(4095);
/// Images remembered, by id: a name may stand for another image tomorrow.
const IMAGES: NonZeroUsize = NonZeroUsize::MIN.saturating_add(255);
/// Inspections that wait. What does not fit is queued again by the next list.
const WAITING: usize = 2048;

/// An inspection to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Work {
    Container(ContainerId),
    Image {
        container: ContainerId,
        /// Name or id.
        reference: String,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Not running: an inspect may block until the start is over.
    Created,
    Running,
    /// Running, and inspected since.
    Inspected,
}

#[derive(Debug)]
struct Entry {
    metadata: ContainerMetadata,
    phase: Phase,
    /// As it was told last.
    told: Option<Arc<ContainerMetadata>>,
}

/// Containers and images of one daemon.
#[derive(Debug)]
pub(super) struct Known {
    runtime: &'static str,
    containers: LruCache<ContainerId, Entry>,
    images: LruCache<String, Arc<ImageFacts>>,
    waiting: VecDeque<Work>,
}

impl Known {
    pub(super) fn new(runtime: &'static str) -> Self {
        Self {
            runtime,
            containers: LruCache::new(CONTAINERS),
            images: LruCache::new(IMAGES),
            waiting: VecDeque::new(),
        }
    }

    pub(super) fn next_work(&mut self) -> Option<Work> {
        self.waiting.pop_front()
    }

    /// An event of the daemon.
    pub(super) fn heed(&mut self, notice: Notice) -> Option<RuntimeEvent> {
        match notice {
            Notice::Created { id, metadata } => self.created(id, *metadata),
            Notice::Started(id) => {
                if let Some(entry) = self.containers.get_mut(&id) {
                    entry.phase = Phase::Running;
                }
                self.enqueue(Work::Container(id));
                None
            }
            Notice::Networks(id) => {
                // While it starts, `start` is still to come and an inspect would block.
                let running = self
                    .containers
                    .peek(&id)
                    .is_some_and(|entry| entry.phase != Phase::Created);
                if running {
                    self.enqueue(Work::Container(id));
                }
                None
            }
            Notice::Renamed { id, name } => {
                self.containers.get_mut(&id)?.metadata.name = describe::name(&name);
                self.tell(&id)
            }
            Notice::Died(id) => {
                let entry = self.containers.get_mut(&id)?;
                entry.phase = Phase::Created;
                // Its next start is told even if nothing differs: whoever listens forgot the addresses.
                entry.told = None;
                None
            }
            Notice::Destroyed(id) => {
                self.containers.pop(&id);
                Some(RuntimeEvent::Removed { id })
            }
        }
    }

    /// A full list of running containers: what is new of each, then the list itself.
    pub(super) fn listed(&mut self, summaries: Vec<ContainerSummary>) -> Vec<RuntimeEvent> {
        let mut told = Vec::new();
        let mut ids = Vec::new();
        for mut summary in summaries {
            let Some(id) = summary.id.take().filter(|id| !id.is_empty()) else {
                continue;
            };
            let id = ContainerId::from(id.as_str());
            told.extend(self.summarised(&id, describe::summary(summary)));
            ids.push(id);
        }
        told.push(RuntimeEvent::Listed {
            runtime: self.runtime.to_owned(),
            ids,
        });
        told
    }

    pub(super) fn inspected(
        &mut self,
        id: &ContainerId,
        answer: ContainerInspectResponse,
    ) -> Option<RuntimeEvent> {
        let metadata = describe::inspect(answer);
        let reference = metadata.image.id.clone();
        let entry = Entry {
            metadata,
            phase: Phase::Inspected,
            told: self.containers.pop(id).and_then(|entry| entry.told),
        };
        self.containers.put(id.clone(), entry);
        self.add_image(id, reference);
        self.tell(id)
    }

    /// An image's description, asked for by name or id on behalf of `container`.
    pub(super) fn image(&mut self, container: &ContainerId, answer: ImageInspect) -> Option<RuntimeEvent> {
        let facts = Arc::new(describe::image(answer));
        if facts.id.is_empty() {
            return None;
        }
        self.images.put(facts.id.clone(), Arc::clone(&facts));
        let entry = self.containers.get_mut(container)?;
        // A name that stands for another image by now describes someone else.
        if entry.metadata.image.id.as_ref().is_some_and(|id| *id != facts.id) {
            return None;
        }
        facts.complete(&mut entry.metadata);
        self.tell(container)
    }

    fn created(&mut self, id: ContainerId, metadata: ContainerMetadata) -> Option<RuntimeEvent> {
        // A stream that resumes tells again what is known better by now.
        if self.containers.contains(&id) {
            return None;
        }
        let reference = metadata.image.reference.clone();
        let entry = Entry {
            metadata,
            phase: Phase::Created,
            told: None,
        };
        self.containers.put(id.clone(), entry);
        self.enqueue(Work::Image {
            container: id.clone(),
            reference,
        });
        self.tell(&id)
    }

    /// A line of the list: knows less than an inspect, but what it knows is newer.
    fn summarised(&mut self, id: &ContainerId, summary: ContainerMetadata) -> Option<RuntimeEvent> {
        let image_id = summary.image.id.clone();
        if let Some(entry) = self.containers.get_mut(id) {
            let old = std::mem::take(&mut entry.metadata);
            entry.metadata = ContainerMetadata {
                name: summary.name,
                networks: summary.networks,
                user_networks: summary.user_networks,
                addresses: summary.addresses,
                subnets: summary.subnets,
                mounts: summary.mounts,
                ..old
            };
            if entry.phase == Phase::Created {
                entry.phase = Phase::Running;
            }
        } else {
            let entry = Entry {
                metadata: summary,
                phase: Phase::Running,
                told: None,
            };
            self.containers.put(id.clone(), entry);
        }
        self.add_image(id, image_id);
        if self.containers.peek(id)?.phase != Phase::Inspected {
            self.enqueue(Work::Container(id.clone()));
        }
        self.tell(id)
    }

    /// Completes `id` with its image's facts, which may have to be asked for.
    fn add_image(&mut self, id: &ContainerId, image_id: Option<String>) {
        let (Some(image_id), Some(entry)) = (image_id, self.containers.get_mut(id)) else {
            return;
        };
        if let Some(facts) = self.images.get(&image_id) {
            facts.complete(&mut entry.metadata);
            return;
        }
        entry.metadata.image.id = Some(image_id.clone());
        self.enqueue(Work::Image {
            container: id.clone(),
            reference: image_id,
        });
    }

    /// The description of `id`, if it differs from the one that was told last.
    fn tell(&mut self, id: &ContainerId) -> Option<RuntimeEvent> {
        let entry = self.containers.get_mut(id)?;
        self.runtime.clone_into(&mut entry.metadata.runtime);
        if entry.told.as_deref() == Some(&entry.metadata) {
            return None;
        }
        let metadata = Arc::new(entry.metadata.clone());
        entry.told = Some(Arc::clone(&metadata));
        Some(RuntimeEvent::Described {
            id: id.clone(),
            metadata,
        })
    }

    fn enqueue(&mut self, work: Work) {
        if self.waiting.len() < WAITING && !self.waiting.contains(&work) {
            self.waiting.push_back(work);
        }
    }
}
