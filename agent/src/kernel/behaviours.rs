//! Behaviours that left the kernel: the cache of all, and the table of deviations. Closed to every writer but programs: what the daemon
//! takes out a program takes out for it.

use super::bpf;
use super::error::KernelError;
use super::place::unattached;
use super::slots::{MapUsage, Slots, keys};
use agent_common::behaviour::{BehaviourKey, BehaviourValue};
use agent_common::limits::{DEVIATION_ENTRIES, DEVIATIONS_PER_SLOT};
use aya::Ebpf;
use aya::maps::{HashMap, MapData};
use aya::programs::ProgramFd;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::os::fd::AsFd;
use zerocopy::IntoBytes;

const PROGRAM: &str = "forget";

pub(super) struct Behaviours {
    map: HashMap<MapData, BehaviourKey, BehaviourValue>,
    deviations: HashMap<MapData, BehaviourKey, BehaviourValue>,
    forget: ProgramFd,
}

/// Which deviations nobody asks for any more.
pub(super) struct Stale<'a> {
    /// Slots that are another's from now on.
    pub(super) given_back: &'a BTreeSet<u32>,
    /// The epoch of a slot.
    pub(super) epoch: &'a dyn Fn(u32) -> u32,
    /// Windows of alerts that were open then, boot clock, are closed.
    pub(super) closed_before_ns: u64,
}

impl Behaviours {
    pub(super) fn take(ebpf: &mut Ebpf) -> Result<Self, KernelError> {
        Ok(Self {
            map: super::map(ebpf, "BEHAVIOURS", HashMap::try_from)?,
            deviations: super::map(ebpf, "DEVIATIONS", HashMap::try_from)?,
            forget: unattached(ebpf, PROGRAM)?,
        })
    }

    /// What was counted; `None` when the behaviour was evicted, or never there.
    pub(super) fn counted(&self, key: &BehaviourKey) -> Option<BehaviourValue> {
        let [expected, deviation] = [&self.map, &self.deviations].map(|map| {
            let value = map.get(key, 0).ok()?;
            let count = value.occurrences();
            Some(BehaviourValue { count, ..value })
        });
        both(expected, deviation)
    }

    /// Takes it out, with what was counted; `None` when it was not there.
    ///
    /// # Errors
    /// When the kernel does not run the program.
    pub(super) fn forget(&self, key: &BehaviourKey) -> io::Result<Option<BehaviourValue>> {
        let Some(value) = self.counted(key) else {
            return Ok(None);
        };
        let (words, _) = key.as_bytes().as_chunks();
        let words: Vec<u64> = words.iter().map(|bytes| u64::from_ne_bytes(*bytes)).collect();
        // What occurred since the value was read is in what the program took.
        let count = bpf::run(self.forget.as_fd(), &words)?.into();
        Ok(Some(BehaviourValue { count, ..value }))
    }

    /// Takes out deviations that only take room: what a former owner of a slot did, or the present one under another profile, and where
    /// half of a container's share is used also what no alert counts any more.
    ///
    /// # Errors
    /// When the kernel does not run the program.
    pub(super) fn sweep(&self, stale: &Stale<'_>) -> io::Result<()> {
        let entries: Vec<_> = self.deviations.iter().map_while(Result::ok).collect();
        let mut used: BTreeMap<u32, u64> = BTreeMap::new();
        for (key, _) in &entries {
            *used.entry(key.slot).or_default() += 1;
        }
        let crowded = |slot| {
            used.get(&slot)
                .is_some_and(|used| *used > DEVIATIONS_PER_SLOT / 2)
        };
        for (key, _) in entries
            .iter()
            .filter(|(key, value)| stale.is(key, value, crowded(key.slot)))
        {
            self.forget(key)?;
        }
        Ok(())
    }

    /// How full the table of deviations is. The cache stays full.
    pub(super) fn usage(&self) -> MapUsage {
        MapUsage {
            map: "deviations",
            entries: keys(&self.deviations),
            capacity: DEVIATION_ENTRIES.into(),
        }
    }
}

impl Stale<'_> {
    fn is(&self, key: &BehaviourKey, value: &BehaviourValue, crowded: bool) -> bool {
        let former = key.epoch != (self.epoch)(key.slot);
        let closed = value.first_boot_ns < self.closed_before_ns;
        // Taken, and yet there: it could not be removed at that moment.
        let taken = value.count & BehaviourValue::TAKEN != 0;
        taken || former && (closed || self.given_back.contains(&key.slot)) || crowded && closed
    }
}

