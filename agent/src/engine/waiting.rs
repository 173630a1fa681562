//! Events of containers whose image is not known yet.
//!
//! Rules that need the image wait for at most [`PATIENCE`], then decide on what is known. The first behaviours
//! of such a container are kept, so that they can be judged again when the name comes later.

use crate::event::{BootTime, EnrichedEvent, SlotKey};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// How long rules wait for a container's metadata.
pub const PATIENCE: Duration = Duration::from_secs(2);
/// Events kept per container: enough for what a container does while it starts.
const MAX_PER_CONTAINER: usize = 256;
/// Containers that may wait at once; further ones are judged on what is known.
pub(super) const MAX_CONTAINERS: usize = 512;

/// What waits.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    queues: HashMap<SlotKey, Queue>,
    /// Containers of which something was judged without their image and not kept: generation by slot.
    missed: HashMap<u32, u32>,
    /// Events that were judged at once because there was no room to keep them.
    overflowed: u64,
}

#[derive(Debug)]
struct Queue {
    since: BootTime,
    /// Already judged without metadata; kept for a second look.
    judged: bool,
    events: Vec<Arc<EnrichedEvent>>,
}

/// What to do with an event now.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It waits.
    Kept,
    /// Decide on what is known.
    JudgeNow,
}

impl Waiting {
    /// Takes an event of a container whose metadata is pending.
    pub(super) fn keep(&mut self, container: SlotKey, event: &Arc<EnrichedEvent>, now: BootTime) -> Verdict {
        if !self.queues.contains_key(&container) && self.queues.len() >= MAX_CONTAINERS {
            return self.miss(container);
        }
        let queue = self.queues.entry(container).or_insert_with(|| Queue {
            since: now,
            judged: false,
            events: Vec::new(),
        });
        if queue.events.len() >= MAX_PER_CONTAINER {
            return self.miss(container);
        }
        queue.events.push(Arc::clone(event));
        if queue.judged {
            Verdict::JudgeNow
        } else {
            Verdict::Kept
        }
    }

    fn miss(&mut self, container: SlotKey) -> Verdict {
        self.overflowed += 1;
        self.missed.insert(container.slot, container.generation);
        Verdict::JudgeNow
    }

    /// Containers whose patience ended: their events, to be judged on what is known. They stay kept.
    pub(super) fn expired(&mut self, now: BootTime) -> Vec<Arc<EnrichedEvent>> {
        let mut expired: Vec<_> = self
            .queues
            .iter_mut()
            .filter(|(_, queue)| !queue.judged && now.since(queue.since) >= PATIENCE)
            .collect();
        expired.sort_by_key(|(container, _)| **container);
        expired
            .into_iter()
            .flat_map(|(_, queue)| {
                queue.judged = true;
                queue.events.clone()
            })
            .collect()
    }

    /// The container's image is known now: all that was kept of it.
    pub(super) fn resolved(&mut self, container: SlotKey) -> Vec<Arc<EnrichedEvent>> {
        self.queues
            .remove(&container)
            .map(|queue| queue.events)
            .unwrap_or_default()
    }

    /// Nobody knows the container's image: what was kept of it. From now on nothing is.
    pub(super) fn unavailable(&mut self, container: SlotKey) -> Vec<Arc<EnrichedEvent>> {
        self.missed.insert(container.slot, container.generation);
        self.resolved(container)
    }

    /// True, once, for a container whose image is known now, and of which something was judged without and not kept.
    pub(super) fn catches_up(&mut self, container: SlotKey) -> bool {
        let missed = self.missed.get(&container.slot) == Some(&container.generation);
        if missed {
            self.missed.remove(&container.slot);
        }
        missed
    }

    /// The container is gone for good: what is left of it, if it was never judged.
    pub(super) fn gone(&mut self, container: SlotKey) -> Vec<Arc<EnrichedEvent>> {
        self.catches_up(container);
        self.queues
            .remove(&container)
            .filter(|queue| !queue.judged)
            .map(|queue| queue.events)
            .unwrap_or_default()
    }

    /// Everything that was never judged, at the end.
    pub(super) fn drain(&mut self) -> Vec<Arc<EnrichedEvent>> {
        let mut queues: Vec<_> = self.queues.drain().filter(|(_, queue)| !queue.judged).collect();
        queues.sort_by_key(|(container, _)| *container);
        queues.into_iter().flat_map(|(_, queue)| queue.events).collect()
    }

    /// Events that found no room.
    #[must_use]
    pub(super) fn overflowed(&self) -> u64 {
        self.overflowed
    }

    /// Containers that wait.
    #[must_use]
    pub(super) fn len(&self) -> usize {
        self.queues.len()
    }
}
