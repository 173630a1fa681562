//! What the sensor sees of each behaviour, by backend and kernel: data, shown by `agent check` and
//! `docs/kernel-support.md`, and held true by the kernel tier's tests.

mod table;
#[cfg(test)]
mod tests;

use super::backend::{Backend, Capability};
use super::loader::CapabilityReport;
use agent_common::event::Trust;
use serde::Serialize;

pub use table::BEHAVIOURS;

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
        }
    }

    /// What a record of such sight says of its object; `None` when there is no record.
    #[must_use]
    pub fn trust(self) -> Option<Trust> {
        match self {
            Self::Resolved => Some(Trust::RESOLVED),
            Self::Racy => Some(Trust::RACY),
            Self::Arguments => Some(Trust::ARGUMENTS),
            Self::Blind => None,
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
        let backend = |capability| {
            let report = reports.iter().find(|report| report.capability == capability);
            report.and_then(|report| report.backend)
        };
        let own = backend(self.capability);
        let used = match (own, self.natively) {
            (Some(Backend::Tracepoint), Some(other)) => backend(other),
            _ => own,
        };
        (used, used.map_or(Sight::Blind, |backend| self.sight(backend)))
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
    BEHAVIOURS
        .iter()
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
