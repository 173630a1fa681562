//! The smallest io_uring: one request, done by a worker thread of the kernel.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::ptr;
use std::sync::atomic::{AtomicU32, Ordering, fence};

const OP_CONNECT: u8 = 16;
const OP_LISTEN: u8 = 57;
const OP_OPENAT: u8 = 18;
/// `IOSQE_ASYNC`: not in the caller's own context.
const ASYNC: u8 = 16;
const GETEVENTS: u32 = 1;
/// Where the submission entries are mapped from.
const SQES: i64 = 0x1000_0000;

/// `struct io_uring_params`, with `io_sqring_offsets` and `io_cqring_offsets` as words.
#[repr(C)]
#[derive(Default)]
struct Params {
    sq_entries: u32,
    cq_entries: u32,
    unused: [u32; 8],
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

/// connect(2) of an IPv4 socket to a loopback port.
pub(crate) fn connect(socket: BorrowedFd<'_>, port: u16) -> io::Result<i64> {
    // struct sockaddr_in: family, port and address in network order.
    let mut address = [0u8; 16];
    address[..2].copy_from_slice(&2u16.to_ne_bytes());
    address[2..4].copy_from_slice(&port.to_be_bytes());
    address[4..8].copy_from_slice(&[127, 0, 0, 1]);
    submit(&Entry {
        opcode: OP_CONNECT,
        fd: socket.as_raw_fd(),
        offset: 16,
        address: address.as_ptr() as u64,
        ..Entry::default()
    })
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

/// openat(2), to read.
pub(crate) fn open(path: &str) -> io::Result<i64> {
    let path = std::ffi::CString::new(path)?;
    submit(&Entry {
        opcode: OP_OPENAT,
        fd: libc::AT_FDCWD,
        address: path.as_ptr() as u64,
        ..Entry::default()
    })
}

/// Submits one request to a ring of its own and waits for it. What the entry points to must live until then.
fn submit(entry: &Entry) -> io::Result<i64> {
    let mut params = Params::default();
    // SAFETY: the kernel fills `params`; the maps are as large as it says, and only this thread touches them until
    // the kernel is entered.
    unsafe {
        let fd = libc::syscall(libc::SYS_io_uring_setup, 1, &raw mut params);
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        let ring = OwnedFd::from_raw_fd(i32::try_from(fd).unwrap_or(-1));
        let rings = map(&ring, 4096, 0)?;
        let entries = map(&ring, size_of::<Entry>(), SQES)?;
        ptr::write(
            entries.cast::<Entry>(),
            Entry {
                flags: ASYNC,
                rest: [0; 4],
                ..*entry
            },
        );
        // sq: head, tail, ring_mask, ring_entries, flags, dropped, array.
        ptr::write(rings.add(params.sq[6] as usize).cast::<u32>(), 0);
        let tail = &*rings.add(params.sq[1] as usize).cast::<AtomicU32>();
        tail.store(1, Ordering::Release);
        let entered = libc::syscall(libc::SYS_io_uring_enter, ring.as_raw_fd(), 1, 1, GETEVENTS, 0, 0);
        if entered < 0 {
            return Err(io::Error::last_os_error());
        }
        fence(Ordering::Acquire);
        // cq: head, tail, ring_mask, ring_entries, overflow, cqes. A completion: user_data u64, result i32, flags u32.
        let result = ptr::read(rings.add(params.cq[5] as usize + 8).cast::<i32>());
        if result < 0 {
            return Err(io::Error::from_raw_os_error(-result));
        }
        Ok(i64::from(result))
    }
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
