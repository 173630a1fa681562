//! Files and devices of the host.

use super::{Success, own_path, writes};
use crate::container::{ContainerMetadata, MountPoint};
use crate::detect::program::{builds, inner_ancestors, name};
use crate::detect::rules::escape;
use crate::detect::{DetectContext, Finding, Severity};
use crate::event::{FileFlags, FileOpen, KernelString, Trust};
use crate::host::HostFacts;
use crate::process::Process;
use agent_common::escape::is_denied_device;
use agent_common::mode::{S_IFBLK, S_IFCHR, S_IFMT, S_IFREG};
use bstr::ByteSlice;

/// Programs that start containers, by prefix of their file's name.
const RUNTIMES: [&str; 11] = [
    "runc",
    "crun",
    "youki",
    "containerd",
    "dockerd",
    "docker-init",
    "docker-proxy",
    "conmon",
    "crio",
    "kubelet",
    "kata-runtime",
];

/// Files and folders (`/` at the end) that decide who is root on the host.
const SENSITIVE: [&str; 26] = [
    "/etc/passwd",
    "/etc/shadow",
    "/etc/group",
    "/etc/gshadow",
    "/etc/sudoers",
    "/etc/sudoers.d/",
    "/etc/crontab",
    "/etc/cron.",
    "/etc/anacrontab",
    "/etc/ld.so.preload",
    "/etc/ld.so.conf",
    "/etc/pam.d/",
    "/etc/profile",
    "/etc/rc.local",
    "/etc/init.d/",
    "/etc/systemd/",
    "/etc/udev/rules.d/",
    "/usr/lib/systemd/",
    "/lib/systemd/",
    "/etc/ssh/sshd_config",
    "/etc/kubernetes/",
    "/var/lib/kubelet/",
    "/etc/docker/",
    "/etc/containerd/",
    "/var/spool/cron/",
    "/etc/cni/",
];

/// Opens of disks and of the machine's memory, by device number.
pub(super) fn device(context: &DetectContext<'_>, open: &FileOpen) -> Option<Finding> {
    let device = open.file.rdev;
    let said = format!("{} in {} opened", context.actor(), context.container_name());
    match open.file.mode & S_IFMT {
        S_IFCHR if is_denied_device(false, device) => {
            let summary = format!("{said} memory of the machine as {}", open.path);
            Some(Finding::new(
                &escape::KERNEL_MEMORY,
                format!("device {device:#x}"),
                summary,
            ))
        }
        S_IFBLK if is_denied_device(true, device) => {
            let disk = context.host.disks.iter().find(|disk| same_disk(disk.dev, device));
            let source = disk.map_or_else(String::new, |disk| format!(" ({} of the host)", disk.source));
            let summary = format!(
                "{said} the block device {}:{} as {}{source}",
                device >> 20,
                device & 0xf_ffff,
                open.path
            );
            let severity = if disk.is_some() {
                Severity::Critical
            } else {
                Severity::High
            };
            Some(
                Finding::new(&escape::HOST_DISK_OPEN, format!("device {device:#x}"), summary)
                    .severity(severity),
            )
        }
        _ => None,
    }
}

/// The device itself, or the disk whose partition is mounted (SCSI and virtio give a disk 16 minors).
fn same_disk(mounted: u32, opened: u32) -> bool {
    let major = mounted >> 20;
    mounted == opened
        || ((major == 8 || major >= 252)
            && major != 259
            && mounted >> 20 == opened >> 20
            && mounted & !15 == opened & !15)
}

/// Writes to the runtime's own program, by name on a filesystem that is not the container's, or through `/proc/PID/exe`.
pub(super) fn runtime_binary(context: &DetectContext<'_>, open: &FileOpen) -> Option<Finding> {
    if !writes(context.event, open) {
        return None;
    }
    let path = own_path(open);
    let by_link = context.event.raw.header.flags.trust() == Trust::ARGUMENTS && is_exe_link(&open.path.bytes);
    let own = open.file.mode & S_IFMT != S_IFREG || is_own_overlay(context, open);
    let program = name(path);
    let program = program.strip_prefix(b"memfd:").unwrap_or(program);
    let by_name =
        !own && RUNTIMES.iter().any(|known| program.starts_with(known.as_bytes())) && is_program(open);
    if !by_link && !by_name {
        return None;
    }
    let success = Success::of(context.event);
    let summary = format!(
        "{} in {} {} the running program {} for writing",
        context.actor(),
        context.container_name(),
        success.words("opened", "tried to open"),
        open.path
    );
    Some(Finding::new(
        &escape::RUNTIME_BINARY,
        KernelString::from(program).to_text(),
        summary,
    ))
}

