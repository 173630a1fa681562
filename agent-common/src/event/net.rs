use super::EventHeader;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// One end of a socket.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct SocketAddress {
    /// Network byte order; IPv4 is stored mapped (`::ffff:a.b.c.d`).
    pub addr: [u8; 16],
    /// Host byte order.
    pub port: u16,
    /// `AF_INET` 2, `AF_INET6` 10; 0: no address.
    pub family: u16,
}
const _: () = assert!(size_of::<SocketAddress>() == 20);

/// BIND, LISTEN, CONNECT and SEND.
#[repr(C)]
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct NetEvent {
    pub header: EventHeader,
    /// BIND, LISTEN: where; CONNECT, SEND: the source as far as it is known.
    pub local: SocketAddress,
    /// CONNECT, SEND: the peer.
    pub remote: SocketAddress,
    /// `IPPROTO_*`: 6 TCP, 17 UDP, 132 SCTP, 262 MPTCP.
    pub protocol: u16,
    /// `SOCK_*`: 1 stream, 2 datagram, 3 raw.
    pub socket_type: u16,
    /// LISTEN: length of the accept queue.
    pub backlog: u32,
}
const _: () = assert!(size_of::<NetEvent>() == 200);
