//! Secrets that the image's work does not need. What a profile has the image read is none of them; the others are told by what the file is, and
//! whether the program that reads it is one for such files, and beside such a profile in any case.

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
                opened(context, open, findings);
                findings.extend(processes::opened(context, open));
            }
            Payload::Link(name) | Payload::Rename(name) => findings.extend(files::named(context, name)),
            Payload::Ptrace(access) => findings.extend(processes::accessed(context, access)),
            Payload::Exec(exec) => findings.extend(search::inspect(context, exec)),
            _ => {}
        }
    }
}

/// What the file is names the alert; that the profile does not know of it makes it no less severe.
fn opened(context: &DetectContext<'_>, open: &FileOpen, findings: &mut Vec<Finding>) {
    let judged = judged_by_profile(context, open);
    if let Some(None) = judged {
        return;
    }
    let told = files::inspect(context, open);
    let is_told = told.is_some();
    findings.extend(told);
    // One step for one file.
    findings.extend(judged.flatten().map(|outside| {
        if is_told {
            outside
        } else {
            outside.step_of(deed(context))
        }
    }));
}

/// Who collects secrets is one alert, named by the worst.
fn deed(context: &DetectContext<'_>) -> String {
    format!("secrets {}", context.actor())
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
