//! Rights, signals, and calls that tell by themselves.

use super::super::raw;
use super::number;
use rustix::fs::OFlags;
use rustix::net::{AddressFamily, SocketType, sockopt};
use rustix::thread::{
    CapabilitySet, CapabilitySets, UnshareFlags, capabilities, configure_capability_in_ambient_set,
    set_capabilities,
};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

/// A user that has nothing.
const NOBODY: i64 = 65_534;
const PR_SET_NAME: i64 = 15;
const PR_SET_MM: u64 = 35;
const ADJ_TICK: u32 = 0x4000;
const RTM_NEWLINK: u32 = 16;
const RTM_DELLINK: u32 = 17;
const RTM_GETLINK: u32 = 18;
/// A capability that nobody has.
const NET_RAW: CapabilitySets = CapabilitySets {
    effective: CapabilitySet::NET_RAW,
    permitted: CapabilitySet::NET_RAW,
    inheritable: CapabilitySet::empty(),
};

/// Does it; `None`: not one of these.
pub(super) fn perform(words: &[&str]) -> Option<io::Result<i64>> {
    Some(match words {
        ["stay-root"] => raw::setuid(0),
        ["step-up"] => raw::become_user(NOBODY).and_then(|_| raw::become_user(0)),
        ["be-user", uid] => signed(uid).and_then(raw::become_user),
        ["refused-root"] => refused(raw::setuid),
        ["drop-capabilities"] => set(CapabilitySet::empty(), CapabilitySet::empty()),
        ["inherit-capability"] => set(CapabilitySet::all(), CapabilitySet::NET_RAW),
        ["ambient-capability"] => ambient(),
        ["kill", pid, signal] => signed(pid).and_then(|pid| raw::kill(pid, signed(signal)?)),
        ["refused-kill", pid, signal] => {
            refused(|_| signed(pid).and_then(|pid| raw::kill(pid, signed(signal)?)))
        }
        ["refused-capabilities"] => refused(|_| Ok(set_capabilities(None, NET_RAW).map(|()| 0)?)),
        ["read-memory", pid] => signed(pid).and_then(raw::read_memory),
        ["take-descriptor", pid] => small(pid).and_then(|pid| raw::take_descriptor(pid, 0)).map(|_| 0),
        ["raw-socket-inside", flags] => raw_socket_inside(flags),
        ["family", family] => number(family).and_then(unusual),
        _ => return call(words),
    })
}

/// Calls that tell by themselves.
fn call(words: &[&str]) -> Option<io::Result<i64>> {
    const NOTHING: [i64; 5] = [0; 5];
    Some(match words {
        ["reboot", magic, command] => signed(magic)
            .and_then(|magic| raw::numbers(libc::SYS_reboot, [magic, magic, signed(command)?, 0, 0])),
        ["request-key", name] => request_key(name),
        ["syslog", kind] => signed(kind).and_then(|kind| raw::numbers(libc::SYS_syslog, [kind, 0, 0, 0, 0])),
        ["perf", kind] => words_of(kind, 0).and_then(|mut words| {
            raw::with_words(libc::SYS_perf_event_open, 0, &mut words, [0, -1, -1, -1, 0])
        }),
        // A tick that no clock has: the kernel refuses it.
        ["adjust-clock"] => raw::with_words(libc::SYS_adjtimex, 0, &mut first_word(ADJ_TICK), NOTHING),
        ["ask-clock"] => raw::with_words(libc::SYS_adjtimex, 0, &mut first_word(0), NOTHING),
        ["ring", flags] => words_of(flags, 2)
            .and_then(|mut words| raw::with_words(libc::SYS_io_uring_setup, 1, &mut words, [1, 0, 0, 0, 0])),
        ["fsconfig", command, key] => signed(command)
            .and_then(|command| raw::with_name(libc::SYS_fsconfig, 2, key, [-1, command, 0, 0, 0])),
        ["memfd", name] => raw::with_name(libc::SYS_memfd_create, 0, name, NOTHING),
        ["mount-setattr", path] => mount_setattr(path),
        ["set-name", name] => raw::with_name(libc::SYS_prctl, 1, name, [PR_SET_NAME, 0, 0, 0, 0]),
        ["set-mm"] => raw::prctl([PR_SET_MM, 1, 0, 0]),
        ["trace-me"] => raw::numbers(libc::SYS_ptrace, NOTHING),
        ["splice-out", path] => splice_out(path),
        ["splice-in", path] => splice_in(path),
        ["queue-signal", pid, signal, code] => queue_signal(pid, signal, code),
        ["attach-program-disguised"] => attach_program_disguised(),
        ["attach-filter"] => datagram().and_then(|socket| raw::attach_filter(socket.as_fd())),
        ["reuse-port"] => {
            datagram().and_then(|socket| Ok(sockopt::set_socket_reuseport(&socket, true).map(|()| 0)?))
        }
        ["new-link"] => netlink(RTM_NEWLINK, send),
        ["get-link"] => netlink(RTM_GETLINK, send),
        // Not by a call on sockets.
        ["write-delete-link"] => netlink(RTM_DELLINK, |socket, message| rustix::io::write(socket, message)),
        _ => return None,
    })
}

/// A key that nobody has: the kernel asks a program of the host for it.
fn request_key(name: &str) -> io::Result<i64> {
    let name = std::ffi::CString::new(name)?;
    let [kind, name, information] = [c"user", name.as_c_str(), c"nothing"].map(|text| text.as_ptr() as i64);
    raw::numbers(libc::SYS_request_key, [kind, name, information, 0, 0])
}

fn small(word: &str) -> io::Result<u32> {
    word.parse().map_err(io::Error::other)
}

