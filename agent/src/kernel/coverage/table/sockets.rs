//! Sockets.

use super::{natively, seen, weakly};
use crate::kernel::backend::Capability;
use crate::kernel::coverage::Behaviour;
use crate::kernel::coverage::Sight::{Arguments, Racy, Resolved};

pub(super) const BEHAVIOURS: &[Behaviour] = &[
    seen(
        "bind",
        "bind of an internet socket",
        Capability::Bind,
        [Resolved, Resolved, Racy],
    ),
    seen(
        "listen",
        "listen on a bound socket",
        Capability::Listen,
        [Resolved; 3],
    ),
    weakly(
        ("exit_listen", Racy),
        seen(
            "listen_unbound",
            "listen that chooses the port",
            Capability::Listen,
            [Resolved; 3],
        ),
    ),
    seen(
        "listen_inherited",
        "a listener that is open when another image begins",
        Capability::Listen,
        [Resolved; 3],
    ),
    natively(
        Capability::IoUring,
        seen(
            "bind_io_uring",
            "TCP and UDP bind by a ring",
            Capability::Bind,
            [Resolved, Resolved, Arguments],
        ),
    ),
    seen(
        "listen_io_uring",
        "listen by a ring",
        Capability::Listen,
        [Resolved; 3],
    ),
    seen(
        "connect",
        "TCP connect, answered or not",
        Capability::Connect,
        [Resolved; 3],
    ),
    natively(
        Capability::UnixConnect,
        seen(
            "connect_refused",
            "TCP connect that the kernel refuses before a packet leaves",
            Capability::Connect,
            [Resolved, Resolved, Arguments],
        ),
    ),
    seen(
        "connect_fast_open",
        "TCP Fast Open",
        Capability::Connect,
        [Resolved; 3],
    ),
    seen(
        "connect_io_uring",
        "TCP connect by a ring",
        Capability::Connect,
        [Resolved; 3],
    ),
    natively(
        Capability::UnixConnect,
        seen(
            "connect_udp",
            "connect of a UDP socket",
            Capability::Connect,
            [Resolved, Resolved, Racy],
        ),
    ),
    natively(
        Capability::IoUring,
        seen(
            "connect_udp_io_uring",
            "connect of a UDP socket by a ring",
            Capability::Connect,
            [Resolved; 3],
        ),
    ),
    seen("send", "UDP to a named address", Capability::Send, [Resolved; 3]),
    seen(
        "dns",
        "a name is asked for, over UDP or TCP, and the answer",
        Capability::Dns,
        [Resolved; 3],
    ),
    seen(
        "unix_connect",
        "a stream connection to a unix socket",
        Capability::UnixConnect,
        [Resolved, Resolved, Racy],
    ),
    seen(
        "unix_connect_refused",
        "one that fails",
        Capability::UnixConnect,
        [Arguments; 3],
    ),
    natively(
        Capability::IoUring,
        seen(
            "unix_connect_io_uring",
            "a connection to a unix socket by a ring",
            Capability::UnixConnect,
            [Resolved, Resolved, Arguments],
        ),
    ),
    seen("unix_bind", "a unix socket is bound", Capability::Bind, [Racy; 3]),
    natively(
        Capability::IoUring,
        seen(
            "unix_bind_io_uring",
            "a unix socket is bound by a ring",
            Capability::Bind,
            [Resolved, Resolved, Arguments],
        ),
    ),
    seen(
        "socket",
        "a socket of an unusual family or type",
        Capability::Socket,
        [Resolved, Resolved, Arguments],
    ),
    seen(
        "vsock_bind",
        "a vsock socket is bound",
        Capability::Bind,
        [Resolved, Resolved, Racy],
    ),
    natively(
        Capability::UnixConnect,
        seen(
            "vsock_connect",
            "a vsock socket connects, answered or not",
            Capability::Connect,
            [Resolved, Resolved, Racy],
        ),
    ),
    natively(
        Capability::IoUring,
        seen(
            "vsock_connect_io_uring",
            "a vsock socket connects by a ring",
            Capability::Connect,
            [Resolved, Resolved, Arguments],
        ),
    ),
    natively(
        Capability::IoUring,
        seen(
            "socket_io_uring",
            "such a socket by a ring",
            Capability::Socket,
            [Resolved, Resolved, Arguments],
        ),
    ),
    seen(
        "receive",
        "a socket that comes over SCM_RIGHTS",
        Capability::Receive,
        [Resolved, Resolved, Racy],
    ),
    natively(
        Capability::IoUring,
        seen(
            "receive_io_uring",
            "a socket that comes so to a ring",
            Capability::Receive,
            [Resolved, Resolved, Racy],
        ),
    ),
];
