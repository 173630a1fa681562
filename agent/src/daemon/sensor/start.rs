//! What the loaded sensor says of itself and of the containers it found, before the first record.

use crate::detect::SensorFinding;
use crate::engine::RunningContainer;
use crate::event::{BootTime, SlotKey};
use crate::kernel::{Capability, CapabilityReport, ContainerSlot};
use crate::telemetry::http::Ready;

pub(super) fn ready(reports: &[CapabilityReport]) -> Ready {
    let attached = |required: &Capability| {
        reports
            .iter()
            .any(|report| report.capability == *required && report.backend.is_some())
    };
    if Capability::REQUIRED.iter().all(attached) {
        Ready::Yes
    } else {
        Ready::Blind
    }
}

pub(super) fn running(found: ContainerSlot) -> RunningContainer {
    let ContainerSlot { slot, state } = found;
    RunningContainer {
        key: SlotKey {
            slot,
            generation: state.generation,
        },
        created: BootTime(state.created_boot_ns),
        flags: state.flags.0,
        id: String::from_utf8_lossy(found.id()).into_owned(),
    }
}

pub(super) fn degraded(report: &CapabilityReport) -> Option<SensorFinding> {
    // A worse way that works is shown in `agent check`; blindness is an alert.
    report
        .backend
        .is_none()
        .then(|| SensorFinding::CapabilityDegraded {
            capability: report.capability.name().to_owned(),
            reason: report.reason_not_better.clone().unwrap_or_default(),
        })
}

/// Containers that the start-up scan cannot find.
pub(super) fn hidden(reason: String) -> SensorFinding {
    SensorFinding::CapabilityDegraded {
        capability: Capability::Identity.name().to_owned(),
        reason,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Trust;
    use crate::kernel::Backend;

    #[test]
    fn ready_means_that_what_is_required_is_attached() {
        let reports = |blind: &[Capability]| -> Vec<CapabilityReport> {
            let all = [
                Capability::Identity,
                Capability::Exec,
                Capability::FileOpen,
                Capability::Mount,
            ];
            all.into_iter()
                .map(|capability| CapabilityReport {
                    capability,
                    backend: (!blind.contains(&capability)).then_some(Backend::Tracepoint),
                    trust: Trust::RACY,
                    reason_not_better: None,
                    programs: Vec::new(),
                    left_out: Vec::new(),
                })
                .collect()
        };
        assert_eq!(ready(&reports(&[])), Ready::Yes);
        assert_eq!(ready(&reports(&[Capability::Mount])), Ready::Yes, "it degrades");
        for required in Capability::REQUIRED {
            assert_eq!(ready(&reports(&[required])), Ready::Blind);
        }
        assert_eq!(ready(&[]), Ready::Blind);
    }
}