fn signed(word: &str) -> io::Result<i64> {
    word.parse().map_err(io::Error::other)
}

/// As nobody; a refusal is what is wanted.
pub(super) fn refused(attempt: impl FnOnce(i64) -> io::Result<i64>) -> io::Result<i64> {
    raw::leave_root(NOBODY)?;
    match attempt(0) {
        Err(error) if error.raw_os_error() == Some(libc::EPERM) => Ok(0),
        other => Err(io::Error::other(format!("not refused: {other:?}"))),
    }
}

/// Effective and permitted are `wanted` of what there is.
fn set(wanted: CapabilitySet, inheritable: CapabilitySet) -> io::Result<i64> {
    let permitted = capabilities(None)?.permitted & wanted;
    set_capabilities(
        None,
        CapabilitySets {
            effective: permitted,
            permitted,
            inheritable,
        },
    )?;
    Ok(0)
}

fn ambient() -> io::Result<i64> {
    set(CapabilitySet::all(), CapabilitySet::NET_RAW)?;
    configure_capability_in_ambient_set(CapabilitySet::NET_RAW, true)?;
    Ok(0)
}

/// In a network of a user namespace of its own.
fn raw_socket_inside(flags: &str) -> io::Result<i64> {
    let flags = u32::try_from(number(flags)?).map_err(io::Error::other)?;
    raw::unshare(UnshareFlags::from_bits_retain(flags))?;
    Ok(rustix::net::socket(
        AddressFamily::INET,
        SocketType::RAW,
        Some(rustix::net::ipproto::ICMP),
    )
    .map(|_| 0)?)
}

/// A family that only a module would bring.
fn unusual(family: u64) -> io::Result<i64> {
    let family = AddressFamily::from_raw(u16::try_from(family).map_err(io::Error::other)?);
    Ok(rustix::net::socket(family, SocketType::DGRAM, None).map(|_| 0)?)
}

fn first_word(word: u32) -> [u32; 64] {
    let mut words = [0; 64];
    words[0] = word;
    words
}

/// The number `word` at `index`, zeroes else.
fn words_of(word: &str, index: usize) -> io::Result<[u32; 64]> {
    let mut words = [0; 64];
    words[index] = u32::try_from(number(word)?).map_err(io::Error::other)?;
    Ok(words)
}

/// `MOUNT_ATTR_NOSUID` set, `MOUNT_ATTR_RDONLY` cleared.
fn mount_setattr(path: &str) -> io::Result<i64> {
    let path = std::ffi::CString::new(path)?;
    let mut attributes = first_word(2);
    attributes[2] = 1;
    let path = path.as_ptr() as i64;
    raw::with_words(libc::SYS_mount_setattr, 3, &mut attributes, [-1, path, 0, 0, 32])
}

fn splice_out(path: &str) -> io::Result<i64> {
    let (_reader, writer) = rustix::pipe::pipe()?;
    let moved = rustix::pipe::splice(
        File::open(path)?,
        None,
        &writer,
        None,
        1,
        rustix::pipe::SpliceFlags::empty(),
    )?;
    i64::try_from(moved).map_err(io::Error::other)
}

/// From a pipe to a file: what the kernel copies.
fn splice_in(path: &str) -> io::Result<i64> {
    let (reader, writer) = rustix::pipe::pipe()?;
    rustix::io::write(&writer, b"byte")?;
    let file = rustix::fs::open(path, OFlags::WRONLY, rustix::fs::Mode::empty())?;
    let moved = rustix::pipe::splice(&reader, None, &file, None, 1, rustix::pipe::SpliceFlags::empty())?;
    i64::try_from(moved).map_err(io::Error::other)
}

/// With a code of one's own, as if the kernel had sent it.
fn queue_signal(pid: &str, signal: &str, code: &str) -> io::Result<i64> {
    let code: i32 = code.parse().map_err(io::Error::other)?;
    let mut information = [0; 64];
    information[2] = u32::from_ne_bytes(code.to_ne_bytes());
    let arguments = [signed(pid)?, signed(signal)?, 0, 0, 0];
    raw::with_words(libc::SYS_rt_sigqueueinfo, 2, &mut information, arguments)
}

/// What the kernel does not look at is set: the upper halves of its arguments. Without a program to attach.
fn attach_program_disguised() -> io::Result<i64> {
    const HIGH: i64 = 1 << 32;
    const SO_ATTACH_REUSEPORT_EBPF: i64 = 52;
    let socket = datagram()?;
    let fd = i64::from(socket.as_raw_fd());
    raw::numbers(
        libc::SYS_setsockopt,
        [fd, HIGH | 1, HIGH | SO_ATTACH_REUSEPORT_EBPF, 0, 4],
    )
}

fn datagram() -> io::Result<rustix::fd::OwnedFd> {
    Ok(rustix::net::socket(AddressFamily::INET, SocketType::DGRAM, None)?)
}

/// A message of a type, with nothing behind its head: the kernel refuses what would change anything.
fn netlink(kind: u32, send: fn(&OwnedFd, &[u8]) -> rustix::io::Result<usize>) -> io::Result<i64> {
    let socket = rustix::net::socket(AddressFamily::NETLINK, SocketType::RAW, None)?;
    let mut message = [0_u8; 16];
    message[0] = 16;
    message[4..6].copy_from_slice(&u16::try_from(kind).unwrap_or(0).to_le_bytes());
    // NLM_F_REQUEST
    message[6] = 1;
    i64::try_from(send(&socket, &message)?).map_err(io::Error::other)
}

fn send(socket: &OwnedFd, message: &[u8]) -> rustix::io::Result<usize> {
    rustix::net::send(socket, message, rustix::net::SendFlags::empty())
}
