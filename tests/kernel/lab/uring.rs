//! The smallest io_uring: one request.

use super::raw;
use std::ffi::CString;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::ptr;
use std::sync::atomic::{AtomicU32, Ordering, fence};

const OP_RECVMSG: u8 = 10;
const OP_CONNECT: u8 = 16;
const OP_SOCKET: u8 = 45;
const OP_BIND: u8 = 56;
const OP_LISTEN: u8 = 57;
const OP_OPENAT: u8 = 18;
const OP_FSETXATTR: u8 = 41;
const OP_SETXATTR: u8 = 42;
const OP_RENAMEAT: u8 = 35;
const OP_UNLINKAT: u8 = 36;
const OP_SYMLINKAT: u8 = 38;
const OP_LINKAT: u8 = 39;
/// `IOSQE_FIXED_FILE`: the descriptor is a place among the ring's own files.
const FIXED_FILE: u8 = 1;
/// `IOSQE_ASYNC`: not in the caller's own context.
const ASYNC: u8 = 16;
/// `IOSQE_CQE_SKIP_SUCCESS`. Since Linux 5.17.
const CQE_SKIP: u8 = 64;
const GETEVENTS: u32 = 1;
const SQ_WAKEUP: u32 = 2;
const SETUP_SQPOLL: u32 = 2;
const REGISTER_FILES: u32 = 2;
/// Where the submission entries are mapped from.
const SQES: i64 = 0x1000_0000;

/// `struct io_uring_params`, with `io_sqring_offsets` and `io_cqring_offsets` as words.
#[repr(C)]
#[derive(Default)]
struct Params {
    sq_entries: u32,
    cq_entries: u32,
    flags: u32,
    unused: [u32; 7],
    sq: [u32; 10],
    cq: [u32; 10],
}

/// `struct io_uring_sqe`.
#[repr(C)]
#[derive(Default)]
struct Entry {
    opcode: u8,
    flags: u8,
    ioprio: u16,
    fd: i32,
    offset: u64,
    address: u64,
    len: u32,
    op_flags: u32,
    rest: [u64; 4],
}
const _: () = assert!(size_of::<Entry>() == 64);

/// How a request is done.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// By a worker thread of the kernel.
    Worker,
    /// By the thread of the kernel that looks for requests itself.
    Polled,
    /// In the call that submits it; that it succeeded is told to nobody.
    Silent,
    /// By a worker, on a file of the ring's own.
    Registered,
}

impl Way {
    pub(crate) fn named(word: &str) -> io::Result<Self> {
        Ok(match word {
            "worker" => Self::Worker,
            "polled" => Self::Polled,
            "silent" => Self::Silent,
            "registered" => Self::Registered,
            _ => return Err(io::Error::other(format!("no such way: {word}"))),
        })
    }
}

/// connect(2) of an IPv4 socket to a loopback port.
pub(crate) fn connect(socket: BorrowedFd<'_>, port: u16) -> io::Result<i64> {
    // struct sockaddr_in: family, port and address in network order.
    let mut address = [0u8; 16];
    address[..2].copy_from_slice(&2u16.to_ne_bytes());
    address[2..4].copy_from_slice(&port.to_be_bytes());
    address[4..8].copy_from_slice(&[127, 0, 0, 1]);
    connect_to(socket, &address, Way::Worker)
}

/// connect(2).
pub(crate) fn connect_to(socket: BorrowedFd<'_>, address: &[u8], way: Way) -> io::Result<i64> {
    let entry = Entry {
        opcode: OP_CONNECT,
        fd: socket.as_raw_fd(),
        offset: address.len() as u64,
        address: address.as_ptr() as u64,
        ..Entry::default()
    };
    submit_by(&entry, way)
}

/// recvmsg(2) of one byte, with room for a few descriptors, which stay open.
pub(crate) fn receive(socket: BorrowedFd<'_>, way: Way) -> io::Result<i64> {
    raw::with_message(|message| {
        let entry = Entry {
            opcode: OP_RECVMSG,
            fd: socket.as_raw_fd(),
            address: &raw const *message as u64,
            len: 1,
            ..Entry::default()
        };
        submit_by(&entry, way)
    })
}

