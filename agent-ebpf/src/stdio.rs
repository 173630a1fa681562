//! What an image finds at descriptors 0, 1 and 2: a shell whose standard input is a socket is a reverse shell.

use crate::kernel::Kptr;
use crate::socket::{self, NO_ADDRESS};
use crate::syscall;
use agent_common::event::{SocketAddress, StdioFlags};

/// Internet sockets among the three.
#[derive(Clone, Copy)]
pub struct Stdio {
    /// Bits of [`StdioFlags`].
    pub inet: u32,
    /// Peer of the first.
    pub peer: SocketAddress,
}

/// Looks at the current task's descriptors.
#[inline(always)]
pub fn of(_task: Kptr) -> Stdio {
    let mut stdio = Stdio {
        inet: 0,
        peer: NO_ADDRESS,
    };
    for fd in 0..3 {
        if look(fd, &mut stdio) != 0 {
            stdio.inet |= StdioFlags::INET[fd as usize];
        }
    }
    stdio
}

/// 1 when the descriptor is an Internet socket. One function for the three: the callers' stacks are full.
#[inline(never)]
fn look(fd: u32, stdio: &mut Stdio) -> u32 {
    let Some(sk) = syscall::file(fd).and_then(syscall::sock) else {
        return 0;
    };
    if !socket::is_inet(sk) {
        return 0;
    }
    if stdio.inet == 0 {
        socket::read_remote(sk, &mut stdio.peer);
    }
    1
}
