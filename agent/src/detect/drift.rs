//! Code that is not in the image. Decided by the file that was executed, not by its name; of a script, whose
//! interpreter is that file, only the name is known.

mod capability;
mod script;
#[cfg(test)]
mod tests;
mod write;

use super::program::{called, inner_ancestors, is_builder};
use super::rules::drift;
use super::{Class, DetectContext, Detector, Finding, Rule, Severity};
use crate::container::MountPoint;
use crate::event::{Exec, FileFlags, Payload, RecordFlags};
use crate::process::ExecSession;
use crate::profile::{ExecQuery, ProfileState};
use agent_common::magic;

const IN_TEMPORARY: &str = "it is in a place for temporary files";
const ON_VOLUME: &str = "it is on a writable volume";
/// Places where everybody may write.
const TEMPORARY: [&str; 5] = ["/tmp/", "/var/tmp/", "/dev/shm/", "/run/", "/var/run/"];

/// Finds executions of code that is not in the image.
#[derive(Debug)]
pub(super) struct DriftDetector;

impl Detector for DriftDetector {
    fn inspect(&mut self, context: &DetectContext<'_>, findings: &mut Vec<Finding>) {
        if let Payload::FileOpen(open) = &context.event.raw.payload {
            findings.extend(write::outside_profile(context, open));
        }
        if let Payload::Capable(used) = &context.event.raw.payload {
            findings.extend(capability::outside_profile(context, used));
        }
        let Payload::Exec(exec) = &context.event.raw.payload else {
            return;
        };
        match memory(context, exec) {
            Some(finding) => findings.push(finding),
            None => {
                findings.extend(temporary(context, exec));
                findings.extend(upper(context, exec));
                findings.extend(volume(context, exec));
            }
        }
        findings.extend(script::inspect(context, exec));
        findings.extend(outside_profile(context, exec));
    }
}

fn finding(context: &DetectContext<'_>, rule: &'static Rule, what: &str) -> Finding {
    let exe = context.actor();
    let summary = format!("{exe} was executed in {}: {what}", context.container_name());
    Finding::new(rule, exe, summary)
}

fn memory(context: &DetectContext<'_>, exec: &Exec) -> Option<Finding> {
    if exec.file.flags & FileFlags::MEMFD != 0 || exec.path.bytes.starts_with(b"memfd:") {
        return Some(finding(
            context,
            &drift::EXEC_FROM_MEMORY,
            "it exists in memory only",
        ));
    }
    let unlinked =
        exec.file.flags & FileFlags::UNLINKED != 0 || (exec.file.nlink == 0 && exec.file.magic != 0);
    unlinked.then(|| finding(context, &drift::EXEC_UNLINKED, "its file is deleted"))
}

fn temporary(context: &DetectContext<'_>, exec: &Exec) -> Option<Finding> {
    if !is_temporary(&exec.path.bytes) && exec.file.magic != magic::TMPFS {
        return None;
    }
    let finding = finding(context, &drift::EXEC_FROM_TMP, IN_TEMPORARY);
    Some(weighed(context, finding))
}

fn is_temporary(path: &[u8]) -> bool {
    TEMPORARY.iter().any(|place| path.starts_with(place.as_bytes()))
}

fn upper(context: &DetectContext<'_>, exec: &Exec) -> Option<Finding> {
    if exec.file.flags & FileFlags::UPPER == 0 {
        return None;
    }
    let finding = finding(context, &drift::EXEC_FROM_UPPER, "it is not in the image");
    Some(weighed(context, finding))
}

/// Where a package manager or build tool is at work, what it brings is not the image's either, but an operator's doing
/// more often than an intruder's.
fn weighed(context: &DetectContext<'_>, finding: Finding) -> Finding {
    if inner_ancestors(context.event).any(|ancestor| is_builder(&called(ancestor))) {
        finding.severity(Severity::Medium)
    } else {
        finding
    }
}

fn volume(context: &DetectContext<'_>, exec: &Exec) -> Option<Finding> {
    if exec.file.flags & FileFlags::OVERLAY != 0 || exec.file.magic == magic::TMPFS {
        return None;
    }
    let mount = writable_mount(context, &exec.path.bytes)?;
    let finding = finding(context, &drift::EXEC_FROM_VOLUME, ON_VOLUME);
    Some(finding.with("volume", mount.source.as_str()))
}

/// The mount that the runtime made for `path`, when the container may write to it.
fn writable_mount<'a>(context: &'a DetectContext<'_>, path: &[u8]) -> Option<&'a MountPoint> {
    let mounts = context.known()?.mounts.iter();
    let on = |destination: &str| {
        path.strip_prefix(destination.as_bytes())
            .is_some_and(|rest| rest.starts_with(b"/"))
    };
    mounts
        .filter(|mount| on(mount.destination.trim_end_matches('/')))
        .max_by_key(|mount| mount.destination.len())
        .filter(|mount| mount.writable)
}

fn outside_profile(context: &DetectContext<'_>, exec: &Exec) -> Option<Finding> {
    let profile = context
        .profile
        .filter(|profile| profile.judges(Class::Drift) && profile.describes_exec())?;
    let process = &context.event.process;
    let parent = inner_ancestors(context.event)
        .next()
        .map(|parent| parent.exe.bytes.as_slice());
    let script = exec.script();
    let query = ExecQuery {
        path: &process.exe.bytes,
        arguments: &exec.arguments().skip(1).collect::<Vec<_>>(),
        script: script.as_ref(),
        parent,
    };
    let flags = context.event.raw.header.flags;
    // Of one that was denied the process is still the one that asked.
    if flags.has(RecordFlags::DENIED) || process.exe.is_empty() {
        return None;
    }
    // Who made another root names its files as he likes.
    let named = !process.exe.truncated && !flags.has(RecordFlags::CHROOTED);
    if named && profile.exec(&query) {
        return None;
    }
    let doubtful = profile.state() != ProfileState::Complete || process.exec_session == ExecSession::Attached;
    let finding = finding(
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
