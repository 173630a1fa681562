//! Mounts that a container makes after its start.

use super::{Success, name};
use crate::detect::program;
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

pub(super) fn inspect(context: &DetectContext<'_>, mount: &Mount) -> Option<Finding> {
    match mount.op {
        MountOp::PIVOT_ROOT => pivot_root(context, mount),
        MountOp::UMOUNT => {
            below_kernel_files(&mount.target.bytes).then(|| unmasked(context, mount, "unmounted"))
        }
        MountOp::MOUNT | MountOp::MOVE_MOUNT | MountOp::FSMOUNT => made(context, mount),
        _ => None,
    }
}

fn made(context: &DetectContext<'_>, mount: &Mount) -> Option<Finding> {
    let flags = mount.mount_flags;
    if flags & MS_PROPAGATION != 0 && flags & (MS_BIND | MS_REMOUNT) == 0 {
        return None;
    }
    if flags & MS_REMOUNT != 0 {
        let writable = flags & MS_RDONLY == 0;
        let kernel = below_kernel_files(&mount.target.bytes)
            || matches!(mount.target.bytes.as_slice(), b"/proc" | b"/sys");
        return (writable && kernel).then(|| unmasked(context, mount, "remounted writable"));
    }
    if flags & MS_BIND == 0 {
        let fstype = mount.fstype.to_text();
        if DISK_FILESYSTEMS.contains(&fstype.as_str()) || is_disk(context, mount) {
            return Some(finding(context, mount, &escape::HOST_DISK_MOUNT));
        }
        let steers = STEERING_FILESYSTEMS.contains(&fstype.as_str()) || ORDINARY.contains(&fstype.as_str());
        if steers && !own_procfs(context, mount) {
            return Some(steering(context, mount, &fstype));
        }
    }
    below_kernel_files(&mount.target.bytes).then(|| unmasked(context, mount, "covered"))
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
    let severity = match success {
        Success::Done | Success::Denied => rule.severity,
        Success::Failed => Severity::Medium,
    };
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
        Success::Done | Success::Denied => Severity::High,
        Success::Failed => Severity::Low,
    };
    Finding::new(&escape::MASK_REMOVED, mount.target.to_text(), summary).severity(severity)
}

fn below_kernel_files(target: &[u8]) -> bool {
    // A cgroup filesystem has its place below /sys.
    (target.starts_with(b"/proc/") || target.starts_with(b"/sys/")) && !target.starts_with(b"/sys/fs/cgroup")
}
