//! Pairs of containers whose contact was told: "for the first time" is said once, until one of the two is gone.

use crate::event::ContainerId;
use lru::LruCache;
use std::num::NonZeroUsize;

/// Pairs that are remembered: some for each of thousands of containers. Beyond, the one that was longest not seen is
/// forgotten, and its next contact is told again.
pub const MAX_PAIRS: usize = 16_384;

/// What is remembered.
#[derive(Debug)]
pub(super) struct Pairs {
    told: LruCache<(ContainerId, ContainerId), ()>,
    /// Pairs that were forgotten for lack of room.
    dropped: u64,
}

impl Default for Pairs {
    fn default() -> Self {
        Self {
            told: LruCache::new(NonZeroUsize::MIN.saturating_add(MAX_PAIRS - 1)),
            dropped: 0,
        }
    }
}

impl Pairs {
    /// True when the contact of `own` with `peer` was told before.
    pub(super) fn knows(&mut self, own: &ContainerId, peer: &ContainerId) -> bool {
        self.told.get(&(own.clone(), peer.clone())).is_some()
    }

    pub(super) fn insert(&mut self, own: &ContainerId, peer: &ContainerId) {
        let pair = (own.clone(), peer.clone());
        let full = self.told.len() >= MAX_PAIRS && !self.told.contains(&pair);
        self.dropped += u64::from(full);
        self.told.put(pair, ());
    }

    /// The container is gone: another one that takes its place is met for the first time.
    pub(super) fn forget(&mut self, gone: &ContainerId) {
        let of = |(own, peer): &(ContainerId, ContainerId)| own == gone || peer == gone;
        let pairs: Vec<_> = self
            .told
            .iter()
            .map(|(pair, ())| pair)
            .filter(|pair| of(pair))
            .cloned()
            .collect();
        for pair in pairs {
            self.told.pop(&pair);
        }
    }

    pub(super) fn len(&self) -> usize {
        self.told.len()
    }

    pub(super) fn dropped(&self) -> u64 {
        self.dropped
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: usize) -> ContainerId {
        ContainerId::from(format!("{number:064x}").as_str())
    }

    #[test]
    fn a_pair_is_known_until_one_of_the_two_is_gone() {
        let mut pairs = Pairs::default();
        pairs.insert(&id(1), &id(2));
        assert!(pairs.knows(&id(1), &id(2)));
        assert!(!pairs.knows(&id(2), &id(1)), "the other way is another contact");
        for gone in [id(1), id(2)] {
            pairs.insert(&id(1), &id(2));
            pairs.insert(&id(3), &id(4));
            pairs.forget(&gone);
            assert!(!pairs.knows(&id(1), &id(2)) && pairs.knows(&id(3), &id(4)));
        }
    }

    #[test]
    fn pairs_are_bounded_and_what_is_dropped_is_counted() {
        let mut pairs = Pairs::default();
        for peer in 0..MAX_PAIRS + 3 {
            pairs.insert(&id(1), &id(peer));
        }
        assert_eq!((pairs.len(), pairs.dropped()), (MAX_PAIRS, 3));
        assert!(!pairs.knows(&id(1), &id(0)) && pairs.knows(&id(1), &id(MAX_PAIRS)));
    }
}
