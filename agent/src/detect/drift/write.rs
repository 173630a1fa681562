//! Files that the profile does not have the image write.

use crate::detect::rules::drift;
use crate::detect::{Class, DetectContext, Finding, Severity};
use crate::event::{FileOpen, RecordFlags};
use crate::process::ExecSession;
use crate::profile::ProfileState;

/// Of an open for writing that a profile with such files does not name.
pub(super) fn outside_profile(context: &DetectContext<'_>, open: &FileOpen) -> Option<Finding> {
    let profile = context
        .profile
        .filter(|profile| profile.judges(Class::Drift) && profile.describes_writes())?;
    let process = &context.event.process;
    let path = &open.path;
    let chrooted = context.event.raw.header.flags.has(RecordFlags::CHROOTED);
    let named = !chrooted && profile.write(path, &process.exe.bytes);
    if !open.writes() || !open.file.is_profiled() || named {
        return None;
    }
    let summary = format!(
        "{} in {} opened {} for writing, which its profile does not name",
        context.actor(),
        context.container_name(),
        path.to_text()
    );
    let doubtful = profile.state() != ProfileState::Complete || process.exec_session == ExecSession::Attached;
    let finding = Finding::new(&drift::WRITE_OUTSIDE_PROFILE, path.to_text(), summary);
    Some(if doubtful {
        finding.severity(Severity::Low)
    } else {
        finding
    })
}