impl Slots {
    /// Takes a behaviour out of the kernel's memory: its next occurrence leaves the kernel again. Returns what was counted until then; `None`
    /// when the cache had evicted it.
    pub fn rearm(&mut self, key: &BehaviourKey) -> Option<BehaviourValue> {
        self.behaviours.forget(key).unwrap_or_else(|error| {
            tracing::warn!(%error, "a behaviour was not re-armed");
            self.behaviours.counted(key)
        })
    }

    /// Makes room among the deviations: takes out those of slots that were recycled since the last time, and those of which no alert counts
    /// the repeats. `closed_before_ns`: windows of alerts that were open then, boot clock, are closed.
    ///
    /// # Errors
    /// When the kernel does not run the program that does it.
    pub fn sweep(&mut self, closed_before_ns: u64) -> io::Result<()> {
        let given_back = std::mem::take(&mut self.given_back);
        self.behaviours.sweep(&Stale {
            given_back: &given_back,
            epoch: &|slot| self.controls.told(slot).epoch,
            closed_before_ns,
        })
    }

    /// Slots were recycled since deviations were swept.
    #[must_use]
    pub fn is_to_be_swept(&self) -> bool {
        !self.given_back.is_empty()
    }

    /// How often a behaviour occurred.
    #[must_use]
    pub fn occurrences(&self, key: &BehaviourKey) -> Option<u64> {
        Some(self.behaviours.counted(key)?.count)
    }
}

/// Of the cache and the table: a behaviour is in both when it found no room once, and some later.
fn both(expected: Option<BehaviourValue>, deviation: Option<BehaviourValue>) -> Option<BehaviourValue> {
    match (expected, deviation) {
        (Some(one), Some(other)) => Some(BehaviourValue {
            count: one.count.saturating_add(other.count),
            first_boot_ns: one.first_boot_ns.min(other.first_boot_ns),
            last_boot_ns: one.last_boot_ns.max(other.last_boot_ns),
            ..other
        }),
        (one, other) => one.or(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use agent_common::behaviour::Recent;
    use agent_common::policy::Verdict;
    use zerocopy::FromZeros;

    fn key(slot: u32, epoch: u32) -> BehaviourKey {
        BehaviourKey {
            slot,
            epoch,
            ..BehaviourKey::new_zeroed()
        }
    }

    fn value(count: u64, first: u64) -> BehaviourValue {
        BehaviourValue {
            count,
            first_boot_ns: first,
            last_boot_ns: first + 1,
            verdict: Verdict::DEVIATION,
            recent: Recent::first(first),
        }
    }

    #[test]
    fn what_an_open_alert_counts_stays_and_what_nobody_asks_for_goes() {
        let given_back = BTreeSet::from([7]);
        let stale = Stale {
            given_back: &given_back,
            epoch: &|_| 3,
            closed_before_ns: 100,
        };
        let is = |key, value, crowded| stale.is(&key, &value, crowded);
        assert!(!is(key(1, 3), value(5, 50), false), "its container may repeat it");
        assert!(is(key(1, 3), value(5, 50), true), "room for others");
        assert!(!is(key(1, 3), value(5, 150), true), "its alert is open");
        assert!(!is(key(1, 2), value(5, 150), false), "by the former profile");
        assert!(is(key(1, 2), value(5, 50), false));
        assert!(is(key(7, 2), value(5, 150), false), "a container that is gone");
        assert!(!is(key(7, 3), value(5, 150), false), "the next owner's");
        assert!(is(key(1, 3), value(BehaviourValue::TAKEN | 4, 150), false));
    }

    #[test]
    fn counts_of_cache_and_table_add_up() {
        let sum = both(Some(value(2, 10)), Some(value(3, 20))).unwrap();
        assert_eq!((sum.count, sum.first_boot_ns, sum.last_boot_ns), (5, 10, 21));
        assert_eq!(both(None, Some(value(3, 20))).unwrap().count, 3);
        assert!(both(None, None).is_none());
        assert_eq!(value(BehaviourValue::TAKEN | 4, 0).occurrences(), 0);
    }
}
