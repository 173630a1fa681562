//! What became of each capability on this kernel.

use super::backend::{Backend, Capability, Hook, Way};
use agent_common::event::Trust;

/// What became of a capability.
#[derive(Debug, Clone)]
pub struct CapabilityReport {
    pub capability: Capability,
    /// `None`: not attached, the sensor is blind here.
    pub backend: Option<Backend>,
    pub trust: Trust,
    /// Why no better way was taken, or not all of it; `None` when the best one was.
    pub reason_not_better: Option<String>,
    pub programs: Vec<&'static str>,
    pub left_out: Vec<LeftOut>,
}

/// A program that the way does without: what only it shows is not seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOut {
    pub program: &'static str,
    /// `None`: this kernel never does what it would show.
    pub reason: Option<String>,
}

/// A way that works, and why no better one or not all of it.
pub(super) fn taken(
    capability: Capability,
    way: &Way,
    left_out: Vec<LeftOut>,
    mut reasons: Vec<String>,
) -> CapabilityReport {
    let missing = left_out.iter().filter_map(|left| {
        let reason = left.reason.as_ref()?;
        Some(format!("without {}: {reason}", left.program))
    });
    reasons.extend(missing);
    let is_left_out = |program: &&str| left_out.iter().any(|left| left.program == *program);
    let programs = way.hooks.iter().map(|hook| hook.program);
    CapabilityReport {
        capability,
        backend: Some(way.backend),
        trust: way.trust,
        reason_not_better: (!reasons.is_empty()).then(|| reasons.join("; ")),
        programs: programs.filter(|program| !is_left_out(program)).collect(),
        left_out,
    }
}

/// A capability that has one way only.
pub(super) fn fixed(capability: Capability, hooks: &[&'static [Hook]]) -> CapabilityReport {
    CapabilityReport {
        capability,
        backend: Some(Backend::Tracepoint),
        trust: Trust::RESOLVED,
        reason_not_better: None,
        programs: hooks
            .iter()
            .flat_map(|hooks| hooks.iter())
            .map(|hook| hook.program)
            .collect(),
        left_out: Vec::new(),
    }
}

/// The best backend that loads.
pub(super) fn best(reports: &[CapabilityReport]) -> Backend {
    let backends = reports.iter().filter_map(|report| report.backend);
    backends.min().unwrap_or(Backend::Tracepoint)
}
