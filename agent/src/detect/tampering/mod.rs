//! Traces that are wiped, and changes that outlive an intrusion. Decided by what is changed and how; a program is nobody by its name unless
//! it is the image's own.

mod attributes;
mod calls;
pub(super) mod changes;
mod decoded;
mod encryption;
mod files;
mod flood;
mod places;
mod processes;
mod programs;
#[cfg(test)]
mod tests;

use super::per_container::PerContainer;
use super::{DetectContext, Detector, Finding, finding};
use crate::event::{Payload, SlotKey};
use decoded::Steps;

/// Finds tampering.
#[derive(Debug, Default)]
pub(super) struct TamperingDetector {
    decoded: PerContainer<Steps>,
}

impl Detector for TamperingDetector {
    fn inspect(&mut self, context: &DetectContext<'_>, findings: &mut Vec<Finding>) {
        findings.extend(files::inspect(context));
        match &context.event.raw.payload {
            Payload::FileOpen(open) => {
                findings.extend(processes::opened(context, open));
                findings.extend(attributes::made(context, open));
            }
            Payload::Ptrace(access) => findings.extend(processes::accessed(context, access)),
            Payload::Signal(signal) => findings.extend(processes::signalled(context, signal)),
            Payload::Setattr(change) => findings.extend(attributes::inspect(context, change)),
            Payload::Credentials(change) => findings.extend(calls::credentials(context, change)),
            Payload::Syscall(call) => findings.extend(calls::inspect(context, call)),
            Payload::Rename(moved) => findings.extend(encryption::inspect(context, moved)),
            Payload::Exec(exec) => {
                findings.extend(programs::inspect(context, exec));
                findings.extend(flood::executed(context, exec));
                findings.extend(decoded::note(&mut self.decoded, context, exec));
            }
            _ => {}
        }
    }

    fn forget(&mut self, container: SlotKey) {
        self.decoded.forget(container);
    }

    fn kept(&self) -> usize {
        self.decoded.kept()
    }

    fn capacity(&self) -> usize {
        self.decoded.capacity()
    }

    fn refused(&self) -> u64 {
        self.decoded.refused()
    }
}
