//! Names that lead out: nodes of devices, device files of the container, links and names on mounts of the host.

use super::{Success, finding, host_files};
use crate::detect::program::{builds, is_of_image};
use crate::detect::rules::escape;
use crate::detect::{DetectContext, Finding, Severity};
use crate::event::{KernelString, Name, RecordFlags};
use agent_common::escape::is_denied_device;
use agent_common::mode::{S_IFBLK, S_IFCHR, S_IFDIR, S_IFLNK, S_IFMT};

const RENAME_EXCHANGE: u32 = 2;
/// Files that runtimes put into `/dev`.
const DEVICES: [&[u8]; 9] = [
    b"null", b"zero", b"full", b"random", b"urandom", b"tty", b"console", b"ptmx", b"pts",
];
/// Where the host keeps what a link should not lead to.
const HOSTS_OWN: [&[u8]; 10] = [
    b"/etc",
    b"/root",
    b"/home",
    b"/proc",
    b"/sys",
    b"/dev",
    b"/boot",
    b"/run",
    b"/var/run",
    b"/var/lib",
];
/// Package managers of whole systems.
const EXCHANGERS: [&str; 5] = ["ostree", "rpm-ostree", "bootc", "snapd", "systemd-sysupdate"];

/// A node of a disk or of memory.
pub(super) fn made(context: &DetectContext<'_>, node: &Name) -> Option<Finding> {
    let device = node.file.rdev;
    let denied = match node.file.mode & S_IFMT {
        S_IFBLK => is_denied_device(true, device),
        S_IFCHR => is_denied_device(false, device),
        _ => false,
    };
    if !denied {
        return replaced(context, &node.path);
    }
    let success = Success::of(context.event);
    let did = format!(
        "{} the node {} of device {}:{}",
        success.words("made", "tried to make"),
        node.path,
        device >> 20,
        device & 0xf_ffff
    );
    let severity = match success {
        Success::Failed => Severity::High,
        Success::Done | Success::Denied => Severity::Critical,
    };
    let object = format!("device {device:#x}");
    Some(finding(context, &escape::DEVICE_NODE, &object, &did).severity(severity))
}

/// The name is one of the container's device files.
pub(super) fn replaced(context: &DetectContext<'_>, path: &KernelString) -> Option<Finding> {
    let header = &context.event.raw.header;
    let device = path.bytes.strip_prefix(b"/dev/")?;
    if !DEVICES.contains(&device) || header.ret < 0 || header.flags.has(RecordFlags::CHROOTED) {
        return None;
    }
    let did = format!("removed or replaced {path}, which the runtime made");
    // Moving it away, and putting something there, are steps of one deed.
    Some(finding(context, &escape::DEVICE_REPLACED, &path.to_text(), &did).step_of("device files"))
}

pub(super) fn renamed(context: &DetectContext<'_>, name: &Name) -> Option<Finding> {
    replaced(context, &name.path)
        .or_else(|| replaced(context, &name.new_path))
        .or_else(|| placed(context, &name.new_path))
        .or_else(|| exchanged(context, name))
}

pub(super) fn linked(context: &DetectContext<'_>, name: &Name) -> Option<Finding> {
    replaced(context, &name.new_path).or_else(|| placed(context, &name.new_path))
}

pub(super) fn symlinked(context: &DetectContext<'_>, link: &Name) -> Option<Finding> {
    replaced(context, &link.new_path)
        .or_else(|| placed(context, &link.new_path))
        .or_else(|| leads_out(context, link))
}

/// A file is put where the host looks for who is root.
fn placed(context: &DetectContext<'_>, path: &KernelString) -> Option<Finding> {
    if context.event.raw.header.ret < 0 || builds(context.event) {
        return None;
    }
    let host = host_files::sensitive_place(context.known()?, &path.bytes)?;
    let shown = KernelString::from(host.as_slice()).to_text();
    let did = format!("put or replaced {shown} of the host");
    Some(finding(context, &escape::HOST_FILE_WRITE, &shown, &did).with("host_path", shown))
}

/// A folder and another name at once.
fn exchanged(context: &DetectContext<'_>, name: &Name) -> Option<Finding> {
    let kind = name.file.mode & S_IFMT;
    // By the call's arguments alone nobody knows what it is.
    let telling = kind == 0 || matches!(kind, S_IFDIR | S_IFLNK);
    let exchange = name.rename_flags & RENAME_EXCHANGE != 0 && telling;
    let system = is_of_image(&context.event.process, &EXCHANGERS);
    (exchange && !system && context.event.raw.header.ret >= 0).then(|| {
        let did = format!("exchanged {} and {}", name.path, name.new_path);
        finding(context, &escape::NAME_EXCHANGE, &context.actor(), &did)
    })
}

/// A link on a mount of the host's that leads to what is the host's own.
fn leads_out(context: &DetectContext<'_>, link: &Name) -> Option<Finding> {
    let mount = host_files::mount_of(context.known()?, &link.new_path.bytes)?;
    let target: &[u8] = &link.path.bytes;
    let climbs = target
        .split(|byte| *byte == b'/')
        .filter(|part| *part == b"..")
        .count()
        > 2;
    if !mount.bind || context.event.raw.header.ret < 0 || !(is_hosts_own(target) || climbs) {
        return None;
    }
    let did = format!(
        "put a link to {} into a folder of the host: {}",
        link.path, link.new_path
    );
    Some(finding(
        context,
        &escape::HOST_SYMLINK,
        &link.new_path.to_text(),
        &did,
    ))
}

fn is_hosts_own(target: &[u8]) -> bool {
    let root = !target.is_empty() && target.iter().all(|byte| *byte == b'/');
    root || HOSTS_OWN.iter().any(|folder| {
        target
            .strip_prefix(*folder)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
    })
}
