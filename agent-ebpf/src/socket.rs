//! Addresses of sockets.

use crate::global::{offset, setting};
use crate::kernel::{Kptr, read_user_or_zero};
use crate::task::Deed;
use agent_common::event::SocketAddress;

pub const AF_UNIX: u16 = 1;
pub const AF_UNSPEC: u16 = 0;
pub const AF_INET: u16 = 2;
pub const AF_INET6: u16 = 10;
pub const AF_VSOCK: u16 = 40;
pub const IPPROTO_TCP: u16 = 6;
pub const IPPROTO_UDP: u16 = 17;
pub const IPPROTO_UDPLITE: u16 = 136;
const IPPROTO_MPTCP: u16 = 262;
pub const SOCK_STREAM: u16 = 1;
pub const SOCK_DGRAM: u16 = 2;
pub const SOCK_SEQPACKET: u16 = 5;

/// Stored for wildcards and unknown peers.
pub const NO_ADDRESS: SocketAddress = SocketAddress {
    addr: [0; 16],
    port: 0,
    family: 0,
};

/// An IPv4 address (network byte order in memory), mapped.
#[inline(always)]
pub fn mapped(v4: u32) -> [u8; 16] {
    let [a, b, c, d] = v4.to_ne_bytes();
    [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a, b, c, d]
}

/// Family of a `struct sock`.
#[inline(always)]
pub fn family(sk: Kptr) -> u16 {
    sk.read_or_zero(offset!(sk_family))
}

/// Family of the address that a call was given, in the caller's memory.
#[inline(always)]
pub fn asked_family(address: u64) -> u16 {
    read_user_or_zero(address)
}

/// True for sockets over IPv4 and IPv6.
#[inline(always)]
pub fn is_inet(sk: Kptr) -> bool {
    matches!(family(sk), AF_INET | AF_INET6)
}

/// True for the socket that an MPTCP program holds; its connections are TCP sockets of their own.
#[inline(always)]
pub fn is_mptcp(sk: Kptr) -> bool {
    sk.read_or_zero::<u16>(offset!(sk_protocol)) == IPPROTO_MPTCP
}

/// `IPPROTO_*`; MPTCP counts as the TCP that it is on the wire.
#[inline(always)]
pub fn protocol(sk: Kptr) -> u16 {
    // A byte before 5.6, and in a bit field's storage before; 16 bits since.
    match sk.read_or_zero::<u16>(offset!(sk_protocol)) {
        IPPROTO_MPTCP => IPPROTO_TCP,
        protocol => protocol,
    }
}

/// `SOCK_*`.
#[inline(always)]
pub fn kind(sk: Kptr) -> u16 {
    sk.read_or_zero(offset!(sk_type))
}

/// Network namespace, by its number.
#[inline(always)]
pub fn net_ns(sk: Kptr) -> u32 {
    Kptr(sk.read_or_zero(offset!(sk_net))).read_or_zero(offset!(net_inum))
}

/// Where the socket is bound.
#[inline(always)]
pub fn local(sk: Kptr) -> SocketAddress {
    let mut address = NO_ADDRESS;
    read_local(sk, &mut address);
    address
}

/// Where the socket is connected, or connects, to.
#[inline(always)]
pub fn remote(sk: Kptr) -> SocketAddress {
    let mut address = NO_ADDRESS;
    read_remote(sk, &mut address);
    address
}

/// See [`local`]. Like its relatives apart from its callers, whose stacks its temporaries would overflow.
#[inline(never)]
pub fn read_local(sk: Kptr, to: &mut SocketAddress) -> u32 {
    let family = family(sk);
    match family {
        AF_INET => map(sk, offset!(sk_rcv_saddr), &mut to.addr),
        AF_INET6 => sk.copy(offset!(sk_v6_rcv_saddr), &mut to.addr),
        _ => return 0,
    }
    to.port = sk.read_or_zero(offset!(sk_num));
    to.family = family;
    0
}

/// See [`remote`].
#[inline(never)]
pub fn read_remote(sk: Kptr, to: &mut SocketAddress) -> u32 {
    let family = family(sk);
    match family {
        AF_INET => map(sk, offset!(sk_daddr), &mut to.addr),
        AF_INET6 => sk.copy(offset!(sk_v6_daddr), &mut to.addr),
        _ => return 0,
    }
    to.port = u16::from_be(sk.read_or_zero(offset!(sk_dport)));
    to.family = family;
    0
}

/// Reads an IPv4 address.
#[inline(always)]
fn map(from: Kptr, offset: u32, to: &mut [u8; 16]) {
    *to = mapped(from.read_or_zero(offset));
}

/// The address that a call names, `len` bytes at `address`.
#[derive(Clone, Copy)]
pub struct Named {
    pub sk: Kptr,
    pub address: Kptr,
    pub len: u32,
}

/// `sockaddr_in`, and `sockaddr_in6` without its scope, which the kernel does not ask for.
const SOCKADDR_IN: u32 = 16;
const SOCKADDR_IN6: u32 = 24;

/// Reads it as the socket will take it; leaves `to` without a family for what the kernel will refuse, and for other
/// families.
#[inline(never)]
pub fn read_named(named: &Named, to: &mut SocketAddress) -> u32 {
    let Named { sk, address, len } = *named;
    let mut given = address.read_or_zero::<u16>(0);
    // IPv4 sockets take an unspecified family for their own.
    if given == 0 && family(sk) == AF_INET {
        given = AF_INET;
    }
    match given {
        AF_INET if len >= SOCKADDR_IN => map(address, 4, &mut to.addr),
        AF_INET6 if len >= SOCKADDR_IN6 => address.copy(8, &mut to.addr),
        _ => return 0,
    }
    to.port = u16::from_be(address.read_or_zero(2));
    to.family = given;
    0
}

/// A peer's wildcard address stands for this host, as the kernel takes it.
#[inline(never)]
pub fn normalise_peer(peer: &mut SocketAddress) -> u32 {
    let [high, low] = words(&peer.addr);
    if high == 0 && low == 0 {
        peer.addr[15] = 1;
    } else if high == 0 && low == MAPPED_ANY {
        peer.addr[12] = 127;
        peer.addr[15] = 1;
    }
    0
}

/// False for what a socket without a peer has.
#[inline(always)]
pub fn is_somebody(peer: &SocketAddress) -> bool {
    let [high, low] = words(&peer.addr);
    high != 0 || low != 0 && low != MAPPED_ANY
}

/// The second half of `::ffff:0.0.0.0`.
const MAPPED_ANY: u64 = u64::from_ne_bytes([0, 0, 0xff, 0xff, 0, 0, 0, 0]);

#[inline(always)]
fn words(a: &[u8; 16]) -> [u64; 2] {
    [
        u64::from_ne_bytes([a[0], a[1], a[2], a[3], a[4], a[5], a[6], a[7]]),
        u64::from_ne_bytes([a[8], a[9], a[10], a[11], a[12], a[13], a[14], a[15]]),
    ]
}

/// Behaviour of a socket operation on `address`.
#[inline(always)]
pub fn deed(protocol: u16, address: &SocketAddress, port: u16) -> Deed {
    Deed {
        access: protocol,
        object: words(&address.addr),
        detail: u64::from(port),
    }
}

/// Port in the key of a bind or listen: a port that the kernel chose would be new every time.
#[inline(always)]
pub fn generalised(port: u16) -> u16 {
    let number = u32::from(port);
    if number >= setting!(ephemeral_low) && number <= setting!(ephemeral_high) {
        0
    } else {
        port
    }
}
