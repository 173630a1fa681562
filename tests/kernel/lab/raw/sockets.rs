//! Sockets with numbers, addresses and messages of one's own making.

use super::check;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

/// socket(2) with numbers that no library knows.
pub(crate) fn socket(family: i32, kind: i32, protocol: i32) -> io::Result<OwnedFd> {
    // SAFETY: reads no memory of ours.
    let fd = unsafe { libc::socket(family, kind, protocol) };
    check(fd.into())?;
    // SAFETY: the kernel has just made this descriptor for us.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// connect(2) to an address of one's own making.
pub(crate) fn connect(socket: BorrowedFd<'_>, address: &[u8]) -> io::Result<i64> {
    let len = u32::try_from(address.len()).unwrap_or(0);
    // SAFETY: the kernel reads as many bytes as the length says.
    check(unsafe { libc::connect(socket.as_raw_fd(), address.as_ptr().cast(), len) }.into())
}

/// bind(2) to one.
pub(crate) fn bind(socket: BorrowedFd<'_>, address: &[u8]) -> io::Result<i64> {
    let len = u32::try_from(address.len()).unwrap_or(0);
    // SAFETY: as above.
    check(unsafe { libc::bind(socket.as_raw_fd(), address.as_ptr().cast(), len) }.into())
}

/// recvmmsg(2) of one message with room for a few descriptors, which stay open.
pub(crate) fn receive_by_recvmmsg(socket: BorrowedFd<'_>) -> io::Result<i64> {
    with_message(|message| {
        let mut message = libc::mmsghdr {
            msg_hdr: *message,
            msg_len: 0,
        };
        // SAFETY: one message, whose buffers live until the call returns.
        check(
            unsafe { libc::recvmmsg(socket.as_raw_fd(), &raw mut message, 1, 0, std::ptr::null_mut()) }
                .into(),
        )
    })
}

/// Does something with a message of one byte and room for a few descriptors.
pub(crate) fn with_message(then: impl FnOnce(&mut libc::msghdr) -> io::Result<i64>) -> io::Result<i64> {
    let (mut byte, mut control) = ([0u8; 1], [0u64; 8]);
    let mut part = libc::iovec {
        iov_base: byte.as_mut_ptr().cast(),
        iov_len: byte.len(),
    };
    // SAFETY: plain numbers and pointers, for which zero is nothing.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_iov = &raw mut part;
    message.msg_iovlen = 1;
    message.msg_control = control.as_mut_ptr().cast();
    message.msg_controllen = size_of_val(&control);
    then(&mut message)
}

/// Puts a classic filter that takes everything on a socket.
pub(crate) fn attach_filter(socket: BorrowedFd<'_>) -> io::Result<i64> {
    let mut accept = libc::sock_filter {
        code: 6,
        jt: 0,
        jf: 0,
        k: u32::MAX,
    };
    let program = libc::sock_fprog {
        len: 1,
        filter: &raw mut accept,
    };
    // SAFETY: the kernel copies the program and its one instruction.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_ATTACH_FILTER,
            (&raw const program).cast(),
            u32::try_from(size_of_val(&program)).unwrap_or(0),
        )
    };
    check(result.into())
}
