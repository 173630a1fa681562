//! What the profile says of executions and of writing. What it has the image do is no finding of rules that go by a program's name or by who
//! started it; what it does not know they tell as if there were no profile.

use super::program::inner_ancestors;
use super::{Class, DetectContext, Finding};
use crate::event::{KernelString, Payload, RecordFlags, Script};
use crate::process::{ExecSession, Process};
use crate::profile::{CompiledProfile, Exec, ExecQuery, ProfileState, Source};

/// The deed of all that a container does outside its profile: who is in goes from one program and file to the next.
pub(super) const OUTSIDE_PROFILE: &str = "outside the profile";
/// What it was kept from is another: an alert says of all of it what the kernel did.
const KEPT_FROM: &str = "kept from what is outside the profile";

/// Of what the profile does not name.
pub(super) fn deed(context: &DetectContext<'_>) -> &'static str {
    if was_kept(context) {
        KEPT_FROM
    } else {
        OUTSIDE_PROFILE
    }
}

/// By an error, or by the end of the process.
fn was_kept(context: &DetectContext<'_>) -> bool {
    let flags = context.event.raw.header.flags;
    flags.has(RecordFlags::DENIED) || flags.has(RecordFlags::KILLED)
}

/// What was done, and not denied, is outside the profile, or the program that did it is. A script that the profile knows by its own
/// name alone is known when it is executed, but not by what its interpreter does then.
pub(crate) fn is_outside(context: &DetectContext<'_>, findings: &[Finding]) -> bool {
    let script = match &context.event.raw.payload {
        Payload::Exec(exec) => exec.script(),
        _ => None,
    };
    let stranger =
        || !context.event.process.exe.is_empty() && executes(context, script.as_ref()) == Some(false);
    !was_kept(context) && (findings.iter().any(Finding::is_outside_profile) || stranger())
}

/// The profile, where it says what is executed.
pub(super) fn executions<'a>(context: &DetectContext<'a>) -> Option<&'a CompiledProfile> {
    judging(context).filter(|profile| profile.describes_exec())
}

/// The profile, where it says what is written.
pub(super) fn writes<'a>(context: &DetectContext<'a>) -> Option<&'a CompiledProfile> {
    judging(context).filter(|profile| profile.describes_writes())
}

fn judging<'a>(context: &DetectContext<'a>) -> Option<&'a CompiledProfile> {
    context.profile.filter(|profile| profile.judges(Class::Drift))
}

/// What a profile that is not complete does not name, or whoever was let in does, is less sure to be an intruder's.
pub(super) fn is_doubtful(context: &DetectContext<'_>, profile: &CompiledProfile) -> bool {
    profile.state() != ProfileState::Complete || context.event.process.exec_session == ExecSession::Attached
}

/// Whether the profile has the image execute the acting program, or the script that it interprets, below its parent. `None`: it
/// says nothing of executions.
pub(super) fn executes(context: &DetectContext<'_>, script: Option<&Script>) -> Option<bool> {
    let profile = executions(context)?;
    let process = &context.event.process;
    let arguments: Vec<KernelString> = process.arguments().skip(1).collect();
    let parent = inner_ancestors(context.event).next();
    let query = ExecQuery {
        path: &process.exe.bytes,
        arguments: &arguments,
        script,
        parent: parent.map(|parent| parent.exe.bytes.as_slice()),
    };
    // Who made another root names its files as he likes.
    let named = !process.exe.truncated && !context.event.raw.header.flags.has(RecordFlags::CHROOTED);
    Some(named && profile.exec(&query))
}

/// The same where it matters who starts it. What was learned without parents was started by the runtime, or ran when learning began: that
/// somebody in the container starts it was not seen.
pub(super) fn starts(context: &DetectContext<'_>, script: Option<&Script>) -> Option<bool> {
    let known = executes(context, script)?;
    let Some(parent) = inner_ancestors(context.event).next() else {
        return Some(known);
    };
    let exe = &context.event.process.exe.bytes;
    let is_meant = |entry: &&Exec| {
        let named = script.is_some_and(|script| entry.path.matches(&script.path.bytes));
        named || entry.path.matches(exe)
    };
    let mut entries = executions(context)?.source().exec.iter().filter(is_meant);
    Some(known && entries.any(|entry| names_parent(entry, parent)))
}

/// A person who writes no parents means any.
fn names_parent(entry: &Exec, parent: &Process) -> bool {
    if entry.parents.is_empty() {
        return matches!(entry.provenance.source, Source::Manual | Source::Baseline);
    }
    let mut parents = entry.parents.iter();
    parents.any(|allowed| allowed.matches(&parent.exe.bytes))
}

/// The profile lets the acting program write the file.
pub(super) fn may_write(context: &DetectContext<'_>, path: &KernelString) -> bool {
    let exe = &context.event.process.exe.bytes;
    writes(context).is_some_and(|profile| profile.write(path, exe))
}
