//! The books of the kernel half, read from its per-CPU maps.

use super::error::KernelError;
use super::{bpf, seals};
use agent_common::counter::{COUNTER_ENTRIES, COUNTER_KINDS, KernelError as Cause, Outcome, counter_index};
use agent_common::event::EventKind;
use aya::Ebpf;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

/// Reader of the counters. Each map by one system call: there is a counter per kind and outcome, and they are read every second.
pub struct Books {
    counters: OwnedFd,
    errors: OwnedFd,
    cpus: usize,
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
            counters: seals::descriptor(ebpf, "COUNTERS")?,
            errors: seals::descriptor(ebpf, "ERRORS")?,
            cpus: aya::util::nr_cpus().map_err(|(path, source)| KernelError::Read {
                path: path.to_owned(),
                source,
            })?,
        })
    }

    /// Reads everything.
    ///
    /// # Errors
    /// When the kernel refuses to read a map of ours.
    pub fn read(&self) -> io::Result<Totals> {
        let counters = self.sums(&self.counters, COUNTER_ENTRIES)?;
        let of = |sums: &[u64], index: u32| sums.get(index as usize).copied().unwrap_or(0);
        let mut counts = Vec::new();
        for kind in 0..COUNTER_KINDS {
            let mut row = [0; Outcome::COUNT as usize];
            let kind = EventKind(u16::try_from(kind).unwrap_or(u16::MAX));
            for (outcome, _) in Outcome::ALL {
                if let Some(total) = row.get_mut(outcome.0 as usize) {
                    *total = of(&counters, counter_index(kind, outcome));
                }
            }
            counts.push(row);
        }
        let causes = self.sums(&self.errors, Cause::COUNT)?;
        let errors = Cause::ALL.map(|(cause, name)| (name, of(&causes, cause.0)));
        Ok(Totals {
            counts,
            errors: errors.to_vec(),
        })
    }

    /// Of each entry, over all CPUs.
    fn sums(&self, map: &OwnedFd, entries: u32) -> io::Result<Vec<u64>> {
        let mut values = vec![0_u64; entries as usize * self.cpus];
        // SAFETY: the map has as many entries, of one word per possible CPU each.
        unsafe { bpf::read_array(map.as_fd(), &mut values, self.cpus)? };
        Ok(values.chunks(self.cpus).map(|cpus| cpus.iter().sum()).collect())
    }
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
