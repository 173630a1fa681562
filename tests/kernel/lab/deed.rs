//! What the process inside a container can be told to do: each line one behaviour, by plain system calls.

mod attributes;
mod files;
mod memory;
mod names;
mod rights;
mod sockets;
mod vanished;
mod ways_out;

use super::{i386, raw, uring};
use rustix::fs::{CWD, Mode, OFlags, ResolveFlags};
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MountFlags, MoveMountFlags, OpenTreeFlags, UnmountFlags,
    fsconfig_create, fsmount, fsopen, mount, move_mount, open_tree, unmount,
};
use rustix::net::{
    AddressFamily, SendFlags, SocketAddrUnix, SocketAddrV4, SocketType, bind, connect, getsockname, listen,
    sendto, socket,
};
use rustix::thread::UnshareFlags;
use std::ffi::CString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::{AsFd, IntoRawFd, OwnedFd};
use std::process::{Command, Stdio};

/// Does it; the number is the deed's own (a descriptor, a port, a process id).
pub(crate) fn perform(words: &[&str]) -> io::Result<i64> {
    match words {
        ["open-read", path] => File::open(path).map(|_| 0),
        ["open-many", path, times] => (0..number(times)?)
            .try_for_each(|_| File::open(path).map(drop))
            .map(|()| 0),
        ["open-write", path] => OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .open(path)
            .map(|_| 0),
        ["write-existing", path] => OpenOptions::new().write(true).open(path).map(|_| 0),
        ["openat2", path] => {
            let flags = OFlags::RDONLY | OFlags::CLOEXEC;
            Ok(rustix::fs::openat2(CWD, *path, flags, Mode::empty(), ResolveFlags::empty()).map(|_| 0)?)
        }
        ["write-in", folder, name] => {
            let folder = File::open(folder)?;
            Ok(rustix::fs::openat(&folder, *name, OFlags::WRONLY, Mode::empty()).map(|_| 0)?)
        }
        ["creat", path] => raw::creat(path),
        ["born-in", folder, words @ ..] => born_in(folder, words),
        ["open32", path] => i386::open(path),
        ["uring-open", path] => uring::open(path),
        ["unlink", path] => fs::remove_file(path).map(|()| 0),
        ["rename", from, to] => fs::rename(from, to).map(|()| 0),
        ["bpf"] => raw::create_map(),
        ["finit-module", path] => Ok(rustix::system::finit_module(&File::open(path)?, c"", 0).map(|()| 0)?),
        ["setns", path] => {
            let namespace = File::open(path)?;
            Ok(rustix::thread::move_into_link_name_space(namespace.as_fd(), None).map(|()| 0)?)
        }
        ["seize"] => traced(raw::seize),
        ["poke", request] => traced(|pid| raw::poke(number(request)?, pid)),
        ["init-module"] => Ok(rustix::system::init_module(&[0; 512], c"").map(|()| 0)?),
        ["delete-module", name] => {
            let name = CString::new(*name)?;
            Ok(rustix::system::delete_module(&name, libc::O_NONBLOCK).map(|()| 0)?)
        }
        ["unshare"] => Ok(raw::unshare(UnshareFlags::NEWNS | UnshareFlags::NEWUTS).map(|()| 0)?),
        ["in-own-network", words @ ..] => {
            raw::unshare(UnshareFlags::NEWNET)?;
            perform(words)
        }
        ["in-root", folder, words @ ..] => {
            rustix::process::chroot(*folder)?;
            perform(words)
        }
        ["exec", program, arguments @ ..] => run(Command::new(program).args(arguments)),
        ["run", words @ ..] => run(Command::new(super::OWN_PROGRAM).args(super::ONCE).args(words)),
        ["orphan", words @ ..] => orphan(words),
        ["late", words @ ..] => late(words),
        ["after", seconds, words @ ..] => {
            std::thread::sleep(std::time::Duration::from_secs(number(seconds)?));
            perform(words)
        }
        _ => network(words),
    }
}

fn network(words: &[&str]) -> io::Result<i64> {
    match words {
        ["bind", port] => bound(SocketType::STREAM, port).map(keep),
        ["bind-udp", port] => bound(SocketType::DGRAM, port).map(keep),
        ["listen", port, backlog] => {
            let socket = bound(SocketType::STREAM, port)?;
            listen(&socket, i32::try_from(number(backlog)?).unwrap_or(0))?;
            Ok(keep(socket))
        }
        ["listen-anywhere"] => {
            let socket = socket(AddressFamily::INET, SocketType::STREAM, None)?;
            listen(&socket, 1)?;
            let port = port_of(&socket)?;
            keep(socket);
            Ok(port)
        }
        ["uring-listen", port] => {
            let socket = bound(SocketType::STREAM, port)?;
            uring::listen(socket.as_fd(), 1)?;
            Ok(keep(socket))
        }
        ["uring-connect", port] => {
            let socket = socket(AddressFamily::INET, SocketType::STREAM, None)?;
            uring::connect(socket.as_fd(), port_number(port)?)
        }
        ["connect", port] => {
            let socket = socket(AddressFamily::INET, SocketType::STREAM, None)?;
            connect(&socket, &loopback(port)?)?;
            port_of(&socket)
        }
        ["send", port] => {
            let socket = socket(AddressFamily::INET, SocketType::DGRAM, None)?;
            sendto(&socket, b"datagram", SendFlags::empty(), &loopback(port)?)?;
            Ok(0)
        }
        ["unix-connect", address] => {
            let socket = socket(AddressFamily::UNIX, SocketType::STREAM, None)?;
            let address = match address.strip_prefix('@') {
                Some(name) => SocketAddrUnix::new_abstract_name(name.as_bytes())?,
                None => SocketAddrUnix::new(*address)?,
            };
            Ok(connect(&socket, &address).map(|()| 0)?)
        }
        _ => mounts(words),
    }
}

