//! Code that is not in the image, and programs that do what the image's work does not need. Decided by the file, by who
//! executed it and by what it was told; a name alone is told as what it is, a name.

mod built;
mod capability;
mod discovery;
mod files;
pub(super) mod interpreters;
mod loader;
mod memory;
mod names;
mod packages;
mod profile;
mod script;
mod startup;
#[cfg(test)]
mod tests;
mod tracing;
mod write;

use super::per_container::PerContainer;
use super::program::{called, inner_ancestors, is_build_step, is_builder};
use super::{DetectContext, Detector, Finding, Severity, finding};
use crate::event::{Exec, Payload, RecordFlags, SlotKey};
use built::Built;
use discovery::Discoveries;

/// The deed of package managers and build tools: what they bring step by step is one.
const BUILDING: &str = "building";

/// Finds executions of code that is not in the image, and of the image's code by who is not to.
#[derive(Debug, Default)]
pub(super) struct DriftDetector {
    discoveries: PerContainer<Discoveries>,
    built: PerContainer<Built>,
}

impl Detector for DriftDetector {
    fn inspect(&mut self, context: &DetectContext<'_>, findings: &mut Vec<Finding>) {
        findings.extend(startup::inspect(context));
        match &context.event.raw.payload {
            Payload::Exec(exec) => self.executed(context, exec, findings),
            Payload::ExecAttempt(attempt) => findings.extend(loader::refused(context, attempt)),
            Payload::FileOpen(open) => {
                findings.extend(write::outside_profile(context, open));
                findings.extend(script::dropped(context, open));
            }
            Payload::Capable(used) => findings.extend(capability::outside_profile(context, used)),
            Payload::Mmap(mapping) => findings.extend(memory::inspect(context, mapping)),
            Payload::Ptrace(access) => findings.extend(tracing::accessed(context, access)),
            Payload::Syscall(call) => {
                findings.extend(names::renamed(context, call));
                findings.extend(tracing::offered(context, call));
            }
            _ => {}
        }
    }

    fn forget(&mut self, container: SlotKey) {
        self.discoveries.forget(container);
        self.built.forget(container);
    }

    fn kept(&self) -> usize {
        self.discoveries.kept() + self.built.kept()
    }

    fn capacity(&self) -> usize {
        self.discoveries.capacity() + self.built.capacity()
    }

    fn refused(&self) -> u64 {
        self.discoveries.refused() + self.built.refused()
    }
}

impl DriftDetector {
    fn executed(&mut self, context: &DetectContext<'_>, exec: &Exec, findings: &mut Vec<Finding>) {
        let mut found = Vec::new();
        files::inspect(context, exec, &mut found);
        let built = built::lately(&self.built, context);
        findings.extend(found.into_iter().map(|found| built::weighed(found, built)));
        findings.extend(script::inspect(context, exec));
        findings.extend(profile::outside(context, exec));
        // Of one that was denied the process is still the one that asked.
        if context.event.raw.header.flags.has(RecordFlags::DENIED) {
            return;
        }
        built::note(&mut self.built, context);
        findings.extend(interpreters::from_service(context, exec));
        findings.extend(interpreters::piped(context, exec));
        findings.extend(interpreters::of_session(context, exec));
        findings.extend(loader::used(context, exec));
        findings.extend(names::executed(context, exec));
        findings.extend(names::miner(context, exec));
        findings.extend(packages::inspect(context, exec));
        findings.extend(discovery::note(&mut self.discoveries, context, exec));
    }
}

/// Where a package manager or build tool is at work, what it brings is not the image's either, but an operator's doing
/// more often than an intruder's; what a step of an image's build brings is the next image's.
fn weighed(context: &DetectContext<'_>, finding: Finding) -> Finding {
    let severity = match (is_below_builder(context), is_build_step(context.event)) {
        (false, false) => return finding,
        (false, true) => finding.severity.min(Severity::Medium),
        (true, false) => Severity::Medium,
        (true, true) => Severity::Low,
    };
    finding.severity(severity).step_of(BUILDING)
}

fn is_below_builder(context: &DetectContext<'_>) -> bool {
    inner_ancestors(context.event).any(|ancestor| is_builder(&called(ancestor)))
}
