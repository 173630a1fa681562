//! Whether the books balance, and what was lost: the kernel's counters beside the engine's, once a second.
//!
//! Counters of programs that run right now are half-written, so equations are checked only when two readings in a
//! row are equal and no record arrived between them.

use super::maps::KernelBooks;
use crate::container::SlotReader;
use crate::detect::SensorFinding;
use crate::engine::EngineStats;
use std::collections::HashMap;
use std::fmt;

/// Error of the kernel half that means: no slot for a new container.
const SLOTS_EXHAUSTED: &str = "slots_exhausted";

/// The names of all equations.
pub(super) const EQUATIONS: [&str; 3] = ["seen", "sent", "received"];

/// An equation that does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mismatch {
    /// Closed set: `seen`, `sent`, `received`.
    pub(super) equation: &'static str,
    /// The kind of event; `all` for sums.
    kind: String,
    left: u64,
    right: u64,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            kind, left, right, ..
        } = self;
        match self.equation {
            "seen" => write!(f, "{kind}: seen {left}, but {right} outcomes were booked"),
            "sent" => write!(f, "the kernel sent {left} records, {right} were received"),
            _ => write!(
                f,
                "{left} records were received, {right} were handled or undecodable"
            ),
        }
    }
}

/// One reading of both sides.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Reading {
    kernel: KernelBooks,
    received: u64,
}

/// Compares readings.
#[derive(Debug, Default)]
pub(super) struct Audit {
    last: Option<Reading>,
    /// What does not balance, as of the last quiescent moment.
    mismatches: Vec<Mismatch>,
    /// By slot and generation: time of the last loss that was told.
    losses: HashMap<(u32, u32), u64>,
}

impl Audit {
    /// Takes a reading. Returns mismatches that were not there at the last quiescent moment.
    pub(super) fn read(&mut self, kernel: &KernelBooks, engine: &EngineStats) -> Vec<Mismatch> {
        let reading = Reading {
            kernel: kernel.clone(),
            received: engine.received,
        };
        let quiescent = self.last.as_ref() == Some(&reading);
        self.last = Some(reading);
        if !quiescent {
            return Vec::new();
        }
        let mismatches = compare(kernel, engine);
        let new = mismatches
            .iter()
            .filter(|found| !self.mismatches.contains(found))
            .cloned()
            .collect();
        self.mismatches = mismatches;
        new
    }

    /// What does not balance now.
    pub(super) fn mismatches(&self) -> &[Mismatch] {
        &self.mismatches
    }

    /// What was lost since the last reading. To be called before [`Self::read`]. `containers`: slot, generation and
    /// id of those that run.
    pub(super) fn losses(
        &mut self,
        kernel: &KernelBooks,
        containers: &[(u32, u32, String)],
        slots: &mut dyn SlotReader,
    ) -> Vec<SensorFinding> {
        let mut findings = Vec::new();
        let before = self.last.as_ref().map(|reading| &reading.kernel);
        let lost = lost(kernel).saturating_sub(before.map_or(0, lost));
        if lost > 0 {
            self.losses.retain(|(slot, generation), _| {
                containers
                    .iter()
                    .any(|found| (found.0, found.1) == (*slot, *generation))
            });
            for (slot, generation, id) in containers {
                let at = slots.slot(*slot).filter(|state| state.generation == *generation);
                let at = at.map_or(0, |state| state.lost_boot_ns);
                let told = self.losses.entry((*slot, *generation)).or_default();
                if at > *told {
                    *told = at;
                    let container = id.clone();
                    findings.push(SensorFinding::EventsLost { container, lost });
                }
            }
        }
        let exhausted = |books: &KernelBooks| books.errors.get(SLOTS_EXHAUSTED).copied().unwrap_or(0);
        let containers = exhausted(kernel);
        if containers > before.map_or(0, exhausted) {
            findings.push(SensorFinding::SlotsExhausted { containers });
        }
        findings
    }
}

fn lost(books: &KernelBooks) -> u64 {
    books.kinds.values().flat_map(|kind| kind.lost.values()).sum()
}

