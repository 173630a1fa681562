//! What a profile says of executions.

use crate::detect::program::inner_ancestors;
use crate::detect::rules::drift;
use crate::detect::{Class, DetectContext, Finding, Severity};
use crate::event::{Exec, KernelString, RecordFlags, Script};
use crate::process::ExecSession;
use crate::profile::{CompiledProfile, ExecQuery, ProfileState};

/// Of an execution that a profile with executions does not name.
pub(super) fn outside(context: &DetectContext<'_>, exec: &Exec) -> Option<Finding> {
    let profile = describing(context)?;
    let process = &context.event.process;
    let denied = context.event.raw.header.flags.has(RecordFlags::DENIED);
    if denied || process.exe.is_empty() || executes(context, exec) != Some(false) {
        return None;
    }
    let doubtful = profile.state() != ProfileState::Complete || process.exec_session == ExecSession::Attached;
    let finding = super::files::finding(
        context,
        &drift::EXEC_OUTSIDE_PROFILE,
        "the profile does not know it",
    );
    Some(if doubtful {
        finding.severity(Severity::Low)
    } else {
        finding
    })
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

fn describing<'a>(context: &DetectContext<'a>) -> Option<&'a CompiledProfile> {
    context
        .profile
        .filter(|profile| profile.judges(Class::Drift) && profile.describes_exec())
}

/// The acting program, or the script that it interprets, below its parent.
fn names(context: &DetectContext<'_>, script: Option<&Script>) -> Option<bool> {
    let profile = describing(context)?;
    let process = &context.event.process;
    let parent = inner_ancestors(context.event)
        .next()
        .map(|parent| parent.exe.bytes.as_slice());
    let query = ExecQuery {
        path: &process.exe.bytes,
        arguments: &process.arguments().skip(1).collect::<Vec<_>>(),
        script,
        parent,
    };
    // Who made another root names its files as he likes; of what was denied the process is the one that asked.
    let flags = context.event.raw.header.flags;
    let unnamed = flags.has(RecordFlags::CHROOTED) || flags.has(RecordFlags::DENIED);
    Some(!process.exe.truncated && !unnamed && profile.exec(&query))
}

/// By whomever: the image's package manager may write what its server executes. A profile that says nothing of writing forbids none.
fn may_be_written(context: &DetectContext<'_>, path: &KernelString) -> bool {
    let Some(profile) = describing(context) else {
        return false;
    };
    let mut entries = profile.source().files.write.iter();
    !profile.describes_writes() || !path.truncated && entries.any(|entry| entry.path.covers(&path.bytes))
}
