//! What a profile says of executions.

use crate::detect::described;
use crate::detect::program::{called, is_shell};
use crate::detect::rules::drift;
use crate::detect::{DetectContext, Finding, Severity};
use crate::event::{Exec, KernelString, RecordFlags, Script};
use crate::process::ExecSession;
use crate::profile::CompiledProfile;

/// Of an execution that a profile with executions does not name.
pub(super) fn outside(context: &DetectContext<'_>, exec: &Exec) -> Option<Finding> {
    let profile = described::executions(context)?;
    let process = &context.event.process;
    let denied = context.event.raw.header.flags.has(RecordFlags::DENIED);
    let script = exec.script();
    // That the entrypoint is a shell says nothing of what a shell does in a session.
    let in_session = process.exec_session == ExecSession::Attached && is_shell(&called(process));
    let known = if in_session {
        described::starts(context, script.as_ref())
    } else {
        described::executes(context, script.as_ref())
    };
    if denied || process.exe.is_empty() || known != Some(false) {
        return None;
    }
    let finding = super::files::finding(
        context,
        &drift::EXEC_OUTSIDE_PROFILE,
        "the profile does not know it",
    );
    Some(deviation(context, profile, finding))
}

/// Of what the profile does not name.
pub(super) fn deviation(context: &DetectContext<'_>, profile: &CompiledProfile, finding: Finding) -> Finding {
    let finding = finding.step_of(described::deed(context));
    if described::is_doubtful(context, profile) {
        finding.severity(Severity::Low)
    } else {
        finding
    }
}

/// Whether the profile has the image execute this. `None`: it says nothing of executions.
pub(super) fn executes(context: &DetectContext<'_>, exec: &Exec) -> Option<bool> {
    names(context, exec.script().as_ref())
}

/// The profile has the image execute this, and write where it stands: what the image puts there itself is no intruder's. A
/// program of the image that was replaced is known by its name, but not that somebody writes there.
pub(super) fn expects(context: &DetectContext<'_>, exec: &Exec, path: &KernelString) -> bool {
    executes(context, exec) == Some(true) && may_be_written(context, path)
}

/// The same of a script that the acting interpreter reads.
pub(super) fn expects_script(context: &DetectContext<'_>, path: &KernelString) -> bool {
    let script = Script {
        path: path.clone(),
        arguments: Vec::new(),
    };
    names(context, Some(&script)) == Some(true) && may_be_written(context, path)
}

fn names(context: &DetectContext<'_>, script: Option<&Script>) -> Option<bool> {
    // Of what was denied the process is the one that asked.
    let denied = context.event.raw.header.flags.has(RecordFlags::DENIED);
    described::executes(context, script).map(|named| named && !denied)
}

/// By whomever: the image's package manager may write what its server executes. A profile that says nothing of writing forbids none.
fn may_be_written(context: &DetectContext<'_>, path: &KernelString) -> bool {
    let Some(profile) = described::executions(context) else {
        return false;
    };
    let mut entries = profile.source().files.write.iter();
    !profile.describes_writes() || !path.truncated && entries.any(|entry| entry.path.covers(&path.bytes))
}
