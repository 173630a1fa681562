//! Secrets that the image's work does not need. Where a profile says which of them are read, it decides; without one it is decided by what
//! the file is, and whether the program that reads it is one for such files.

mod files;
mod processes;
mod search;
#[cfg(test)]
mod tests;

pub(super) use processes::{DEBUGGERS, file_of_process, is_own};

use super::described::is_doubtful;
use super::rules::credential;
use super::{Class, DetectContext, Detector, Finding, Severity};
use crate::event::{FileOpen, Payload, RecordFlags};

/// Finds reads of secrets.
#[derive(Debug)]
pub(super) struct CredentialDetector;

impl Detector for CredentialDetector {
    fn inspect(&mut self, context: &DetectContext<'_>, findings: &mut Vec<Finding>) {
        match &context.event.raw.payload {
            Payload::FileOpen(open) => {
                let judged = judged_by_profile(context, open);
                findings.extend(judged.unwrap_or_else(|| files::inspect(context, open)));
                findings.extend(processes::opened(context, open));
            }
            Payload::Link(name) | Payload::Rename(name) => findings.extend(files::named(context, name)),
            Payload::Ptrace(access) => findings.extend(processes::accessed(context, access)),
            Payload::Exec(exec) => findings.extend(search::inspect(context, exec)),
            _ => {}
        }
    }
}

/// Of an open of a sensitive file what a profile with such files says; `None`: no profile says anything. A file in another root than the
/// container's has the name that who made that root gave it: whether it is sensitive is not known.
fn judged_by_profile(context: &DetectContext<'_>, open: &FileOpen) -> Option<Option<Finding>> {
    let profile = context
        .profile
        .filter(|profile| profile.judges(Class::Credential))?;
    let chrooted = context.event.raw.header.flags.has(RecordFlags::CHROOTED);
    let allowed = profile.read(&open.path, &context.event.process.exe.bytes)?;
    if allowed || chrooted || !files::is_read(context, open) {
        return Some(None);
    }
    let path = open.path.to_text();
    let summary = format!(
        "{} in {} opened {path} for reading, which its profile does not name",
        context.actor(),
        context.container_name(),
    );
    let finding = Finding::new(&credential::READ_OUTSIDE_PROFILE, path, summary);
    Some(Some(if is_doubtful(context, profile) {
        finding.severity(Severity::Medium)
    } else {
        finding
    }))
}
