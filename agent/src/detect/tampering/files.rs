//! Files that are changed, by whatever call changes them.

use super::changes::{Change, changes};
use super::finding;
use super::places::{PLACES, Place};
use crate::detect::program::{builds, called, inner_ancestors, is_main, is_of_image, name};
use crate::detect::rules::tampering;
use crate::detect::{DetectContext, Finding, described};
use crate::event::{KernelString, Payload, RecordFlags};
use agent_common::magic;

/// In the container's own root: elsewhere names are those of who made that root.
pub(super) fn inspect(context: &DetectContext<'_>) -> Option<Finding> {
    if context.event.raw.header.flags.has(RecordFlags::CHROOTED) {
        return None;
    }
    let changes = changes(context);
    let of_place = changes
        .iter()
        .find_map(|(path, change)| at_place(context, path, *change));
    of_place
        .or_else(|| hidden(context, &changes))
        .or_else(|| odd(context, &changes))
        .or_else(|| setting(context))
}

fn at_place(context: &DetectContext<'_>, path: &KernelString, change: Change) -> Option<Finding> {
    let place = PLACES
        .iter()
        .find(|place| place.changes.contains(&change) && (place.is)(&path.bytes))?;
    if is_expected(context, place, path, change) {
        return None;
    }
    let did = match change {
        Change::Written => "opened for writing",
        Change::Emptied => "emptied",
        Change::Placed => "replaced or made",
        Change::Removed => "removed",
    };
    let finding = finding(context, place.rule, &path.to_text(), &format!("{did} {path}"));
    Some(finding.step_of(format!("{} {}", place.rule.id, context.actor())))
}

fn is_expected(context: &DetectContext<'_>, place: &Place, path: &KernelString, change: Change) -> bool {
    let (event, process) = (context.event, &context.event.process);
    let served = place.is_served && (builds(event) || is_main(event));
    described::may_write(context, path)
        || served
        || is_of_image(process, place.writers)
        || place.rule == &tampering::HISTORY && keeps_history(context, path, change)
        || place.rule == &tampering::LOG && (rotates(context) || is_scheduled(context))
}

/// The image's own cron started it: changes of what that executes are told where they are made.
fn is_scheduled(context: &DetectContext<'_>) -> bool {
    inner_ancestors(context.event).any(|above| is_of_image(above, &["cron", "crond", "anacron", "fcron"]))
}

/// `log` becomes `log.1`: beside the new one it is still there.
fn rotates(context: &DetectContext<'_>) -> bool {
    let Payload::Rename(moved) = &context.event.raw.payload else {
        return false;
    };
    let more = moved.new_path.bytes.strip_prefix(moved.path.bytes.as_slice());
    more.is_some_and(|more| more.len() > 1 && matches!(more[0], b'.' | b'-') && !more.contains(&b'/'))
}

/// A shell that cuts its own history to its length writes it anew.
fn keeps_history(context: &DetectContext<'_>, path: &KernelString, change: Change) -> bool {
    let shell = called(&context.event.process);
    let own = name(&path.bytes).strip_prefix(b".").unwrap_or_default();
    change != Change::Removed && shell != b"sh" && own.starts_with(&shell)
}

/// Names that lists do not show, or show as something else.
fn hidden(context: &DetectContext<'_>, changes: &[(&KernelString, Change)]) -> Option<Finding> {
    let made = changes.iter().filter(|(_, change)| *change != Change::Removed);
    let (path, _) = made
        .into_iter()
        .find(|(path, _)| path.bytes.split(|byte| *byte == b'/').any(is_hidden))?;
    Some(finding(
        context,
        &tampering::HIDDEN_NAME,
        &path.to_text(),
        &format!("made {path}, whose name hides it"),
    ))
}

/// Three dots or more, or dots and blanks only.
fn is_hidden(component: &[u8]) -> bool {
    let blank = |byte: &u8| byte.is_ascii_whitespace() || *byte == b'.';
    !component.is_empty() && component != b"." && component != b".." && component.iter().all(blank)
}

/// Names that a terminal shows as something else. Executing such a file is told too, but there what the file is weighs more.
fn odd(context: &DetectContext<'_>, changes: &[(&KernelString, Change)]) -> Option<Finding> {
    let misleads = |path: &KernelString| path.file_name().iter().any(u8::is_ascii_control);
    let (path, _) = changes
        .iter()
        .find(|(path, change)| *change != Change::Removed && misleads(path))?;
    Some(finding(
        context,
        &tampering::ODD_NAME,
        &path.to_text(),
        &format!("made {path}, whose name is made to be misread"),
    ))
}

/// What protects the host's kernel; other settings of the host are `escape.kernel_setting`.
fn setting(context: &DetectContext<'_>) -> Option<Finding> {
    const PROTECTING: [&[u8]; 13] = [
        b"/kernel/randomize_va_space",
        b"/kernel/yama/ptrace_scope",
        b"/kernel/kptr_restrict",
        b"/kernel/dmesg_restrict",
        b"/kernel/perf_event_paranoid",
        b"/kernel/unprivileged_bpf_disabled",
        b"/kernel/unprivileged_userns_clone",
        b"/kernel/apparmor_restrict_unprivileged_userns",
        b"/vm/mmap_min_addr",
        b"/fs/protected_symlinks",
        b"/fs/protected_hardlinks",
        b"/fs/protected_regular",
        b"/fs/suid_dumpable",
    ];
    let Payload::FileOpen(open) = &context.event.raw.payload else {
        return None;
    };
    let protects = PROTECTING
        .iter()
        .any(|setting| open.path.bytes.ends_with(setting));
    let written = open.writes() && context.event.raw.header.ret >= 0;
    if open.file.magic != magic::PROC || !written || !protects {
        return None;
    }
    let did = format!(
        "opened {} for writing, which protects the host's kernel",
        open.path
    );
    Some(finding(
        context,
        &tampering::KERNEL_PROTECTION,
        &open.path.to_text(),
        &did,
    ))
}
