use super::{EventHeader, FileObject, StrRef};
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

/// SOCKET: a socket of an unusual family or type.
#[repr(C)]
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct SocketEvent {
    pub header: EventHeader,
    /// `AF_*`.
    pub family: u16,
    /// `SOCK_*` without flags.
    pub socket_type: u16,
    pub protocol: u32,
}
const _: () = assert!(size_of::<SocketEvent>() == 160);

/// RECEIVE: a socket that another process made.
#[repr(C)]
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct ReceiveEvent {
    pub header: EventHeader,
    pub file: FileObject,
    /// Families other than internet's have no addresses.
    pub local: SocketAddress,
    pub remote: SocketAddress,
    pub family: u16,
    pub socket_type: u16,
    pub protocol: u16,
    /// `TCP_*` state: 1 established, 10 listening.
    pub state: u16,
    /// Network namespace of the socket.
    pub net_ns: u32,
    pub reserved: u32,
}
const _: () = assert!(size_of::<ReceiveEvent>() == 240);

/// DNS: a message between a container and its name server.
#[repr(C)]
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct DnsEvent {
    /// Of who asked, in both directions.
    pub header: EventHeader,
    /// The server, as the socket was told of it.
    pub server: SocketAddress,
    /// `IPPROTO_*`: 6 TCP, 17 UDP.
    pub protocol: u16,
    /// [`Self::SENT`] or [`Self::RECEIVED`].
    pub direction: u16,
    /// The message without TCP's length; cut to [`crate::limits::MAX_DNS_MESSAGE`] and flagged.
    pub message: StrRef,
    pub reserved: u32,
}

impl DnsEvent {
    pub const SENT: u16 = 1;
    pub const RECEIVED: u16 = 2;
}
const _: () = assert!(size_of::<DnsEvent>() == 184);
