//! Attributes of files that give rights, hide changes, or keep others from undoing them.

use super::finding;
use crate::detect::program::{builds, is_of_image};
use crate::detect::rules::tampering;
use crate::detect::{DetectContext, Finding, Severity, described};
use crate::event::{Attribute, AttributeOp, FileFlags, FileOpen, KernelString};
use agent_common::mode;

const S_ISUID: u64 = 0o4000;
const S_ISGID: u64 = 0o2000;
/// `FS_IMMUTABLE_FL` and `FS_APPEND_FL`.
const KEEPING: u64 = 0x10 | 0x20;
const OWNERS_RIGHTS: &str = "gave whoever executes it its owner's rights:";
/// Programs that bring files with their times.
const CARRIERS: [&str; 12] = [
    "tar",
    "bsdtar",
    "rsync",
    "git",
    "cp",
    "scp",
    "sftp-server",
    "unzip",
    "cpio",
    "install",
    "7z",
    "busybox",
];

pub(super) fn inspect(context: &DetectContext<'_>, change: &Attribute) -> Option<Finding> {
    if context.event.raw.header.ret < 0 {
        return None;
    }
    let path = change.path.to_text();
    let of = |rule, did: &str| Some(finding(context, rule, &path, &format!("{did} {path}")));
    match change.op {
        AttributeOp::CHMOD if gives_rights(change.value, change.file.mode) && !builds(context.event) => {
            let finding = of(&tampering::SET_USER_ID, OWNERS_RIGHTS);
            finding.map(|finding| weighed(context, &change.path, finding))
        }
        AttributeOp::SETXATTR if change.name.bytes == b"security.capability" && !builds(context.event) => {
            of(&tampering::SET_USER_ID, "gave whoever executes it capabilities:")
        }
        AttributeOp::SETFLAGS if change.value & KEEPING != 0 => of(
            &tampering::IMMUTABLE_FILE,
            "kept others from changing or removing",
        ),
        AttributeOp::UTIMES if is_brought_program(change) && !carries(context) => {
            of(&tampering::TIMESTOMP, "set times of its choice to the program")
        }
        _ => None,
    }
}

/// A file that is made with the bits needs nobody to set them.
pub(super) fn made(context: &DetectContext<'_>, open: &FileOpen) -> Option<Finding> {
    let mode = open.file.mode;
    let denied = context.event.raw.header.ret < 0;
    if denied || !open.made() || !gives_rights(u64::from(mode), mode) || builds(context.event) {
        return None;
    }
    let (path, rule) = (open.path.to_text(), &tampering::SET_USER_ID);
    let finding = finding(context, rule, &path, &format!("{OWNERS_RIGHTS} {path}"));
    Some(weighed(context, &open.path, finding))
}

/// Where the profile lets the program write the file, it is the image's work.
fn weighed(context: &DetectContext<'_>, path: &KernelString, finding: Finding) -> Finding {
    if described::may_write(context, path) {
        finding.severity(Severity::Low)
    } else {
        finding
    }
}

/// On a folder the group's bit only says whose new files are.
fn gives_rights(bits: u64, file: u16) -> bool {
    let folder = mode::S_IFDIR == file & mode::S_IFMT;
    bits & S_ISUID != 0 || bits & S_ISGID != 0 && bits & 0o010 != 0 && !folder
}

/// A program that is not the image's.
fn is_brought_program(change: &Attribute) -> bool {
    let regular = change.file.mode & mode::S_IFMT == mode::S_IFREG;
    regular && change.file.mode & 0o111 != 0 && change.file.flags & FileFlags::UPPER != 0
}

fn carries(context: &DetectContext<'_>) -> bool {
    builds(context.event) || is_of_image(&context.event.process, &CARRIERS)
}