/// socket(2). Since Linux 5.19; older ones answer EINVAL.
pub(crate) fn socket(family: i32, kind: u32, protocol: u32) -> io::Result<OwnedFd> {
    let fd = submit(&Entry {
        opcode: OP_SOCKET,
        fd: family,
        offset: kind.into(),
        len: protocol,
        ..Entry::default()
    })?;
    // SAFETY: the kernel has just made this descriptor for us.
    Ok(unsafe { OwnedFd::from_raw_fd(i32::try_from(fd).unwrap_or(-1)) })
}

/// bind(2). Since Linux 6.11; older ones answer EINVAL.
pub(crate) fn bind(socket: BorrowedFd<'_>, address: &[u8], way: Way) -> io::Result<i64> {
    let entry = Entry {
        opcode: OP_BIND,
        fd: socket.as_raw_fd(),
        offset: address.len() as u64,
        address: address.as_ptr() as u64,
        ..Entry::default()
    };
    submit_by(&entry, way)
}

/// listen(2). Since Linux 6.11; older ones answer EINVAL.
pub(crate) fn listen(socket: BorrowedFd<'_>, backlog: u32) -> io::Result<i64> {
    submit(&Entry {
        opcode: OP_LISTEN,
        fd: socket.as_raw_fd(),
        len: backlog,
        ..Entry::default()
    })
}

const VALUE: &[u8] = b"value";

/// fsetxattr(2) with a value of some bytes. Since Linux 5.19; older ones answer EINVAL.
pub(crate) fn set_attribute(file: BorrowedFd<'_>, name: &str) -> io::Result<i64> {
    let name = CString::new(name)?;
    submit(&Entry {
        opcode: OP_FSETXATTR,
        fd: file.as_raw_fd(),
        ..attribute(&name)
    })
}

/// setxattr(2), likewise.
pub(crate) fn set_attribute_of(path: &str, name: &str) -> io::Result<i64> {
    let (path, name) = (CString::new(path)?, CString::new(name)?);
    submit(&Entry {
        opcode: OP_SETXATTR,
        // Its third word is `addr3`.
        rest: [0, 0, path.as_ptr() as u64, 0],
        ..attribute(&name)
    })
}

fn attribute(name: &CString) -> Entry {
    Entry {
        offset: VALUE.as_ptr() as u64,
        address: name.as_ptr() as u64,
        len: u32::try_from(VALUE.len()).unwrap_or(0),
        ..Entry::default()
    }
}

/// openat(2), to read.
pub(crate) fn open(path: &str) -> io::Result<i64> {
    let path = CString::new(path)?;
    submit(&Entry {
        opcode: OP_OPENAT,
        fd: libc::AT_FDCWD,
        address: path.as_ptr() as u64,
        ..Entry::default()
    })
}

/// unlinkat(2).
pub(crate) fn unlink(path: &str) -> io::Result<i64> {
    let path = CString::new(path)?;
    submit(&Entry {
        opcode: OP_UNLINKAT,
        fd: libc::AT_FDCWD,
        address: path.as_ptr() as u64,
        ..Entry::default()
    })
}

/// renameat(2).
pub(crate) fn rename(from: &str, to: &str) -> io::Result<i64> {
    two_names(OP_RENAMEAT, from, to)
}

/// linkat(2).
pub(crate) fn link(from: &str, to: &str) -> io::Result<i64> {
    two_names(OP_LINKAT, from, to)
}

/// symlinkat(2): the first is the text.
pub(crate) fn symlink(text: &str, link: &str) -> io::Result<i64> {
    two_names(OP_SYMLINKAT, text, link)
}

