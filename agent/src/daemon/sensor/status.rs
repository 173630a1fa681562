//! What `agent status` shows of the kernel's half.

use super::{Live, kernel_books, usage};
use crate::control::{CapabilityStatus, EnforcementStatus, PolicyStatus, StatusReport};
use crate::daemon::maps::KernelBooks;
use crate::kernel::{CapabilityReport, EnforcementReport};
use std::collections::BTreeSet;

impl Live {
    pub(super) fn describe(&self, report: &mut StatusReport) {
        report.capabilities = self.sensor.reports().iter().map(capability).collect();
        report.problems.extend(self.watch.problems());
        self.describe_policies(report);
        for (name, map) in usage::maps(&self.usage()) {
            report.maps.insert(name.to_owned(), map);
        }
        let hidden = self.sensor.slots.obstacle();
        report
            .problems
            .extend(hidden.map(|reason| format!("identity: {reason}")));
        match self.sensor.books.read() {
            Ok(totals) => {
                let KernelBooks { kinds, errors } = kernel_books(&totals);
                (report.events, report.kernel_errors) = (kinds, errors);
            }
            Err(error) => report.problems.push(format!("the kernel's counters: {error}")),
        }
    }

    fn describe_policies(&self, report: &mut StatusReport) {
        let (profiles, entries) = self.sensor.policies.count();
        report.policies = PolicyStatus {
            profiles: profiles as u64,
            entries: entries as u64,
            left_to_daemon: self.sensor.policies.left_to_daemon() as u64,
            refused: self.policies_refused,
            enforced: self.sensor.enforcement().iter().map(enforced).collect(),
        };
        let unenforced: BTreeSet<&String> = self.unenforced.values().collect();
        report.problems.extend(unenforced.into_iter().cloned());
        let undenied = self.sensor.escapes().filter_map(Result::err);
        report.problems.extend(undenied.map(|error| error.to_string()));
        let unkept = self.sensor.unkept();
        report
            .problems
            .extend(unkept.map(|reason| format!("what denies goes with the agent: {reason}")));
    }
}

fn enforced(report: &EnforcementReport) -> EnforcementStatus {
    EnforcementStatus {
        section: report.section.to_owned(),
        means: report.means.name().to_owned(),
        action: report.means.action().to_owned(),
        gap: report.gap.unwrap_or_default().to_owned(),
    }
}

fn capability(report: &CapabilityReport) -> CapabilityStatus {
    CapabilityStatus {
        capability: report.capability.name().to_owned(),
        backend: report.backend.map_or("none", |backend| backend.name()).to_owned(),
        trust: report.backend.map_or("blind", |_| report.trust.name()).to_owned(),
        reason: report.reason_not_better.clone().unwrap_or_default(),
    }
}