fn mounts(words: &[&str]) -> io::Result<i64> {
    match words {
        ["mount", source, target] => {
            Ok(mount(*source, *target, "tmpfs", MountFlags::NOSUID, None).map(|()| 0)?)
        }
        ["mount-old", source, target] => {
            let flags = MountFlags::from_bits_retain(0xc0ed_0000) | MountFlags::NOSUID;
            Ok(mount(*source, *target, "tmpfs", flags, None).map(|()| 0)?)
        }
        ["umount", target] => Ok(unmount(*target, UnmountFlags::empty()).map(|()| 0)?),
        ["pivot-root", root, old] => Ok(rustix::process::pivot_root(*root, *old).map(|()| 0)?),
        ["open-tree", path] => {
            let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
            Ok(open_tree(CWD, *path, flags).map(|_| 0)?)
        }
        ["fsmount", target] => {
            let context = fsopen("tmpfs", FsOpenFlags::FSOPEN_CLOEXEC)?;
            fsconfig_create(context.as_fd())?;
            let tree = fsmount(
                context.as_fd(),
                FsMountFlags::FSMOUNT_CLOEXEC,
                MountAttrFlags::empty(),
            )?;
            let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH;
            Ok(move_mount(tree.as_fd(), "", CWD, *target, flags).map(|()| 0)?)
        }
        _ => further(words),
    }
}

/// `None`: the words are another group's.
type Group = fn(&[&str]) -> Option<io::Result<i64>>;

/// One module per group of hooks.
fn further(words: &[&str]) -> io::Result<i64> {
    let groups: [Group; 8] = [
        attributes::perform,
        files::perform,
        memory::perform,
        names::perform,
        sockets::perform,
        rights::perform,
        vanished::perform,
        ways_out::perform,
    ];
    groups
        .iter()
        .find_map(|perform| perform(words))
        .unwrap_or_else(|| Err(io::Error::other(format!("no such deed: {}", words.join(" ")))))
}

fn number(word: &str) -> io::Result<u64> {
    word.parse().map_err(io::Error::other)
}

fn port_number(word: &str) -> io::Result<u16> {
    word.parse().map_err(io::Error::other)
}

fn loopback(port: &str) -> io::Result<SocketAddrV4> {
    Ok(SocketAddrV4::new(Ipv4Addr::LOCALHOST, port_number(port)?))
}

fn bound(kind: SocketType, port: &str) -> io::Result<OwnedFd> {
    let socket = socket(AddressFamily::INET, kind, None)?;
    bind(&socket, &loopback(port)?)?;
    Ok(socket)
}

fn port_of(socket: &OwnedFd) -> io::Result<i64> {
    let address = SocketAddr::try_from(getsockname(socket)?)?;
    Ok(address.port().into())
}

/// Open until the process ends.
fn keep(socket: OwnedFd) -> i64 {
    socket.into_raw_fd().into()
}

/// Starts a program and waits for its end; its process id as the host sees it is not known here.
fn run(command: &mut Command) -> io::Result<i64> {
    let status = command.stdin(Stdio::null()).stdout(Stdio::null()).status()?;
    if status.success() {
        return Ok(0);
    }
    Err(io::Error::other(format!("{status}")))
}

/// A grandchild whose parent ends first. This process is the namespace's first one: it inherits orphans.
fn orphan(words: &[&str]) -> io::Result<i64> {
    let mut middle = Command::new(super::OWN_PROGRAM);
    middle
        .args(super::PARENT)
        .args(words)
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    run(&mut middle)?;
    match rustix::process::wait(rustix::process::WaitOptions::empty())? {
        Some((_, status)) if status.exit_status() == Some(0) => Ok(0),
        other => Err(io::Error::other(format!("the orphan ended with {other:?}"))),
    }
}

/// A child that is born in another control group, and does it there.
fn born_in(folder: &str, words: &[&str]) -> io::Result<i64> {
    let group = File::open(folder)?;
    let arguments: Vec<&str> = super::ONCE.iter().chain(words).copied().collect();
    let image = raw::Image {
        program: super::OWN_PROGRAM,
        arguments: &arguments,
        stdin: File::open("/dev/null")?,
        stdout: OpenOptions::new().write(true).open("/dev/null")?,
    };
    let child = raw::clone_into(group.as_fd(), &image)?;
    let pid = rustix::process::Pid::from_raw(i32::try_from(child).map_err(io::Error::other)?);
    match rustix::process::waitpid(pid, rustix::process::WaitOptions::empty())? {
        Some((_, status)) if status.exit_status() == Some(0) => Ok(0),
        other => Err(io::Error::other(format!("it ended with {other:?}"))),
    }
}

/// Does it once the parent is gone.
fn late(words: &[&str]) -> io::Result<i64> {
    let first = rustix::process::Pid::INIT;
    while rustix::process::getppid() != Some(first) {
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    perform(words)
}

/// Does something of a debugger to a child; the number is the child's process id on the host.
fn traced(does: impl FnOnce(u32) -> io::Result<i64>) -> io::Result<i64> {
    let mut child = Command::new(super::OWN_PROGRAM)
        .args(super::ACTOR)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut greeting = String::new();
    if let Some(stdout) = child.stdout.take() {
        BufReader::new(stdout).read_line(&mut greeting)?;
    }
    let result = does(child.id());
    child.kill()?;
    child.wait()?;
    result?;
    greeting
        .trim()
        .rsplit(' ')
        .next()
        .unwrap_or("")
        .parse()
        .map_err(io::Error::other)
}