/// The directory of the second stands in the place of a length; symlinkat has one directory only.
fn two_names(opcode: u8, one: &str, other: &str) -> io::Result<i64> {
    let (one, other) = (CString::new(one)?, CString::new(other)?);
    let directory = libc::AT_FDCWD;
    submit(&Entry {
        opcode,
        fd: directory,
        offset: other.as_ptr() as u64,
        address: one.as_ptr() as u64,
        len: if opcode == OP_SYMLINKAT {
            0
        } else {
            directory.cast_unsigned()
        },
        ..Entry::default()
    })
}

fn submit(entry: &Entry) -> io::Result<i64> {
    submit_by(entry, Way::Worker)
}

/// Submits one request to a ring of its own and waits for it. What the entry points to must live until then.
fn submit_by(entry: &Entry, way: Way) -> io::Result<i64> {
    let mut params = Params {
        flags: if way == Way::Polled { SETUP_SQPOLL } else { 0 },
        ..Params::default()
    };
    // SAFETY: the kernel fills `params`; the maps are as large as it says, and only this thread touches them until
    // the kernel is entered, or the tail is moved.
    unsafe {
        let fd = raw::check(libc::syscall(libc::SYS_io_uring_setup, 1, &raw mut params))?;
        let ring = OwnedFd::from_raw_fd(i32::try_from(fd).unwrap_or(-1));
        let rings = map(&ring, 4096, 0)?;
        let entries = map(&ring, size_of::<Entry>(), SQES)?;
        ptr::write(entries.cast::<Entry>(), done_by(&ring, entry, way)?);
        // sq: head, tail, ring_mask, ring_entries, flags, dropped, array.
        ptr::write(rings.add(params.sq[6] as usize).cast::<u32>(), 0);
        let tail = &*rings.add(params.sq[1] as usize).cast::<AtomicU32>();
        tail.store(1, Ordering::Release);
        let (wait, flags) = match way {
            Way::Silent => (0, 0),
            Way::Polled => (1, GETEVENTS | SQ_WAKEUP),
            Way::Worker | Way::Registered => (1, GETEVENTS),
        };
        let ring = ring.as_raw_fd();
        raw::check(libc::syscall(
            libc::SYS_io_uring_enter,
            ring,
            1,
            wait,
            flags,
            0,
            0,
        ))?;
        fence(Ordering::Acquire);
        // cq: head, tail, ring_mask, ring_entries, overflow, cqes. A completion: user_data u64, result i32, flags u32; where
        // there is none it is zero.
        let result = ptr::read(rings.add(params.cq[5] as usize + 8).cast::<i32>());
        if result < 0 {
            return Err(io::Error::from_raw_os_error(-result));
        }
        Ok(i64::from(result))
    }
}

/// The entry as that way needs it.
fn done_by(ring: &OwnedFd, entry: &Entry, way: Way) -> io::Result<Entry> {
    let mut own = Entry { ..*entry };
    match way {
        Way::Worker => own.flags = ASYNC,
        Way::Polled => {}
        Way::Silent => own.flags = CQE_SKIP,
        Way::Registered => {
            // SAFETY: one descriptor, which is read during the call only.
            raw::check(unsafe {
                let (ring, files) = (ring.as_raw_fd(), &raw const own.fd);
                libc::syscall(libc::SYS_io_uring_register, ring, REGISTER_FILES, files, 1)
            })?;
            own.flags = ASYNC | FIXED_FILE;
            own.fd = 0;
        }
    }
    Ok(own)
}

/// # Safety
/// `len` bytes from `offset` are what the ring's documentation says is there.
unsafe fn map(ring: &OwnedFd, len: usize, offset: i64) -> io::Result<*mut u8> {
    // SAFETY: the caller's; the mapping ends with the process.
    let address = unsafe {
        libc::mmap(
            ptr::null_mut(),
            len,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_SHARED | libc::MAP_POPULATE,
            ring.as_raw_fd(),
            offset,
        )
    };
    if address == libc::MAP_FAILED {
        return Err(io::Error::last_os_error());
    }
    Ok(address.cast())
}
