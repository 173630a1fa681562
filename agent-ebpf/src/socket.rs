//! Addresses of sockets.

use crate::global::{offset, setting};
use crate::kernel::Kptr;
use crate::task::Deed;
use agent_common::event::SocketAddress;

pub const AF_UNIX: u16 = 1;
pub const AF_INET: u16 = 2;
pub const AF_INET6: u16 = 10;
pub const IPPROTO_TCP: u16 = 6;
pub const IPPROTO_UDP: u16 = 17;
pub const IPPROTO_MPTCP: u16 = 262;
pub const SOCK_STREAM: u16 = 1;
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

/// Where the socket is bound.
#[inline(always)]
pub fn local(sk: Kptr) -> SocketAddress {
    let family = family(sk);
    let addr = match family {
        AF_INET => mapped(sk.read_or_zero(offset!(sk_rcv_saddr))),
        AF_INET6 => sk.read_or_zero(offset!(sk_v6_rcv_saddr)),
        _ => return NO_ADDRESS,
    };
    SocketAddress {
        addr,
        port: sk.read_or_zero(offset!(sk_num)),
        family,
    }
}

/// Where the socket is connected, or connects, to.
#[inline(always)]
pub fn remote(sk: Kptr) -> SocketAddress {
    let family = family(sk);
    let addr = match family {
        AF_INET => mapped(sk.read_or_zero(offset!(sk_daddr))),
        AF_INET6 => sk.read_or_zero(offset!(sk_v6_daddr)),
        _ => return NO_ADDRESS,
    };
    SocketAddress {
        addr,
        port: u16::from_be(sk.read_or_zero(offset!(sk_dport))),
        family,
    }
}

/// The `struct sockaddr` at a kernel address.
#[inline(always)]
pub fn sockaddr(address: Kptr) -> Option<SocketAddress> {
    let family = address.read::<u16>(0)?;
    let addr = match family {
        AF_INET => mapped(address.read(4)?),
        AF_INET6 => address.read(8)?,
        _ => return None,
    };
    Some(SocketAddress {
        addr,
        port: u16::from_be(address.read(2)?),
        family,
    })
}

/// Behaviour of a socket operation on `address`.
#[inline(always)]
pub fn deed(protocol: u16, address: &SocketAddress, port: u16) -> Deed {
    let a = &address.addr;
    Deed {
        access: protocol,
        object: [
            u64::from_ne_bytes([a[0], a[1], a[2], a[3], a[4], a[5], a[6], a[7]]),
            u64::from_ne_bytes([a[8], a[9], a[10], a[11], a[12], a[13], a[14], a[15]]),
        ],
        detail: u64::from(port),
    }
}

/// Port in the key of a bind or listen: a port that the kernel chose would be new every time.
#[inline(always)]
pub fn generalised(port: u16) -> u16 {
    if u32::from(port) >= setting!(ephemeral_low) {
        0
    } else {
        port
    }
}
