//! What the sensor sees of each behaviour, by backend and kernel: data, shown by `agent check` and
//! `docs/kernel-support.md`, and held true by the kernel tier's tests.

mod table;
#[cfg(test)]
mod tests;

use super::backend::{Backend, Capability};
use super::report::{CapabilityReport, LeftOut};
use agent_common::event::Trust;
use serde::Serialize;

pub use table::behaviours;

/// How well a backend shows a behaviour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Sight {
    /// The kernel's own object.
    Resolved,
    /// A descriptor, resolved when the call returned.
    Racy,
    /// What was asked for.
    Arguments,
    /// Not at all.
    Blind,
    /// This kernel never does it.
    Absent,
}

impl Sight {
    /// Name in `agent check` and in documents.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Resolved => "resolved",
            Self::Racy => "racy",
            Self::Arguments => "arguments",
            Self::Blind => "blind",
            Self::Absent => "absent",
        }
    }

    /// What a record of such sight says of its object; `None` when there is no record.
    #[must_use]
    pub fn trust(self) -> Option<Trust> {
        match self {
            Self::Resolved => Some(Trust::RESOLVED),
            Self::Racy => Some(Trust::RACY),
            Self::Arguments => Some(Trust::ARGUMENTS),
            Self::Blind | Self::Absent => None,
        }
    }
}

/// Something that a container may do.
#[derive(Debug, Clone, Copy)]
pub struct Behaviour {
    /// Stable name.
    pub name: &'static str,
    /// How it is done.
    pub what: &'static str,
    /// Whose hooks show it.
    pub capability: Capability,
    /// Whose hooks show it where that capability rests on tracepoints; `None`: its own.
    pub natively: Option<Capability>,
    /// A program by tracepoints that shows it less well than the others, and how well; `None`: there is none.
    pub weakly: Option<(&'static str, Sight)>,
    /// Programs, one of each backend, that alone show it, where a way may do without them; empty: all show it.
    pub only: &'static [&'static str],
    /// By lsm, fentry and tracepoint.
    pub sight: [Sight; 3],
}

impl Behaviour {
    /// What `backend` shows of it, where it is attached.
    #[must_use]
    pub fn sight(&self, backend: Backend) -> Sight {
        let [lsm, fentry, tracepoint] = self.sight;
        match backend {
            Backend::Lsm => lsm,
            Backend::Fentry => fentry,
            Backend::Tracepoint => tracepoint,
        }
    }

    /// What these attached capabilities show of it, and by which backend.
    fn shown(&self, reports: &[CapabilityReport]) -> (Option<Backend>, Sight) {
        let report = |capability| reports.iter().find(|report| report.capability == capability);
        let mut used = report(self.capability);
        if let Some(other) = self.natively
            && used.is_some_and(|own| own.backend == Some(Backend::Tracepoint))
        {
            used = report(other);
        }
        let backend = used.and_then(|used| used.backend);
        let is_weak = |program| used.is_some_and(|used| used.programs.contains(&program));
        let sight = match (backend, self.weakly) {
            (None, _) => Sight::Blind,
            (Some(_), Some((program, sight))) if is_weak(program) => sight,
            (Some(backend), _) => used
                .and_then(|used| self.lacking(used))
                .unwrap_or_else(|| self.sight(backend)),
        };
        (backend, sight)
    }

    /// What is left of the sight without the program that alone shows it.
    fn lacking(&self, used: &CapabilityReport) -> Option<Sight> {
        let is_needed = |left: &&LeftOut| self.only.contains(&left.program);
        let left = used.left_out.iter().find(is_needed)?;
        Some(left.reason.as_ref().map_or(Sight::Absent, |_| Sight::Blind))
    }
}

/// What the attached sensor shows of a behaviour. A row of `agent check --output json`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Coverage {
    pub behaviour: &'static str,
    pub capability: &'static str,
    /// `None`: nothing is attached.
    pub backend: Option<&'static str>,
    pub sight: Sight,
}

/// Every behaviour with what these attached capabilities show of it.
#[must_use]
pub fn coverage(reports: &[CapabilityReport]) -> Vec<Coverage> {
    behaviours()
        .map(|behaviour| {
            let (backend, sight) = behaviour.shown(reports);
            Coverage {
                behaviour: behaviour.name,
                capability: behaviour.capability.name(),
                backend: backend.map(Backend::name),
                sight,
            }
        })
        .collect()
}
