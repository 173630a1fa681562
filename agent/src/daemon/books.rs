//! The kernel's books in the words of status, metrics and alerts.

use super::maps::KernelBooks;
use crate::control::{ContainerCounters, KindCounters};
use crate::event::EventKind;
use crate::kernel::Totals;
use crate::telemetry::Metrics;
use crate::telemetry::metrics::set_total;
use agent_common::counter::{Outcome, SlotBooks};
use prometheus::IntCounter;

/// True for outcomes that are blind spots; what is neither lost, sent nor repeated was suppressed.
pub(super) fn is_lost(outcome: Outcome) -> bool {
    matches!(
        outcome,
        Outcome::LOST_RING_FULL | Outcome::LOST_SCRATCH_BUSY | Outcome::LOST_UNREADABLE | Outcome::LOST_QUOTA
    )
}

pub(super) fn kernel_books(totals: &Totals) -> KernelBooks {
    let mut books = KernelBooks::default();
    for (kind, name) in EventKind::ALL {
        let mut counters = KindCounters::default();
        for (outcome, reason) in Outcome::ALL {
            let count = totals.get(kind, outcome);
            match outcome {
                Outcome::SEEN => counters.seen = count,
                Outcome::REPEATED => counters.repeated = count,
                Outcome::SENT => counters.sent = count,
                _ if count == 0 => {}
                lost if is_lost(lost) => drop(counters.lost.insert(reason.to_owned(), count)),
                _ => drop(counters.suppressed.insert(reason.to_owned(), count)),
            }
        }
        if counters != KindCounters::default() {
            books.kinds.insert(name.to_owned(), counters);
        }
    }
    let errors = totals.errors.iter().filter(|(_, count)| *count > 0);
    books
        .errors
        .extend(errors.map(|(cause, count)| ((*cause).to_owned(), *count)));
    books
}

/// The metrics of the kernel's books. Each is looked up once: there are hundreds, and they are set every second.
pub(super) struct BookMetrics {
    counters: Vec<(EventKind, Outcome, IntCounter)>,
    /// In the order of [`Totals::errors`].
    errors: Vec<IntCounter>,
}

impl BookMetrics {
    pub(super) fn of(totals: &Totals, metrics: &Metrics) -> Self {
        let of_kind = |(kind, name): (EventKind, &'static str)| {
            Outcome::ALL.map(|(outcome, reason)| (kind, outcome, counter(metrics, name, outcome, reason)))
        };
        let errors = totals.errors.iter();
        Self {
            counters: EventKind::ALL.into_iter().flat_map(of_kind).collect(),
            errors: errors
                .map(|(cause, _)| metrics.kernel_errors.with_label_values(&[cause]))
                .collect(),
        }
    }

    pub(super) fn set(&self, totals: &Totals) {
        for (kind, outcome, counter) in &self.counters {
            set_total(counter, totals.get(*kind, *outcome));
        }
        for (counter, (_, count)) in self.errors.iter().zip(&totals.errors) {
            set_total(counter, *count);
        }
    }
}

fn counter(metrics: &Metrics, kind: &str, outcome: Outcome, reason: &str) -> IntCounter {
    match outcome {
        Outcome::SEEN => metrics.events_seen.with_label_values(&[kind]),
        Outcome::REPEATED => metrics.events_repeated.with_label_values(&[kind]),
        Outcome::SENT => metrics.events_sent.with_label_values(&[kind]),
        lost if is_lost(lost) => metrics.events_lost.with_label_values(&[kind, reason]),
        _ => metrics.events_suppressed.with_label_values(&[kind, reason]),
    }
}

/// The books of one container by name.
pub(super) fn counters(books: &SlotBooks) -> ContainerCounters {
    let mut counters = ContainerCounters::default();
    for (kind, name) in EventKind::ALL {
        let seen = books.seen.get(usize::from(kind.0)).copied().unwrap_or(0);
        if seen > 0 {
            counters.seen.insert(name.to_owned(), seen);
        }
    }
    for (outcome, reason) in Outcome::ALL {
        let count = of(books, outcome);
        match outcome {
            Outcome::SEEN => {}
            Outcome::REPEATED => counters.repeated = count,
            Outcome::SENT => counters.sent = count,
            _ if count == 0 => {}
            lost if is_lost(lost) => drop(counters.lost.insert(reason.to_owned(), count)),
            _ => drop(counters.suppressed.insert(reason.to_owned(), count)),
        }
    }
    counters
}

/// How often a container's hooks had an outcome.
pub(super) fn of(books: &SlotBooks, outcome: Outcome) -> u64 {
    books.outcomes.get(outcome.0 as usize).copied().unwrap_or(0)
}
