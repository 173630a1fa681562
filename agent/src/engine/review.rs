//! What was judged before a runtime had said how the container was made: its mounts, networks and privileges come after its name, for a
//! short container after its end. It is judged once more when they come. Bounded in containers, events and time; what finds no room is counted.

use super::waiting::Kept;
use crate::event::{BootTime, Payload, SlotKey};
use lru::LruCache;
use std::num::NonZeroUsize;
use std::time::Duration;

/// A runtime is given ten seconds for an answer, and is asked again when it gave none.
pub(super) const REVIEWED_FOR: Duration = Duration::from_secs(30);
/// Containers: those that a busy host starts within some seconds. The one that waited longest makes room.
pub(super) const MAX_REVIEWED: usize = 128;
/// Events of one: as many as wait for its name.
const MAX_EVENTS: usize = 256;

/// What is kept.
#[derive(Debug)]
pub(super) struct Reviews {
    containers: LruCache<SlotKey, Review>,
    /// Events that will not be judged again.
    dropped: u64,
}

#[derive(Debug)]
struct Review {
    since: BootTime,
    events: Vec<Kept>,
}

impl Default for Reviews {
    fn default() -> Self {
        Self {
            containers: LruCache::new(NonZeroUsize::MIN.saturating_add(MAX_REVIEWED - 1)),
            dropped: 0,
        }
    }
}

impl Reviews {
    /// Keeps events that were judged. Messages of DNS are many, and no rule about them asks for what is still to come.
    pub(super) fn keep(&mut self, container: SlotKey, mut events: Vec<Kept>, now: BootTime) {
        events.retain(|kept| !matches!(kept.event.raw.payload, Payload::Dns(_)));
        if events.is_empty() {
            return;
        }
        if !self.containers.contains(&container) {
            self.begin(container, now);
        }
        let Some(review) = self.containers.peek_mut(&container) else {
            return;
        };
        for kept in events {
            if review.events.len() < MAX_EVENTS {
                review.events.push(kept);
            } else {
                self.dropped += 1;
            }
        }
    }

    fn begin(&mut self, container: SlotKey, now: BootTime) {
        let review = Review {
            since: now,
            events: Vec::new(),
        };
        if let Some((_, evicted)) = self.containers.push(container, review) {
            self.dropped += evicted.events.len() as u64;
        }
    }

    /// More is known of the container: what is to be judged again.
    pub(super) fn take(&mut self, container: SlotKey) -> Vec<Kept> {
        self.containers
            .pop(&container)
            .map(|review| review.events)
            .unwrap_or_default()
    }

    /// Lets time pass: nobody said more.
    pub(super) fn expire(&mut self, now: BootTime) {
        while let Some((_, review)) = self.containers.peek_lru()
            && now.since(review.since) >= REVIEWED_FOR
        {
            self.containers.pop_lru();
        }
    }

    /// Containers of which something is kept.
    pub(super) fn len(&self) -> usize {
        self.containers.len()
    }

    /// Events that found no room.
    pub(super) fn dropped(&self) -> u64 {
        self.dropped
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::testing::{SECOND, listen, question, scene};
    use crate::event::QuestionType;
    use std::sync::Arc;

    fn events(count: usize) -> Vec<Kept> {
        let event = Arc::new(scene("acme/app", "/bin/sh").event(listen("0.0.0.0", 80)));
        (0..count).map(|_| Kept::new(&event)).collect()
    }

    fn container(slot: u32) -> SlotKey {
        SlotKey { slot, generation: 1 }
    }

    fn at(second: u64) -> BootTime {
        BootTime(second * SECOND)
    }

    #[test]
    fn what_is_kept_is_taken_once_or_forgotten_in_time() {
        let mut reviews = Reviews::default();
        reviews.keep(container(1), events(2), at(1));
        reviews.keep(container(1), events(1), at(20));
        reviews.keep(container(2), events(1), at(20));
        reviews.keep(container(3), events(0), at(20));
        assert_eq!(reviews.len(), 2, "nothing is nobody's");
        assert_eq!(reviews.take(container(1)).len(), 3);
        assert_eq!(reviews.take(container(1)).len(), 0);
        reviews.expire(at(49));
        assert_eq!(reviews.len(), 1);
        reviews.expire(at(50));
        assert_eq!((reviews.len(), reviews.dropped()), (0, 0));
    }

    #[test]
    fn questions_for_names_take_no_room() {
        let asked = Payload::Dns(question("db.example.org", QuestionType::A));
        let event = Arc::new(scene("acme/app", "/bin/sh").event(asked));
        let mut reviews = Reviews::default();
        reviews.keep(container(1), vec![Kept::new(&event)], at(1));
        assert_eq!(reviews.len(), 0);
        let mixed = events(1).into_iter().chain([Kept::new(&event)]).collect();
        reviews.keep(container(1), mixed, at(1));
        assert_eq!(reviews.take(container(1)).len(), 1);
    }

    #[test]
    fn the_oldest_makes_room_and_what_is_dropped_is_counted() {
        let mut reviews = Reviews::default();
        reviews.keep(container(0), events(MAX_EVENTS + 3), at(1));
        assert_eq!(reviews.dropped(), 3);
        for slot in 1..=128 {
            reviews.keep(container(slot), events(1), at(2));
        }
        assert_eq!(reviews.len(), MAX_REVIEWED);
        assert_eq!(reviews.take(container(0)).len(), 0);
        assert_eq!(reviews.dropped(), 3 + 256);
    }
}
