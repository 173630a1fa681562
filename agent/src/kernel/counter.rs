//! The books of the kernel half, read from its per-CPU maps.

use super::error::KernelError;
use agent_common::counter::{COUNTER_KINDS, KernelError as Cause, Outcome, counter_index};
use agent_common::event::EventKind;
use aya::Ebpf;
use aya::maps::{MapData, MapError, PerCpuArray};

/// Name of numbers that are no kind.
const UNKNOWN_KIND: &str = "unknown";

/// Reader of the counters.
pub struct Books {
    counters: PerCpuArray<MapData, u64>,
    errors: PerCpuArray<MapData, u64>,
}

/// Sums over all CPUs at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Totals {
    counts: Vec<[u64; Outcome::COUNT as usize]>,
    /// Errors inside programs, in the order of `agent_common::counter::KernelError::ALL`.
    pub errors: Vec<(&'static str, u64)>,
}

/// A kind whose outcomes do not add up to what was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mismatch {
    pub kind: EventKind,
    pub seen: u64,
    pub booked: u64,
}

impl std::fmt::Debug for Books {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Books").finish_non_exhaustive()
    }
}

impl Books {
    pub(super) fn take(ebpf: &mut Ebpf) -> Result<Self, KernelError> {
        Ok(Self {
            counters: super::map(ebpf, "COUNTERS", PerCpuArray::try_from)?,
            errors: super::map(ebpf, "ERRORS", PerCpuArray::try_from)?,
        })
    }

    /// Reads everything.
    ///
    /// # Errors
    /// When the kernel refuses to read a map of ours.
    pub fn read(&self) -> Result<Totals, MapError> {
        let mut counts = Vec::new();
        for kind in 0..COUNTER_KINDS {
            let mut row = [0; Outcome::COUNT as usize];
            let kind = EventKind(u16::try_from(kind).unwrap_or(u16::MAX));
            // A system call per counter, every second: only those that somebody writes.
            if kind.name() != UNKNOWN_KIND {
                for (outcome, _) in Outcome::ALL {
                    if let Some(total) = row.get_mut(outcome.0 as usize) {
                        *total = sum(&self.counters, counter_index(kind, outcome))?;
                    }
                }
            }
            counts.push(row);
        }
        let mut errors = Vec::new();
        for (cause, name) in Cause::ALL {
            errors.push((name, sum(&self.errors, cause.0)?));
        }
        Ok(Totals { counts, errors })
    }
}

fn sum(map: &PerCpuArray<MapData, u64>, index: u32) -> Result<u64, MapError> {
    Ok(map.get(&index, 0)?.iter().sum())
}

impl Totals {
    /// How often `outcome` was booked for `kind`.
    #[must_use]
    pub fn get(&self, kind: EventKind, outcome: Outcome) -> u64 {
        self.counts
            .get(usize::from(kind.0))
            .and_then(|row| row.get(outcome.0 as usize))
            .copied()
            .unwrap_or(0)
    }

    /// Kinds whose books do not balance. Only meaningful while no program runs: a hook books what it saw before it
    /// books what became of it.
    pub fn mismatches(&self) -> impl Iterator<Item = Mismatch> + '_ {
        EventKind::ALL.iter().filter_map(|(kind, _)| {
            let seen = self.get(*kind, Outcome::SEEN);
            let booked = Outcome::ALL
                .iter()
                .filter(|(outcome, _)| *outcome != Outcome::SEEN)
                .map(|(outcome, _)| self.get(*kind, *outcome))
                .sum();
            (seen != booked).then_some(Mismatch {
                kind: *kind,
                seen,
                booked,
            })
        })
    }
}
