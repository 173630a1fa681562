//! Images, memory and namespaces.

use super::super::{ONCE, OWN_PROGRAM, raw};
use super::{number, rights};
use rustix::fs::{MemfdFlags, memfd_create};
use rustix::mount::{MountFlags, mount};
use rustix::thread::UnshareFlags;
use std::ffi::CString;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::process::CommandExt;
use std::process::Command;

const EXECUTABLE: i32 = libc::PROT_READ | libc::PROT_EXEC;

/// Does it; `None`: not one of these.
pub(super) fn perform(words: &[&str]) -> Option<io::Result<i64>> {
    Some(match words {
        ["go", folder] => std::env::set_current_dir(folder).map(|()| 0),
        ["exec-refused", program] => refused(program),
        ["exec-memory-file"] => exec_memory_file(),
        ["exec-descriptor", path] => exec_descriptor(path),
        ["map-exec", path] => File::open(path).and_then(|file| raw::map_file(file.as_fd(), EXECUTABLE)),
        ["map-read", path] => File::open(path).and_then(|file| raw::map_file(file.as_fd(), libc::PROT_READ)),
        ["map-memory-file"] => memory_file(),
        ["map-anonymous", prot] => flags(prot).and_then(raw::map_anonymous),
        ["protect", prot] => flags(prot).and_then(raw::protect),
        ["mount-overlay", folder] => overlay(folder),
        ["append", path] => append(path),
        ["unshare", flags] => unshare(flags),
        ["refused-unshare", flags] => rights::refused(|_| unshare(flags)),
        ["clone-new", flags] => number(flags).and_then(raw::clone_new),
        _ => return None,
    })
}

/// The error's number. Should it be executed after all, this process is gone.
fn refused(program: &str) -> io::Result<i64> {
    let error = Command::new(program).exec();
    error.raw_os_error().map(i64::from).ok_or(error)
}

fn flags(word: &str) -> io::Result<i32> {
    word.parse().map_err(io::Error::other)
}

fn memory_file() -> io::Result<i64> {
    let file = File::from(memfd_create("vigia-code", MemfdFlags::empty())?);
    (&file).write_all(b"code")?;
    raw::map_file(file.as_fd(), EXECUTABLE)
}

/// Executed in place of this process; a script must stay open for its interpreter.
fn exec_descriptor(path: &str) -> io::Result<i64> {
    let script = File::open(path)?;
    rustix::io::fcntl_setfd(&script, rustix::io::FdFlags::empty())?;
    let arguments = [script.as_raw_fd().into(), 0, 0, 0, i64::from(libc::AT_EMPTY_PATH)];
    raw::with_name(libc::SYS_execveat, 1, "", arguments)
}

/// A copy of this program that no filesystem has.
fn exec_memory_file() -> io::Result<i64> {
    let mut file = File::from(memfd_create("vigia-program", MemfdFlags::empty())?);
    io::copy(&mut File::open(OWN_PROGRAM)?, &mut file)?;
    // Executed while it is open to be written it would be busy.
    let path = format!("/proc/self/fd/{}", file.as_raw_fd());
    let program = File::open(path)?;
    drop(file);
    rustix::io::fcntl_setfd(&program, rustix::io::FdFlags::empty())?;
    let path = format!("/proc/self/fd/{}", program.as_raw_fd());
    super::run(Command::new(path).args(ONCE).args(["open-read", "/dev/null"]))
}

/// Of the folders `lower`, `upper` and `work` in it, at `merged`.
fn overlay(folder: &str) -> io::Result<i64> {
    let options = format!("lowerdir={folder}/lower,upperdir={folder}/upper,workdir={folder}/work");
    let options = CString::new(options)?;
    let target = format!("{folder}/merged");
    Ok(mount(
        "overlay",
        &target,
        "overlay",
        MountFlags::empty(),
        options.as_c_str(),
    )
    .map(|()| 0)?)
}

fn append(path: &str) -> io::Result<i64> {
    OpenOptions::new().append(true).open(path)?.write_all(b"more")?;
    Ok(0)
}

fn unshare(flags: &str) -> io::Result<i64> {
    let flags = u32::try_from(number(flags)?).map_err(io::Error::other)?;
    raw::unshare(UnshareFlags::from_bits_retain(flags)).map(|()| 0)
}
