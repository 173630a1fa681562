//! Attributes of files, and the root and working directory of a process.

use crate::lab::{raw, uring};
use rustix::fs::{
    AtFlags, CWD, IFlags, Timespec, Timestamps, XattrFlags, ioctl_setflags, setxattr, utimensat,
};
use std::fs::{self, File, Permissions};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;

/// Long ago.
const THEN: Timespec = Timespec {
    tv_sec: 1_000_000_000,
    tv_nsec: 0,
};

/// Does it; `None`: not one of these.
pub(super) fn perform(words: &[&str]) -> Option<io::Result<i64>> {
    Some(match words {
        ["chmod", path, mode] => permissions(mode)
            .and_then(|mode| fs::set_permissions(path, mode))
            .map(|()| 0),
        ["fchmod", path, mode] => permissions(mode)
            .and_then(|mode| File::open(path)?.set_permissions(mode))
            .map(|()| 0),
        ["setxattr", path, name] => Ok(setxattr(*path, *name, b"value", XattrFlags::empty())
            .map(|()| 0)
            .unwrap_or(1)),
        ["uring-setxattr", path, name] => {
            File::open(path).and_then(|file| uring::set_attribute(file.as_fd(), name))
        }
        ["uring-setxattr-named", path, name] => uring::set_attribute_of(path, name),
        ["set-times-open", path] => File::open(path).and_then(|file| {
            let times = Timestamps {
                last_access: THEN,
                last_modification: THEN,
            };
            rustix::fs::futimens(&file, &times)
                .map(|()| 0)
                .map_err(Into::into)
        }),
        ["set-times", path] => {
            let times = Timestamps {
                last_access: THEN,
                last_modification: THEN,
            };
            utimensat(CWD, *path, &times, AtFlags::empty())
                .map(|()| 0)
                .map_err(Into::into)
        }
        ["truncate", path] => raw::truncate(path),
        ["truncate-open", path] => File::options()
            .write(true)
            .open(path)
            .and_then(|file| file.set_len(1))
            .map(|()| 0),
        ["keep-for-good", path] => File::open(path).map(|file| raw::keep_for_good(&file)),
        ["setflags", path] => File::open(path).map(|file| {
            // Not every filesystem has flags.
            ioctl_setflags(&file, IFlags::NODUMP).map_or_else(|error| error.raw_os_error().into(), |()| 0)
        }),
        ["type-ahead"] => Ok(raw::type_ahead()),
        ["chroot", folder] => rustix::process::chroot(*folder).map(|()| 0).map_err(Into::into),
        ["break-out", jail] => break_out(jail),
        _ => return None,
    })
}

fn permissions(mode: &str) -> io::Result<Permissions> {
    let mode = u32::from_str_radix(mode, 8).map_err(io::Error::other)?;
    Ok(Permissions::from_mode(mode))
}

/// A descriptor that is older than the new root leads out of it.
fn break_out(jail: &str) -> io::Result<i64> {
    let outside = File::open("/")?;
    rustix::process::chroot(jail)?;
    rustix::process::fchdir(&outside)?;
    Ok(0)
}