fn compare(kernel: &KernelBooks, engine: &EngineStats) -> Vec<Mismatch> {
    let kinds = kernel.kinds.iter().map(|(kind, counters)| Mismatch {
        equation: "seen",
        kind: kind.clone(),
        left: counters.seen,
        right: counters.booked(),
    });
    let sum = |equation, left, right| Mismatch {
        equation,
        kind: "all".to_owned(),
        left,
        right,
    };
    let sent = kernel.kinds.values().map(|kind| kind.sent).sum();
    let understood = engine.handled_total() + engine.undecodable_total();
    kinds
        .chain([
            sum("sent", sent, engine.received),
            sum("received", engine.received, understood),
        ])
        .filter(|found| found.left != found.right)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::KindCounters;
    use agent_common::slot::SlotState;
    use zerocopy::FromZeros;

    struct Slots(u64);

    impl SlotReader for Slots {
        fn slot(&mut self, slot: u32) -> Option<SlotState> {
            let mut state = SlotState::new_zeroed();
            state.generation = 1;
            state.lost_boot_ns = if slot == 3 { self.0 } else { 0 };
            Some(state)
        }
    }

    fn books(seen: u64, sent: u64, lost: u64) -> KernelBooks {
        let mut counters = KindCounters {
            seen,
            sent,
            ..KindCounters::default()
        };
        if lost > 0 {
            counters.lost.insert("ring_full".to_owned(), lost);
        }
        KernelBooks {
            kinds: [("exec".to_owned(), counters)].into(),
            ..KernelBooks::default()
        }
    }

    fn engine(received: u64) -> EngineStats {
        EngineStats {
            received,
            undecodable: [("no_header", received)].into(),
            ..EngineStats::default()
        }
    }

    fn equations(found: &[Mismatch]) -> Vec<&'static str> {
        found.iter().map(|mismatch| mismatch.equation).collect()
    }

    #[test]
    fn moving_counters_are_not_compared() {
        let mut audit = Audit::default();
        for seen in 1..5 {
            assert_eq!(audit.read(&books(seen, seen - 1, 0), &engine(0)), []);
        }
        assert_eq!(audit.mismatches(), []);
    }

    #[test]
    fn a_difference_is_told_once_until_it_changes() {
        let mut audit = Audit::default();
        audit.read(&books(5, 4, 0), &engine(3));
        let found = audit.read(&books(5, 4, 0), &engine(3));
        assert_eq!(equations(&found), ["seen", "sent"]);
        assert_eq!(found[0].to_string(), "exec: seen 5, but 4 outcomes were booked");
        assert_eq!(found[1].to_string(), "the kernel sent 4 records, 3 were received");
        assert_eq!(audit.read(&books(5, 4, 0), &engine(3)), []);
        assert_eq!(audit.mismatches().len(), 2);
        audit.read(&books(6, 6, 0), &engine(6));
        assert_eq!(audit.read(&books(6, 6, 0), &engine(6)), []);
        assert_eq!(audit.mismatches(), [], "it was a moment's difference");
    }

    #[test]
    fn a_record_that_the_engine_lost_is_found() {
        let mut audit = Audit::default();
        let mut stats = engine(4);
        stats.undecodable.clear();
        audit.read(&books(4, 4, 0), &stats);
        assert_eq!(equations(&audit.read(&books(4, 4, 0), &stats)), ["received"]);
    }

    #[test]
    fn losses_name_the_container_once_per_loss() {
        let containers = [(2, 1, "aa".to_owned()), (3, 1, "bb".to_owned())];
        let mut audit = Audit::default();
        let at = |audit: &mut Audit, lost: u64, time: u64| {
            let books = books(lost, 0, lost);
            let found = audit.losses(&books, &containers, &mut Slots(time));
            audit.read(&books, &engine(0));
            found
        };
        let expected = |lost| {
            let container = "bb".to_owned();
            vec![SensorFinding::EventsLost { container, lost }]
        };
        assert_eq!(at(&mut audit, 0, 0), []);
        assert_eq!(at(&mut audit, 7, 50), expected(7));
        assert_eq!(at(&mut audit, 7, 50), []);
        assert_eq!(at(&mut audit, 9, 60), expected(2));
    }

    #[test]
    fn exhausted_slots_are_told_when_there_are_more() {
        let mut books = books(0, 0, 0);
        let mut audit = Audit::default();
        assert_eq!(audit.losses(&books, &[], &mut Slots(0)), []);
        books.errors.insert(SLOTS_EXHAUSTED.to_owned(), 2);
        let told = [SensorFinding::SlotsExhausted { containers: 2 }];
        assert_eq!(audit.losses(&books, &[], &mut Slots(0)), told);
        audit.read(&books, &engine(0));
        assert_eq!(audit.losses(&books, &[], &mut Slots(0)), []);
    }
}
