//! Files through which the kernel is steered. Decided by filesystem and name in it, so bind mounts, links and second
//! mounts of procfs change nothing.

use super::{Success, own_path, writes};
use crate::detect::program::name;
use crate::detect::rules::escape;
use crate::detect::{DetectContext, Finding, Rule, Severity};
use crate::event::{FileOpen, KernelString};
use agent_common::magic;

/// Sysctls that belong to a namespace: a container sets its own.
const NAMESPACED: [&str; 12] = [
    "net/",
    "user/",
    "fs/mqueue/",
    "kernel/shm",
    "kernel/msg",
    "kernel/sem",
    "kernel/auto_msgmni",
    "kernel/hostname",
    "kernel/domainname",
    "kernel/ns_last_pid",
    "kernel/keys/",
    "debug/",
];

pub(super) fn inspect(context: &DetectContext<'_>, open: &FileOpen) -> Option<Finding> {
    let path = own_path(open);
    if open.file.magic == magic::PROC && name(path) == b"kcore" {
        return Some(finding(context, open, &escape::KERNEL_MEMORY, "opened"));
    }
    if !writes(context.event, open) {
        return None;
    }
    let rule = match open.file.magic {
        magic::CGROUP => cgroup(path)?,
        magic::BINFMT => &escape::BINFMT_MISC,
        magic::SYSFS if name(path) == b"uevent_helper" => &escape::UEVENT_HELPER,
        magic::PROC => procfs(path)?,
        // Nothing was opened: what was typed is all there is.
        0 => typed(path)?,
        _ => return None,
    };
    Some(finding(context, open, rule, "opened"))
}

fn cgroup(path: &[u8]) -> Option<&'static Rule> {
    match name(path) {
        b"release_agent" => Some(&escape::RELEASE_AGENT),
        b"notify_on_release" => Some(&escape::NOTIFY_ON_RELEASE),
        b"devices.allow" | b"devices.deny" => Some(&escape::DEVICE_CGROUP),
        _ => None,
    }
}

fn procfs(path: &[u8]) -> Option<&'static Rule> {
    match name(path) {
        b"core_pattern" => Some(&escape::CORE_PATTERN),
        b"hotplug" => Some(&escape::UEVENT_HELPER),
        b"sysrq-trigger" | b"sysrq" => Some(&escape::SYSRQ),
        b"modprobe" | b"poweroff_cmd" => Some(&escape::KERNEL_HELPER),
        b"bset" | b"inheritable" => Some(&escape::KERNEL_HELPER),
        _ => sysctl(path)
            .filter(|sysctl| is_global(sysctl))
            .map(|_| &escape::KERNEL_SETTING),
    }
}

/// `kernel/sysrq` of `/sys/kernel/sysrq` (own filesystem), of `/proc/sys/kernel/sysrq` and of a procfs mounted elsewhere:
/// what follows the last `/sys/`, which no sysctl has in its name.
fn sysctl(path: &[u8]) -> Option<&[u8]> {
    const FOLDER: &[u8] = b"/sys/";
    let at = path.windows(FOLDER.len()).rposition(|part| part == FOLDER)?;
    path.get(at + FOLDER.len()..)
}

fn is_global(sysctl: &[u8]) -> bool {
    !NAMESPACED
        .iter()
        .any(|prefix| sysctl.starts_with(prefix.as_bytes()))
}

/// Failed attempts, by the path that was asked for.
fn typed(path: &[u8]) -> Option<&'static Rule> {
    const KNOWN: [(&str, &Rule); 12] = [
        ("/release_agent", &escape::RELEASE_AGENT),
        ("/notify_on_release", &escape::NOTIFY_ON_RELEASE),
        ("/devices.allow", &escape::DEVICE_CGROUP),
        ("/sys/kernel/core_pattern", &escape::CORE_PATTERN),
        ("/sys/kernel/hotplug", &escape::UEVENT_HELPER),
        ("/kernel/uevent_helper", &escape::UEVENT_HELPER),
        ("/binfmt_misc/register", &escape::BINFMT_MISC),
        ("/sysrq-trigger", &escape::SYSRQ),
        ("/sys/kernel/sysrq", &escape::SYSRQ),
        ("/sys/kernel/modprobe", &escape::KERNEL_HELPER),
        ("/sys/kernel/poweroff_cmd", &escape::KERNEL_HELPER),
        ("/sys/kernel/usermodehelper/bset", &escape::KERNEL_HELPER),
    ];
    KNOWN
        .iter()
        .find(|(suffix, _)| path.ends_with(suffix.as_bytes()))
        .map(|(_, rule)| *rule)
}

/// One alert per file: the name in its filesystem, not the path that was typed.
fn finding(context: &DetectContext<'_>, open: &FileOpen, rule: &'static Rule, done: &'static str) -> Finding {
    let success = Success::of(context.event);
    let summary = format!(
        "{} in {} {} {}{}",
        context.actor(),
        context.container_name(),
        success.words(done, "tried to open"),
        open.path,
        if writes(context.event, open) {
            " for writing"
        } else {
            ""
        },
    );
    let finding = Finding::new(rule, KernelString::from(name(own_path(open))).to_text(), summary);
    // Init containers set sysctls; an attempt that failed changed nothing.
    match success {
        Success::Failed if rule.severity <= Severity::Medium => finding.severity(Severity::Low),
        _ => finding,
    }
}
