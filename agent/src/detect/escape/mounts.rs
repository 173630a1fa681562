//! Mounts that a container makes after its start.

use super::namespaces::{is_runtime, overlay};
use super::sandboxes::Sandbox;
use super::{Success, lacks_right};
use crate::detect::program::{self, name};
use crate::detect::rules::escape;
use crate::detect::{DetectContext, Finding, Rule, Severity};
use crate::event::{Mount, MountOp};
use agent_common::escape::{DISK_FILESYSTEMS, STEERING_FILESYSTEMS};
use agent_common::mode::{S_IFBLK, S_IFMT};

const MS_RDONLY: u64 = 1;
const MS_REMOUNT: u64 = 0x20;
const MS_BIND: u64 = 0x1000;
/// MS_UNBINDABLE, MS_PRIVATE, MS_SLAVE, MS_SHARED: nothing is mounted, only how mounts spread.
const MS_PROPAGATION: u64 = 0xf << 17;

/// Filesystems that steer the kernel, and that nested runtimes and sandboxes mount in their day's work.
const ORDINARY: [&str; 3] = ["proc", "sysfs", "cgroup2"];

pub(super) fn inspect(
    context: &DetectContext<'_>,
    mount: &Mount,
    sandbox: Option<&mut Sandbox>,
) -> Option<Finding> {
    match mount.op {
        MountOp::PIVOT_ROOT => pivot_root(context, mount),
        MountOp::UMOUNT => {
            below_kernel_files(&mount.target.bytes).then(|| unmasked(context, mount, "unmounted"))
        }
        MountOp::MOUNT | MountOp::MOVE_MOUNT | MountOp::FSMOUNT => made(context, mount, sandbox),
        MountOp::OPEN_TREE => Some(attached(context, mount)),
        MountOp::SETATTR => made_writable(context, mount),
        _ => None,
    }
}

fn made(context: &DetectContext<'_>, mount: &Mount, sandbox: Option<&mut Sandbox>) -> Option<Finding> {
    let flags = mount.mount_flags;
    if flags & MS_PROPAGATION != 0 && flags & (MS_BIND | MS_REMOUNT) == 0 {
        return None;
    }
    if flags & MS_REMOUNT != 0 {
        return (flags & MS_RDONLY == 0).then(|| writable(context, mount));
    }
    if flags & MS_BIND == 0 {
        let fstype = mount.fstype.to_text();
        if DISK_FILESYSTEMS.contains(&fstype.as_str()) || is_disk(context, mount) {
            return Some(finding(context, mount, &escape::HOST_DISK_MOUNT));
        }
        let done = Success::of(context.event) == Success::Done;
        if let Some(sandbox) = sandbox.filter(|_| fstype == "overlay" && done && !is_runtime(context)) {
            sandbox.overlay = true;
            return Some(overlay(context, sandbox.gives_rights));
        }
        let steers = STEERING_FILESYSTEMS.contains(&fstype.as_str()) || ORDINARY.contains(&fstype.as_str());
        if steers {
            return (!own_procfs(context, mount)).then(|| steering(context, mount, &fstype));
        }
    }
    if below_kernel_files(&mount.target.bytes) {
        return Some(unmasked(context, mount, "covered"));
    }
    Some(attached(context, mount))
}

/// What was mounted read-only may be written now.
fn writable(context: &DetectContext<'_>, mount: &Mount) -> Finding {
    let target = mount.target.bytes.as_slice();
    if below_kernel_files(target) || matches!(target, b"/proc" | b"/sys") {
        unmasked(context, mount, "remounted writable")
    } else {
        attached(context, mount)
    }
}

/// mount_setattr(2): cleared attributes are in the upper half.
fn made_writable(context: &DetectContext<'_>, mount: &Mount) -> Option<Finding> {
    const MOUNT_ATTR_RDONLY: u64 = 1;
    let cleared = mount.mount_flags >> 32;
    (cleared & MOUNT_ATTR_RDONLY != 0).then(|| writable(context, mount))
}

