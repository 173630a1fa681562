//! Whether the books balance, and what was lost: the kernel's counters beside the engine's, once a second.
//!
//! Counters of programs that run right now are half-written, so equations are checked only when two readings in a
//! row are equal and no record arrived between them. When the programs are detached, nothing moves any more.

use super::books;
use super::maps::KernelBooks;
use crate::detect::SensorFinding;
use crate::engine::EngineStats;
use crate::event::SlotKey;
use agent_common::counter::{Outcome, SlotBooks};
use std::collections::{BTreeMap, HashMap};
use std::fmt;

/// Error of the kernel half that means: no slot for a new container.
const SLOTS_EXHAUSTED: &str = "slots_exhausted";

/// The names of all equations.
pub(super) const EQUATIONS: [&str; 4] = ["seen", "sent", "received", CONTAINER];
const CONTAINER: &str = "container";

/// An equation that does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mismatch {
    /// One of [`EQUATIONS`].
    pub(super) equation: &'static str,
    /// The kind of event, or the container's id; `all` for sums.
    of: String,
    left: u64,
    right: u64,
}

impl Mismatch {
    /// For an alert.
    pub(super) fn finding(&self) -> SensorFinding {
        SensorFinding::BooksUnbalanced {
            equation: self.equation.to_owned(),
            container: (self.equation == CONTAINER).then(|| self.of.clone()),
            figures: self.to_string(),
        }
    }
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { of, left, right, .. } = self;
        match self.equation {
            "seen" => write!(f, "{of}: seen {left}, but {right} outcomes were booked"),
            CONTAINER => write!(f, "container {of}: seen {left}, but {right} outcomes were booked"),
            "sent" => write!(f, "the kernel sent {left} records, {right} were received"),
            _ => write!(
                f,
                "{left} records were received, {right} were handled or undecodable"
            ),
        }
    }
}

/// A container that runs, and its books.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Observed {
    pub(super) key: SlotKey,
    pub(super) id: String,
    pub(super) books: SlotBooks,
}

/// One reading of all sides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reading {
    pub(super) kernel: KernelBooks,
    pub(super) containers: Vec<Observed>,
}

/// What the last reading was.
#[derive(Debug)]
struct Last {
    kernel: KernelBooks,
    received: u64,
    containers: HashMap<SlotKey, SlotBooks>,
}

/// Compares readings.
#[derive(Debug, Default)]
pub(super) struct Audit {
    last: Option<Last>,
    /// What does not balance, as of the last quiescent moment of each.
    mismatches: Vec<Mismatch>,
}

impl Audit {
    /// Takes a reading. Returns mismatches that were not there at the last quiescent moment.
    pub(super) fn read(&mut self, reading: &Reading, engine: &EngineStats) -> Vec<Mismatch> {
        let Reading { kernel, containers } = reading;
        let last = self.last.replace(Last {
            kernel: kernel.clone(),
            received: engine.received,
            containers: containers.iter().map(|found| (found.key, found.books)).collect(),
        });
        let Some(last) = last else { return Vec::new() };
        let quiescent = last.kernel == *kernel && last.received == engine.received;
        let (resting, moving): (Vec<_>, Vec<_>) = containers
            .iter()
            .partition(|found| last.containers.get(&found.key) == Some(&found.books));
        let unknown = |known: &Mismatch| match known.equation {
            CONTAINER => moving.iter().any(|found| found.id == known.of),
            _ => !quiescent,
        };
        let mut mismatches: Vec<_> = self
            .mismatches
            .iter()
            .filter(|known| unknown(known))
            .cloned()
            .collect();
        if quiescent {
            mismatches.extend(compare(kernel, engine));
        }
        mismatches.extend(resting.into_iter().filter_map(of_container));
        self.note(mismatches)
    }

    /// The last reading of all: programs are detached, so every equation has to hold. Returns what does not and was not
    /// told.
    pub(super) fn close(&mut self, reading: &Reading, engine: &EngineStats) -> Vec<Mismatch> {
        let containers = reading.containers.iter().filter_map(of_container);
        let mismatches = compare(&reading.kernel, engine).into_iter().chain(containers);
        self.note(mismatches.collect())
    }

    fn note(&mut self, mismatches: Vec<Mismatch>) -> Vec<Mismatch> {
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

    /// What was lost since the last reading. To be called before [`Self::read`].
    pub(super) fn losses(&self, reading: &Reading) -> Vec<SensorFinding> {
        let before = self.last.as_ref();
        let lost = |found: &Observed| {
            let past = before.and_then(|last| last.containers.get(&found.key));
            let reasons = lost_since(past, &found.books);
            (!reasons.is_empty()).then(|| SensorFinding::EventsLost {
                container: found.id.clone(),
                lost: reasons.values().sum(),
                reasons,
            })
        };
        let mut findings: Vec<_> = reading.containers.iter().filter_map(lost).collect();
        let exhausted = |books: &KernelBooks| books.errors.get(SLOTS_EXHAUSTED).copied().unwrap_or(0);
        let containers = exhausted(&reading.kernel);
        if containers > before.map_or(0, |last| exhausted(&last.kernel)) {
            findings.push(SensorFinding::SlotsExhausted { containers });
        }
        findings
    }
}

/// What a container lost, by reason.
fn lost_since(past: Option<&SlotBooks>, now: &SlotBooks) -> BTreeMap<String, u64> {
    let reason = |(outcome, reason): (Outcome, &str)| {
        let before = past.map_or(0, |past| books::of(past, outcome));
        let lost = books::of(now, outcome).saturating_sub(before);
        (books::is_lost(outcome) && lost > 0).then(|| (reason.to_owned(), lost))
    };
    Outcome::ALL.into_iter().filter_map(reason).collect()
}

fn of_container(found: &Observed) -> Option<Mismatch> {
    let (left, right) = (found.books.seen(), found.books.booked());
    (left != right).then(|| Mismatch {
        equation: CONTAINER,
        of: found.id.clone(),
        left,
        right,
    })
}

fn compare(kernel: &KernelBooks, engine: &EngineStats) -> Vec<Mismatch> {
    let kinds = kernel.kinds.iter().map(|(kind, counters)| Mismatch {
        equation: "seen",
        of: kind.clone(),
        left: counters.seen,
        right: counters.booked(),
    });
    let sum = |equation, left, right| Mismatch {
        equation,
        of: "all".to_owned(),
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
#[path = "audit_tests.rs"]
mod tests;
