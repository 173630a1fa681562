//! Directories, names and attributes.

use super::super::{raw, uring};
use super::number;
use rustix::fs::{AtFlags, CWD, Dev, FileType, Mode, RenameFlags};
use rustix::mount::mount_bind;
use rustix::thread::{CapabilitySet, capabilities, set_capabilities};
use std::fs::{self, File};
use std::io;
use std::path::Path;

/// Does it; `None`: not one of these.
pub(super) fn perform(words: &[&str]) -> Option<io::Result<i64>> {
    Some(match words {
        ["unlink-in", folder, name] => within(folder, |folder| {
            rustix::fs::unlinkat(folder, *name, AtFlags::empty())
        }),
        ["rmdir-in", folder, name] => within(folder, |folder| {
            rustix::fs::unlinkat(folder, *name, AtFlags::REMOVEDIR)
        }),
        ["unlink-many", folder] => unlink_all(folder),
        ["write-many", path, times] => repeat(times, || File::options().write(true).open(path).map(drop)),
        ["make-many", path, times] => repeat(times, || {
            File::create(path)?;
            fs::remove_file(path)
        }),
        ["rename-in", folder, from, to] => {
            within(folder, |folder| rustix::fs::renameat(folder, *from, folder, *to))
        }
        ["exchange", one, other] => rustix::fs::renameat_with(CWD, *one, CWD, *other, RenameFlags::EXCHANGE)
            .map(|()| 0)
            .map_err(Into::into),
        ["bind-mount", source, target] => mount_bind(*source, *target).map(|()| 0).map_err(Into::into),
        ["link", from, to] => fs::hard_link(from, to).map(|()| 0),
        ["link-in", folder, from, to] => within(folder, |folder| {
            rustix::fs::linkat(folder, *from, folder, *to, AtFlags::empty())
        }),
        ["symlink", text, link] => std::os::unix::fs::symlink(text, link).map(|()| 0),
        ["symlink-in", folder, text, link] => {
            within(folder, |folder| rustix::fs::symlinkat(*text, folder, *link))
        }
        ["mknod", kind, path, major, minor] => node(kind, path, (major, minor)),
        ["mknod-setuid", path] => {
            let mode = Mode::from_raw_mode(0o4755);
            rustix::fs::mknodat(CWD, *path, FileType::RegularFile, mode, 0)
                .map(|()| 0)
                .map_err(Into::into)
        }
        ["mknod-unprivileged", kind, path, major, minor] => {
            without(CapabilitySet::MKNOD, || node(kind, path, (major, minor)))
        }
        ["open-by-handle", path] => raw::open_by_handle(path),
        ["uring-unlink", path] => uring::unlink(path),
        ["uring-rename", from, to] => uring::rename(from, to),
        ["uring-link", from, to] => uring::link(from, to),
        ["uring-symlink", text, link] => uring::symlink(text, link),
        _ => return None,
    })
}

fn repeat(times: &str, mut deed: impl FnMut() -> io::Result<()>) -> io::Result<i64> {
    for _ in 0..number(times)? {
        deed()?;
    }
    Ok(0)
}

/// By names relative to a descriptor.
fn within(folder: &str, deed: impl FnOnce(&File) -> rustix::io::Result<()>) -> io::Result<i64> {
    deed(&File::open(folder)?)?;
    Ok(0)
}

/// The number is how many there were.
fn unlink_all(folder: &str) -> io::Result<i64> {
    let mut removed = 0;
    for entry in Path::new(folder).read_dir()? {
        fs::remove_file(entry?.path())?;
        removed += 1;
    }
    Ok(removed)
}

fn node(kind: &str, path: &str, (major, minor): (&str, &str)) -> io::Result<i64> {
    let kind = match kind {
        "char" => FileType::CharacterDevice,
        "block" => FileType::BlockDevice,
        "fifo" => FileType::Fifo,
        "file" => FileType::RegularFile,
        other => return Err(io::Error::other(format!("no such type: {other}"))),
    };
    let part = |word| Ok::<_, io::Error>(u32::try_from(number(word)?).unwrap_or(u32::MAX));
    let device: Dev = rustix::fs::makedev(part(major)?, part(minor)?);
    rustix::fs::mknodat(CWD, path, kind, Mode::from_raw_mode(0o600), device)?;
    Ok(0)
}

/// With a capability less for as long as it takes.
fn without(capability: CapabilitySet, deed: impl FnOnce() -> io::Result<i64>) -> io::Result<i64> {
    let held = capabilities(None)?;
    let mut fewer = held;
    fewer.effective.remove(capability);
    set_capabilities(None, fewer)?;
    let done = deed();
    set_capabilities(None, held)?;
    done
}