/// Any other mount: runtimes make theirs before the container begins.
fn attached(context: &DetectContext<'_>, mount: &Mount) -> Finding {
    let severity = match Success::of(context.event) {
        _ if is_runtime(context) => Severity::Low,
        Success::Done | Success::Denied => Severity::High,
        Success::Failed => Severity::Low,
    };
    finding(context, mount, &escape::MOUNT)
        .severity(severity)
        .step_of(format!("mounts {}", context.actor()))
}

fn is_disk(context: &DetectContext<'_>, mount: &Mount) -> bool {
    let device = mount.file.mode & S_IFMT == S_IFBLK;
    let known =
        mount.op == MountOp::FSMOUNT && context.host.disks.iter().any(|disk| disk.dev == mount.file.dev);
    device || known
}

/// A sandbox (`unshare --pid --mount-proc`) gives its new pid namespace a procfs of its own.
fn own_procfs(context: &DetectContext<'_>, mount: &Mount) -> bool {
    mount.fstype.as_bstr() == "proc"
        && mount.target.as_bstr() == "/proc"
        && context.event.raw.header.ns_tgid == 1
        && program::inner_ancestors(context.event).next().is_some()
}

fn steering(context: &DetectContext<'_>, mount: &Mount, fstype: &str) -> Finding {
    let nested = context.role.is_some_and(|role| role.name() == "runtime");
    let ordinary = ORDINARY.contains(&fstype);
    let finding = finding(context, mount, &escape::SENSITIVE_MOUNT);
    let severity = if nested || ordinary {
        finding.severity.min(Severity::Medium)
    } else {
        finding.severity
    };
    finding.severity(severity)
}

fn pivot_root(context: &DetectContext<'_>, mount: &Mount) -> Option<Finding> {
    let sandbox = matches!(name(&context.event.process.exe.bytes), b"bwrap" | b"bubblewrap");
    let nested = context.role.is_some_and(|role| role.name() == "runtime");
    let summary = format!(
        "{} in {} made {} its root",
        context.actor(),
        context.container_name(),
        mount.target
    );
    let severity = if nested { Severity::Low } else { Severity::High };
    (!sandbox).then(|| Finding::new(&escape::PIVOT_ROOT, mount.target.to_text(), summary).severity(severity))
}

fn finding(context: &DetectContext<'_>, mount: &Mount, rule: &'static Rule) -> Finding {
    let success = Success::of(context.event);
    let what = if mount.fstype.is_empty() {
        mount.source.to_text()
    } else {
        format!("{} ({})", mount.source, mount.fstype)
    };
    let summary = format!(
        "{} in {} {} {what} at {}",
        context.actor(),
        context.container_name(),
        success.words("mounted", "tried to mount"),
        mount.target
    );
    let object = if rule == &escape::HOST_DISK_MOUNT {
        mount.source.to_text()
    } else {
        mount.fstype.to_text()
    };
    // Refused for want of a right it is a try; else only the device was not there.
    let refused =
        success == Success::Failed && (rule != &escape::HOST_DISK_MOUNT || lacks_right(context.event));
    let severity = if refused { Severity::Medium } else { rule.severity };
    Finding::new(rule, object, summary).severity(severity)
}

fn unmasked(context: &DetectContext<'_>, mount: &Mount, what: &'static str) -> Finding {
    let success = Success::of(context.event);
    let tried = success.words("", "tried in vain: ");
    let summary = format!(
        "{tried}{} in {} {what} {}",
        context.actor(),
        context.container_name(),
        mount.target
    );
    let severity = match success {
        // What covers a file of procfs redirects who writes to it.
        Success::Done | Success::Denied if what == "covered" => Severity::Critical,
        Success::Done | Success::Denied => Severity::High,
        Success::Failed => Severity::Low,
    };
    Finding::new(&escape::MASK_REMOVED, mount.target.to_text(), summary)
        .severity(severity)
        .step_of(format!("masks {}", context.actor()))
}

fn below_kernel_files(target: &[u8]) -> bool {
    // A cgroup filesystem has its place below /sys.
    (target.starts_with(b"/proc/") || target.starts_with(b"/sys/")) && !target.starts_with(b"/sys/fs/cgroup")
}