/// On the container's overlay. The host's root may be one too, so the one from which the container's first program ran
/// is compared; images that run containers themselves mount further ones.
fn is_own_overlay(context: &DetectContext<'_>, open: &FileOpen) -> bool {
    if open.file.flags & FileFlags::OVERLAY == 0 {
        return false;
    }
    let programs = std::iter::once(context.event.process.as_ref()).chain(inner_ancestors(context.event));
    let overlay = |process: &&Process| process.file.flags & FileFlags::OVERLAY != 0;
    let runs_containers = context.role.is_some_and(|role| role.name() == "runtime");
    runs_containers
        || programs
            .filter(overlay)
            .last()
            .is_none_or(|first| first.file.dev == open.file.dev)
}

/// Executable by somebody: configuration of a runtime is no program.
fn is_program(open: &FileOpen) -> bool {
    open.file.mode & 0o111 != 0
}

/// `/proc/self/exe`, `/proc/41/exe`, wherever that procfs is mounted.
fn is_exe_link(path: &[u8]) -> bool {
    let Some(process) = path.strip_suffix(b"/exe") else {
        return false;
    };
    let owner = name(process);
    owner == b"self" || owner == b"thread-self" || (!owner.is_empty() && owner.iter().all(u8::is_ascii_digit))
}

/// Writes to what decides who is root on the host, through a mount of a host folder.
pub(super) fn sensitive_write(context: &DetectContext<'_>, open: &FileOpen) -> Option<Finding> {
    if !writes(context.event, open) || open.file.mode & S_IFMT != S_IFREG || builds(context.event) {
        return None;
    }
    let of_host = host_path(context.host, open).filter(|path| is_sensitive(path));
    let path = of_host.or_else(|| sensitive_place(context.known()?, &open.path.bytes))?;
    let shown = KernelString::from(path.as_slice()).to_text();
    let summary = format!(
        "{} in {} {} {shown} of the host for writing",
        context.actor(),
        context.container_name(),
        Success::of(context.event).words("opened", "tried to open")
    );
    Some(Finding::new(&escape::HOST_FILE_WRITE, shown.as_str(), summary).with("host_path", shown))
}

/// The host's path of a file on one of its disks: mount point and path within the filesystem.
fn host_path(host: &HostFacts, open: &FileOpen) -> Option<Vec<u8>> {
    if open.fs_path.is_empty() || open.file.flags & (FileFlags::OVERLAY | FileFlags::UPPER) != 0 {
        return None;
    }
    let disk = host.disks.iter().find(|disk| disk.dev == open.file.dev);
    if disk.is_none() && open.file.flags & FileFlags::BIND_MOUNT == 0 {
        return None;
    }
    let mount_point = disk.map_or("", |disk| {
        disk.mount_point
            .to_str()
            .unwrap_or_default()
            .trim_end_matches('/')
    });
    let mut path = mount_point.as_bytes().to_vec();
    path.extend_from_slice(without_subvolume(&open.fs_path.bytes));
    Some(path)
}

/// btrfs shows the root's subvolume (`/@`, `/@rootfs`) as the first component.
fn without_subvolume(path: &[u8]) -> &[u8] {
    if !path.starts_with(b"/@") {
        return path;
    }
    path[1..]
        .iter()
        .position(|byte| *byte == b'/')
        .map_or(path, |at| &path[at + 1..])
}

/// The host's path of a name, as the runtime mounted it, when it decides who is root there: for hosts whose root is itself an
/// overlay, and for folders of the host that are laid out like a root.
pub(super) fn sensitive_place(known: &ContainerMetadata, path: &[u8]) -> Option<Vec<u8>> {
    let mount = mount_of(known, path).filter(|mount| mount.bind)?;
    let below = path.get(mount.destination.trim_end_matches('/').len()..)?;
    let mut host = mount.source.trim_end_matches('/').as_bytes().to_vec();
    host.extend_from_slice(below);
    (is_sensitive(&host) || is_sensitive(below)).then_some(host)
}

/// The innermost mount of the runtime's that shows the path.
pub(super) fn mount_of<'a>(known: &'a ContainerMetadata, path: &[u8]) -> Option<&'a MountPoint> {
    let shows = |mount: &&MountPoint| {
        path.strip_prefix(mount.destination.trim_end_matches('/').as_bytes())
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
    };
    let mounts = known.mounts.iter().filter(shows);
    mounts.max_by_key(|mount| mount.destination.len())
}

fn is_sensitive(path: &[u8]) -> bool {
    // `/var/lib/kubelet/pods` holds the pods' own volumes.
    if path.starts_with(b"/var/lib/kubelet/pods/") {
        return false;
    }
    let keys = path.contains_str(b"/.ssh/") && (path.starts_with(b"/root/") || path.starts_with(b"/home/"));
    keys || SENSITIVE.iter().any(|known| covers(known.as_bytes(), path))
}

/// Folders and prefixes end in `/` or `.`; the others are whole names, or names to which something is added
/// (`/etc/shadow-`, `/etc/passwd.lock` are written on the way).
fn covers(known: &[u8], path: &[u8]) -> bool {
    match known.last() {
        Some(b'/' | b'.') => path.starts_with(known),
        _ => path
            .strip_prefix(known)
            .is_some_and(|rest| rest.is_empty() || rest == b"-" || rest == b".d" || rest.starts_with(b".d/")),
    }
}
