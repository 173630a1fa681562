//! Ways out of a container, none of which does any harm: what was opened is closed, what was mounted goes with the namespace.

use super::super::raw;
use super::{number, perform as perform_any};
use rustix::fs::CWD;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MountFlags, MoveMountFlags, fsconfig_create, fsmount, fsopen,
    mount, move_mount,
};
use rustix::thread::UnshareFlags;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, IntoRawFd};

/// Does it; `None`: not one of these.
pub(super) fn perform(words: &[&str]) -> Option<io::Result<i64>> {
    Some(match words {
        ["mount-type", kind, source, target] => mount(*source, *target, *kind, MountFlags::empty(), None)
            .map(|()| 0)
            .map_err(Into::into),
        ["fsmount-type", kind, target] => made(kind, target),
        ["load-program", kind] => number(kind).and_then(raw::load_program),
        ["seize-process", pid] => process(pid).and_then(raw::seize),
        ["enter-process", pid] => process(pid).and_then(enter),
        ["hold", path] => File::open(path).map(|file| i64::from(file.into_raw_fd())),
        ["enter-held", fd] => number(fd).and_then(|fd| raw::setns(i64::try_from(fd).unwrap_or(-1), 0)),
        ["in-own-users", words @ ..] => {
            let flags = UnshareFlags::NEWUSER | UnshareFlags::NEWNS;
            raw::unshare(flags).and_then(|()| perform_any(words))
        }
        _ => return None,
    })
}

fn process(word: &str) -> io::Result<u32> {
    word.parse().map_err(io::Error::other)
}

/// By the calls that mount(2) was split into.
fn made(kind: &str, target: &str) -> io::Result<i64> {
    let context = fsopen(kind, FsOpenFlags::FSOPEN_CLOEXEC)?;
    fsconfig_create(context.as_fd())?;
    let attributes = MountAttrFlags::empty();
    let tree = fsmount(context.as_fd(), FsMountFlags::FSMOUNT_CLOEXEC, attributes)?;
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH;
    Ok(move_mount(tree.as_fd(), "", CWD, target, flags).map(|()| 0)?)
}

/// Its mount namespace, by a descriptor of the process.
fn enter(pid: u32) -> io::Result<i64> {
    let process = raw::open_process(pid)?;
    raw::setns(process.as_raw_fd().into(), i64::from(libc::CLONE_NEWNS))
}
