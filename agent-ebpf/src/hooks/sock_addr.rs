//! What programs of the control group are told of an address.

use crate::hooks::net;
use crate::socket::{self, AF_INET, AF_INET6};
use agent_common::event::SocketAddress;
use aya_ebpf::bindings::bpf_sock_addr;

/// The call goes on.
pub const ALLOW: i32 = 1;

/// The address of an IPv4 call.
#[inline(always)]
pub fn peer4(context: *mut bpf_sock_addr) -> SocketAddress {
    // SAFETY: the context's fields, each read whole.
    let (address, port) = unsafe { ((*context).user_ip4, (*context).user_port) };
    SocketAddress {
        addr: socket::mapped(address),
        port: u16::from_be(port as u16),
        family: AF_INET,
    }
}

/// That of an IPv6 call.
#[inline(always)]
pub fn peer6(context: *mut bpf_sock_addr) -> SocketAddress {
    // SAFETY: as above.
    let (words, port) = unsafe {
        let words = [
            core::ptr::read_volatile(&raw const (*context).user_ip6[0]),
            core::ptr::read_volatile(&raw const (*context).user_ip6[1]),
            core::ptr::read_volatile(&raw const (*context).user_ip6[2]),
            core::ptr::read_volatile(&raw const (*context).user_ip6[3]),
        ];
        (words, core::ptr::read_volatile(&raw const (*context).user_port))
    };
    SocketAddress {
        // SAFETY: sixteen bytes either way.
        addr: unsafe { core::mem::transmute::<[u32; 4], [u8; 16]>(words) },
        port: u16::from_be(port as u16),
        family: AF_INET6,
    }
}

#[inline(always)]
pub fn operation(context: *mut bpf_sock_addr, local: SocketAddress, remote: SocketAddress) -> net::Operation {
    // SAFETY: the context's fields, each read whole.
    let (protocol, socket_type) = unsafe {
        (
            core::ptr::read_volatile(&raw const (*context).protocol) as u16,
            core::ptr::read_volatile(&raw const (*context).type_) as u16,
        )
    };
    net::Operation {
        local,
        remote,
        protocol,
        socket_type,
        backlog: 0,
    }
}
