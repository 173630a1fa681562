//! Containers whose end no record told: a slot that stays gone without anybody releasing it would be lost for good.

use crate::event::SlotKey;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// How often is looked: the table is read slot by slot.
const PERIOD: Duration = Duration::from_secs(60);

/// Slots that were gone and not released when last looked. Their records may be on their way; a period later they are not.
#[derive(Debug, Default)]
pub(super) struct LostEnds {
    looked: Option<Instant>,
    suspects: BTreeSet<SlotKey>,
}

impl LostEnds {
    /// True when it is time to look again.
    pub(super) fn is_due(&mut self, now: Instant) -> bool {
        let due = self.looked.is_none_or(|last| now.duration_since(last) >= PERIOD);
        if due {
            self.looked = Some(now);
        }
        due
    }

    /// Takes what is gone and not released now. Returns what was so the last time too.
    pub(super) fn confirm(&mut self, gone: BTreeSet<SlotKey>) -> Vec<SlotKey> {
        let lost = gone.intersection(&self.suspects).copied().collect();
        self.suspects = gone;
        lost
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slots(keys: &[(u32, u32)]) -> BTreeSet<SlotKey> {
        let key = |(slot, generation): &(u32, u32)| SlotKey {
            slot: *slot,
            generation: *generation,
        };
        keys.iter().map(key).collect()
    }

    #[test]
    fn an_end_is_lost_when_its_record_did_not_come_for_a_whole_period() {
        let mut ends = LostEnds::default();
        assert_eq!(ends.confirm(slots(&[(1, 1), (2, 5)])), []);
        let lost = ends.confirm(slots(&[(2, 5), (3, 1)]));
        assert_eq!(lost, Vec::from_iter(slots(&[(2, 5)])));
        assert_eq!(ends.confirm(slots(&[])), [], "released meanwhile");
    }

    #[test]
    fn another_container_in_the_slot_is_another_end() {
        let mut ends = LostEnds::default();
        ends.confirm(slots(&[(2, 5)]));
        assert_eq!(ends.confirm(slots(&[(2, 6)])), []);
    }

    #[test]
    fn it_is_looked_once_a_minute() {
        let (mut ends, now) = (LostEnds::default(), Instant::now());
        assert!(ends.is_due(now));
        assert!(!ends.is_due(now + Duration::from_secs(59)));
        assert!(ends.is_due(now + PERIOD));
    }
}
