//! What detectors remember, by container. Bounded: whoever can start containers must not make the agent grow.

use super::{DetectContext, Scope};
use crate::event::{EnrichedEvent, SlotKey};
use std::collections::{HashMap, VecDeque};

/// As many containers as there are slots.
const CAPACITY: usize = agent_common::limits::MAX_SLOTS as usize;

/// A `T` of each container. When it is full, containers that come have none: they must not push out what is remembered of
/// others. What is not remembered so is counted.
#[derive(Debug, Default)]
pub(super) struct PerContainer<T> {
    states: HashMap<SlotKey, T>,
    refused: u64,
}

impl<T: Default> PerContainer<T> {
    /// Of the event's container, at first the default. `None`: the event was counted before, nobody would ever forget the
    /// container, or there is no room.
    pub(super) fn note(&mut self, context: &DetectContext<'_>) -> Option<&mut T> {
        if context.scope == Scope::Again {
            return None;
        }
        self.note_first(context.event)
    }

    /// The same of an event that nobody counted before.
    pub(super) fn note_first(&mut self, event: &EnrichedEvent) -> Option<&mut T> {
        let container = event.raw.slot().filter(|_| event.container.is_some())?;
        if self.states.len() >= self.capacity() && !self.states.contains_key(&container) {
            self.refused += 1;
            return None;
        }
        Some(self.states.entry(container).or_default())
    }

    /// Of the event's container, where something is remembered.
    pub(super) fn get(&self, event: &EnrichedEvent) -> Option<&T> {
        self.of(event.raw.slot()?)
    }

    /// The same, to be changed.
    pub(super) fn get_mut(&mut self, event: &EnrichedEvent) -> Option<&mut T> {
        self.states.get_mut(&event.raw.slot()?)
    }

    /// Of a container, where something is remembered.
    pub(super) fn of(&self, container: SlotKey) -> Option<&T> {
        self.states.get(&container)
    }

    /// The container is gone: what was remembered of it.
    pub(super) fn forget(&mut self, container: SlotKey) -> Option<T> {
        self.states.remove(&container)
    }

    /// Containers of which something is remembered.
    pub(super) fn kept(&self) -> usize {
        self.states.len()
    }

    /// Bound of [`Self::kept`].
    pub(super) fn capacity(&self) -> usize {
        CAPACITY
    }

    /// Events that were to be noted of containers that had no room.
    pub(super) fn refused(&self) -> u64 {
        self.refused
    }
}

/// Appends to what is remembered of one container; the oldest goes where there are `bound` already.
pub(super) fn push_latest<T>(remembered: &mut VecDeque<T>, bound: usize, latest: T) {
    if remembered.len() >= bound {
        remembered.pop_front();
    }
    remembered.push_back(latest);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::testing::{OWN, Scene, connect, scene};

    /// Events of each container are counted.
    struct Counter {
        scene: Scene,
        counts: PerContainer<u32>,
    }

    impl Counter {
        fn new() -> Self {
            Self {
                scene: scene("acme/app", "/app/server"),
                counts: PerContainer::default(),
            }
        }

        /// Of the container in the slot.
        fn event(&self, slot: u32) -> EnrichedEvent {
            let mut event = self.scene.event(connect("172.17.0.3", 80));
            event.raw.header.slot = slot;
            event
        }

        /// How many there are of the event's container then.
        fn note(&mut self, event: &EnrichedEvent, scope: Scope) -> Option<u32> {
            let counts = &mut self.counts;
            self.scene.with_context(event, |context| {
                let count = counts.note(&DetectContext { scope, ..*context })?;
                *count += 1;
                Some(*count)
            })
        }
    }

    #[test]
    fn each_container_has_its_own_until_it_is_gone() {
        let mut counter = Counter::new();
        let (own, other) = (counter.event(OWN.slot), counter.event(OWN.slot + 1));
        assert_eq!(counter.note(&own, Scope::All), Some(1));
        assert_eq!(counter.note(&own, Scope::Universal), Some(2));
        assert_eq!(counter.counts.get(&other), None);
        assert_eq!(counter.note(&other, Scope::All), Some(1));
        assert_eq!(counter.counts.get(&own), Some(&2));
        assert_eq!(counter.counts.kept(), 2);
        counter.counts.forget(OWN);
        assert_eq!(counter.counts.get_mut(&own), None);
        assert_eq!(counter.counts.kept(), 1);
    }

    #[test]
    fn a_slot_s_next_container_has_nothing_of_the_one_before() {
        let mut counter = Counter::new();
        let mut event = counter.event(OWN.slot);
        counter.note(&event, Scope::All);
        event.raw.header.generation += 1;
        assert_eq!(counter.note(&event, Scope::All), Some(1));
    }

    #[test]
    fn what_was_counted_before_or_nobody_would_forget_is_not_noted() {
        let mut counter = Counter::new();
        let mut event = counter.event(OWN.slot);
        assert_eq!(counter.note(&event, Scope::Again), None);
        event.container = None;
        assert_eq!(counter.note(&event, Scope::Universal), None);
        assert_eq!(counter.counts.kept(), 0);
    }

    #[test]
    fn who_comes_when_it_is_full_has_none_and_the_others_keep_theirs() {
        let mut counter = Counter::new();
        let capacity = counter.counts.capacity();
        let mut event = counter.event(OWN.slot);
        for generation in (1..).take(capacity) {
            event.raw.header.generation = generation;
            assert_eq!(counter.note(&event, Scope::All), Some(1));
        }
        let late = counter.event(OWN.slot + 1);
        assert_eq!(counter.counts.refused(), 0);
        assert_eq!(counter.note(&late, Scope::All), None);
        assert_eq!(counter.note(&event, Scope::All), Some(2));
        assert_eq!(counter.counts.refused(), 1);
        assert_eq!(counter.counts.kept(), capacity);
        counter.counts.forget(OWN);
        assert_eq!(counter.note(&late, Scope::All), Some(1), "room again");
    }

    #[test]
    fn of_what_is_remembered_the_oldest_goes_first() {
        let mut latest = VecDeque::new();
        for number in 0..5 {
            push_latest(&mut latest, 3, number);
        }
        assert_eq!(latest, [2, 3, 4]);
    }
}
