//! Roots and working directories, and files that no mount of the container shows.

use super::{finding, host_files};
use crate::detect::program::inner_ancestors;
use crate::detect::rules::escape;
use crate::detect::{DetectContext, Finding, Severity};
use crate::event::{Directory, Exec, FileFlags, FileOpen, RecordFlags};
use crate::process::Process;
use agent_common::magic;

/// Tools that read filesystems by their blocks.
const DEBUGGERS: [&[u8]; 13] = [
    b"debugfs",
    b"dumpe2fs",
    b"e2image",
    b"tune2fs",
    b"xfs_db",
    b"xfs_metadump",
    b"btrfs-image",
    b"ntfscat",
    b"ntfsclone",
    b"extundelete",
    b"photorec",
    b"testdisk",
    b"debugreiserfs",
];

/// The working directory is outside of the root, or what becomes the root is.
pub(super) fn directory(context: &DetectContext<'_>, directory: &Directory, root: bool) -> Option<Finding> {
    if context.event.raw.header.ret < 0 {
        return None;
    }
    if directory.outside {
        let did = if root {
            "made a folder outside of its root its root"
        } else {
            "left its root: its working directory is outside of it"
        };
        return Some(finding(context, &escape::OUTSIDE_ROOT, &context.actor(), did));
    }
    if root { of_host(context, directory) } else { None }
}

/// A root on a mount of the host's; not the container's own, and no memory.
fn of_host(context: &DetectContext<'_>, directory: &Directory) -> Option<Finding> {
    let own = directory.file.flags & FileFlags::OVERLAY != 0 && !shows_host_root(context, directory);
    if own || directory.file.magic == magic::TMPFS {
        return None;
    }
    let mount = host_files::mount_of(context.known()?, &directory.path.bytes)?;
    let severity = if mount.bind {
        Severity::Critical
    } else {
        Severity::Medium
    };
    let did = format!(
        "made {} its root, which is {} of the host",
        directory.path, mount.source
    );
    Some(finding(context, &escape::HOST_CHROOT, &directory.path.to_text(), &did).severity(severity))
}

/// The host's own root may be an overlay.
fn shows_host_root(context: &DetectContext<'_>, directory: &Directory) -> bool {
    let known = context.known();
    known
        .and_then(|known| host_files::mount_of(known, &directory.path.bytes))
        .is_some_and(|mount| mount.bind)
}

/// A file on a disk of the host that neither the image nor a mount of the container shows.
pub(super) fn foreign(context: &DetectContext<'_>, open: &FileOpen) -> Option<Finding> {
    let event = context.event;
    let elsewhere = open.file.flags & (FileFlags::OVERLAY | FileFlags::UPPER | FileFlags::BIND_MOUNT) == 0;
    let disk = context.host.disks.iter().any(|disk| disk.dev == open.file.dev);
    if event.raw.header.ret < 0 || !elsewhere || !disk || event.raw.header.flags.has(RecordFlags::CHROOTED) {
        return None;
    }
    // Images whose layers lie on such a disk run from there.
    let programs = std::iter::once(event.process.as_ref()).chain(inner_ancestors(event));
    let runs_there = |process: &Process| process.file.dev == open.file.dev;
    let shown = host_files::mount_of(context.known()?, &open.path.bytes).is_some();
    if shown || programs.into_iter().any(runs_there) {
        return None;
    }
    let did = format!("opened {} of another mount namespace", open.path);
    Some(finding(context, &escape::FOREIGN_MOUNT, &context.actor(), &did))
}

/// Programs that tell by what they are, and scripts that name the running program.
pub(super) fn program(context: &DetectContext<'_>, exec: &Exec) -> Option<Finding> {
    let name = crate::detect::program::called(&context.event.process);
    if DEBUGGERS.contains(&name.as_slice()) {
        let did = "reads filesystems by their blocks";
        return Some(finding(
            context,
            &escape::FILESYSTEM_DEBUGGER,
            &context.actor(),
            did,
        ));
    }
    exec.script()?;
    let interpreter = exec.arguments().next()?;
    let procfs = interpreter.bytes.starts_with(b"/proc/");
    procfs.then(|| {
        let did = format!(
            "executed the script {}, whose interpreter is {interpreter}",
            exec.filename
        );
        finding(context, &escape::SCRIPT_OF_PROCFS, &context.actor(), &did)
    })
}
