//! Executables by where their files are.

use super::{profile, weighed};
use crate::container::MountPoint;
use crate::detect::rules::drift;
use crate::detect::{DetectContext, Finding, Rule, Severity};
use crate::event::{Exec, FileFlags};
use agent_common::magic;

pub(super) const IN_TEMPORARY: &str = "it is in a place for temporary files";
pub(super) const ON_VOLUME: &str = "it is on a writable volume";
/// Places where everybody may write.
const TEMPORARY: [&str; 5] = ["/tmp/", "/var/tmp/", "/dev/shm/", "/run/", "/var/run/"];
/// Those of them where programs keep what they need while they run.
const RUNTIME: [&str; 2] = ["/run/", "/var/run/"];

/// Of a program that was executed.
pub(super) fn inspect(context: &DetectContext<'_>, exec: &Exec, findings: &mut Vec<Finding>) {
    match memory(context, exec) {
        Some(finding) => findings.push(finding),
        None if profile::expects(context, exec, &exec.path) => {}
        None => {
            findings.extend(temporary(context, exec));
            findings.extend(upper(context, exec));
            findings.extend(volume(context, exec));
        }
    }
}

pub(super) fn finding(context: &DetectContext<'_>, rule: &'static Rule, what: &str) -> Finding {
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
    unlinked.then(|| {
        let finding = finding(context, &drift::EXEC_UNLINKED, "its file is deleted");
        finding.severity(if is_in_image(exec) {
            Severity::High
        } else {
            Severity::Critical
        })
    })
}

/// A program that runs is deleted when an update replaces it. What came after the image and is gone was hidden.
fn is_in_image(exec: &Exec) -> bool {
    exec.file.flags & (FileFlags::OVERLAY | FileFlags::UPPER) == FileFlags::OVERLAY
}

/// In memory, beside what services keep below /run, there is nothing that was installed.
fn temporary(context: &DetectContext<'_>, exec: &Exec) -> Option<Finding> {
    let path: &[u8] = &exec.path.bytes;
    let in_memory = exec.file.magic == magic::TMPFS;
    if !is_temporary(path) && !in_memory {
        return None;
    }
    let finding = finding(context, &drift::EXEC_FROM_TMP, IN_TEMPORARY);
    let volatile = path.starts_with(b"/dev/shm/") || in_memory && !is_below(path, &RUNTIME);
    let severity = if volatile {
        Severity::Critical
    } else {
        finding.severity
    };
    Some(weighed(context, finding.severity(severity)))
}

pub(super) fn is_temporary(path: &[u8]) -> bool {
    is_below(path, &TEMPORARY)
}

pub(super) fn is_below(path: &[u8], places: &[&str]) -> bool {
    places.iter().any(|place| path.starts_with(place.as_bytes()))
}

fn upper(context: &DetectContext<'_>, exec: &Exec) -> Option<Finding> {
    if exec.file.flags & FileFlags::UPPER == 0 {
        return None;
    }
    let finding = finding(context, &drift::EXEC_FROM_UPPER, "it is not in the image");
    Some(weighed(context, finding))
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
pub(super) fn writable_mount<'a>(context: &'a DetectContext<'_>, path: &[u8]) -> Option<&'a MountPoint> {
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
