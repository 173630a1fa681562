//! Events of containers whose image is not known yet.
//!
//! Rules that need the image wait for at most [`PATIENCE`], then decide on what is known. The first behaviours
//! of such a container are kept with what was said of them, so that they can be judged again when the name comes later.

use crate::alert::Said;
use crate::container::Container;
use crate::detect::Scope;
use crate::event::{BootTime, EnrichedEvent, SlotKey};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// How long rules wait for a container's metadata.
pub const PATIENCE: Duration = Duration::from_secs(2);
/// Events kept per container: enough for what a container does while it starts.
const MAX_PER_CONTAINER: usize = 256;
/// Containers of which something was missed: one per slot.
pub(super) const MAX_MISSED: usize = agent_common::limits::MAX_SLOTS as usize;
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
    /// Already judged without metadata; kept for another look.
    judged: bool,
    events: Vec<Kept>,
}

/// An event, and what was said of it.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) event: Arc<EnrichedEvent>,
    pub(super) said: Said,
    /// It is in the graph, under its image.
    pub(super) charted: bool,
}

impl Kept {
    /// Nothing was said.
    pub(super) fn new(event: &Arc<EnrichedEvent>) -> Self {
        Self {
            event: Arc::clone(event),
            said: Said::default(),
            charted: false,
        }
    }

    /// More is known of its container.
    pub(super) fn name(&mut self, container: &Arc<Container>) {
        self.event = Arc::new(EnrichedEvent {
            container: Some(Arc::clone(container)),
            ..(*self.event).clone()
        });
    }
}

impl Waiting {
    /// Which rules decide at once on an event of a container whose metadata is pending.
    pub(super) fn scope(&mut self, container: SlotKey, now: BootTime) -> Scope {
        let judged = self.room(container, now).map(|queue| queue.judged);
        self.overflowed += u64::from(judged.is_none());
        match judged {
            Some(false) => Scope::Universal,
            Some(true) | None => Scope::All,
        }
    }

    /// Keeps it, where there is room.
    pub(super) fn keep(&mut self, container: SlotKey, kept: Kept, now: BootTime) {
        if let Some(queue) = self.room(container, now) {
            queue.events.push(kept);
        }
    }

    fn room(&mut self, container: SlotKey, now: BootTime) -> Option<&mut Queue> {
        if !self.queues.contains_key(&container) && self.queues.len() >= MAX_CONTAINERS {
            self.miss(container);
            return None;
        }
        let queue = self.queues.entry(container).or_insert_with(|| Queue {
            since: now,
            judged: false,
            events: Vec::new(),
        });
        if queue.events.len() < MAX_PER_CONTAINER {
            return self.queues.get_mut(&container);
        }
        self.miss(container);
        None
    }

    fn miss(&mut self, container: SlotKey) {
        self.missed.insert(container.slot, container.generation);
    }

    /// Containers whose patience ended: their events, to be judged on what is known and [`Self::restore`]d.
    pub(super) fn expired(&mut self, now: BootTime) -> Vec<(SlotKey, Vec<Kept>)> {
        let mut expired: Vec<_> = self
            .queues
            .iter_mut()
            .filter(|(_, queue)| !queue.judged && now.since(queue.since) >= PATIENCE)
            .map(|(container, queue)| {
                queue.judged = true;
                (*container, std::mem::take(&mut queue.events))
            })
            .collect();
        expired.sort_by_key(|(container, _)| *container);
        expired
    }

    /// They stay kept after they were judged.
    pub(super) fn restore(&mut self, container: SlotKey, events: Vec<Kept>) {
        if let Some(queue) = self.queues.get_mut(&container) {
            queue.events = events;
        }
    }

    /// The container's image is known now: all that was kept of it, and how it is to be judged.
    pub(super) fn resolved(&mut self, container: SlotKey) -> (Scope, Vec<Kept>) {
        match self.queues.remove(&container) {
            Some(Queue {
                judged: true, events, ..
            }) => (Scope::Again, events),
            Some(Queue { events, .. }) => (Scope::All, events),
            None => (Scope::All, Vec::new()),
        }
    }

    /// Nobody knows the container's image: what was kept of it. From now on nothing is.
    pub(super) fn unavailable(&mut self, container: SlotKey) -> (Scope, Vec<Kept>) {
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

    /// The container is gone for good: all that was kept of it, and how it is to be judged.
    pub(super) fn gone(&mut self, container: SlotKey) -> (Scope, Vec<Kept>) {
        self.catches_up(container);
        self.resolved(container)
    }

    /// Nobody can name the container any more.
    pub(super) fn forget(&mut self, container: SlotKey) {
        self.catches_up(container);
        self.queues.remove(&container);
    }

    /// Everything that was never judged, at the end.
    pub(super) fn drain(&mut self) -> Vec<Kept> {
        let mut queues: Vec<_> = self.queues.drain().filter(|(_, queue)| !queue.judged).collect();
        queues.sort_by_key(|(container, _)| *container);
        queues.into_iter().flat_map(|(_, queue)| queue.events).collect()
    }

    /// Events that found no room.
    #[must_use]
    pub(super) fn overflowed(&self) -> u64 {
        self.overflowed
    }

    /// Containers of which something was judged without their image and not kept.
    #[must_use]
    pub(super) fn missed(&self) -> usize {
        self.missed.len()
    }

    /// Containers that wait.
    #[must_use]
    pub(super) fn len(&self) -> usize {
        self.queues.len()
    }
}
