//! Sockets that are not plain TCP and UDP.

use super::{bound, keep, number, port_of};
use crate::lab::i386::{self, Argument};
use crate::lab::uring::Way;
use crate::lab::{raw, uring};
use rustix::io::{FdFlags, fcntl_setfd};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvFlags, SendFlags, SocketAddrUnix, SocketType, connect, listen,
    recv, recvmsg, sendto, socket,
};
use std::io::{self, IoSliceMut};
use std::mem::MaybeUninit;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4};
use std::os::fd::{AsFd, AsRawFd, IntoRawFd, OwnedFd};
use std::process::Command;

/// Does it; `None`: not one of these.
pub(super) fn perform(words: &[&str]) -> Option<io::Result<i64>> {
    Some(match words {
        ["socket", family, kind, protocol] => made(family, kind, protocol).map(|_| 0),
        ["socket32", family, kind, protocol] => made32(family, kind, protocol),
        ["uring-socket", family, kind, protocol] => made_by_ring(family, kind, protocol),
        ["unix-bind", kind, address] => unix_bind(kind, address),
        ["unix-bind32", address] => unix_bind32(address),
        ["uring-bind", way, port] => uring_bind(way, port),
        ["uring-unix-bind", address] => uring_unix_bind(address),
        ["unix-try", kind, address] => unix_try(kind, address),
        ["unix-try32", address] => unix_try32(address),
        ["connect-to", address, port] => connect_to(address, port),
        ["send-to", address, port] => send_to(address, port),
        ["connect-datagram", protocol, port] => datagram(protocol, port),
        ["connect-mapped", kind, port] => mapped(kind, port),
        ["connect-nowhere", port] => nowhere(port),
        ["attach-program32"] => attach_program32(),
        ["connect-fast-open", port] => fast_open(port),
        ["uring-connect-datagram", port] => uring_datagram(port),
        ["vsock-bind", port] => vsock_bind(port),
        ["vsock-connect", port] => vsock_connect(port),
        ["uring-vsock-connect", port] => uring_vsock_connect(port),
        ["uring-unix-connect", way, address] => uring_unix_connect(way, address),
        ["uring-receive", way, path] => uring_receive(way, path),
        ["disconnect", port] => disconnect(port),
        ["receive", path] => receive(path),
        ["receive-mmsg", path] => receive_mmsg(path),
        ["take-own-listener", port] => take_own_listener(port),
        ["listen-inherited", port] => listener_for_another(port, FdFlags::empty()),
        ["listen-closed-on-exec", port] => listener_for_another(port, FdFlags::CLOEXEC),
        ["listen6", address, port] => listen6(address, port),
        ["listen-mptcp", port] => listen_mptcp(port),
        ["listen32", port] => listen32(port),
        ["uring-listen-anywhere"] => uring_listen_anywhere(),
        _ => return None,
    })
}

fn connect_to(address: &str, port: &str) -> io::Result<i64> {
    let address = remote(address, port)?;
    let socket = socket(family_of(&address), SocketType::STREAM, None)?;
    Ok(connect(&socket, &address).map(|()| 0)?)
}

fn send_to(address: &str, port: &str) -> io::Result<i64> {
    let address = remote(address, port)?;
    let socket = socket(family_of(&address), SocketType::DGRAM, None)?;
    Ok(sendto(&socket, b"datagram", SendFlags::empty(), &address).map(|_| 0)?)
}

fn remote(address: &str, port: &str) -> io::Result<SocketAddr> {
    let address: IpAddr = address.parse().map_err(io::Error::other)?;
    Ok(SocketAddr::new(address, super::port_number(port)?))
}

fn family_of(address: &SocketAddr) -> AddressFamily {
    if address.is_ipv4() {
        AddressFamily::INET
    } else {
        AddressFamily::INET6
    }
}

fn signed(word: &str) -> io::Result<i32> {
    word.parse().map_err(io::Error::other)
}

fn small(word: &str) -> io::Result<u32> {
    word.parse().map_err(io::Error::other)
}

fn made(family: &str, kind: &str, protocol: &str) -> io::Result<OwnedFd> {
    raw::socket(signed(family)?, signed(kind)?, signed(protocol)?)
}

fn made32(family: &str, kind: &str, protocol: &str) -> io::Result<i64> {
    const SOCKET: u32 = 1;
    let arguments = [small(family)?, small(kind)?, small(protocol)?].map(Argument::Number);
    i386::socketcall(SOCKET, &arguments)
}

fn made_by_ring(family: &str, kind: &str, protocol: &str) -> io::Result<i64> {
    uring::socket(signed(family)?, small(kind)?, small(protocol)?).map(|_| 0)
}

fn unix(kind: &str) -> io::Result<OwnedFd> {
    let kind = match kind {
        "stream" => SocketType::STREAM,
        "seqpacket" => SocketType::SEQPACKET,
        _ => SocketType::DGRAM,
    };
    Ok(socket(AddressFamily::UNIX, kind, None)?)
}

/// `struct sockaddr_un`, as long as it must be: a path without its terminator, `@name`, or `-` for nothing.
fn sockaddr_un(address: &str) -> Vec<u8> {
    let mut bytes = 1u16.to_ne_bytes().to_vec();
    match address.strip_prefix('@') {
        Some(name) => {
            bytes.push(0);
            bytes.extend(name.as_bytes());
        }
        None if address == "-" => {}
        None => bytes.extend(address.as_bytes()),
    }
    bytes
}

/// `struct sockaddr_in` of a loopback port.
fn sockaddr_in(port: &str) -> io::Result<Vec<u8>> {
    let port: u16 = port.parse().map_err(io::Error::other)?;
    let mut bytes = 2u16.to_ne_bytes().to_vec();
    bytes.extend(port.to_be_bytes());
    bytes.extend([127, 0, 0, 1]);
    bytes.extend([0; 8]);
    Ok(bytes)
}

fn unix_bind(kind: &str, address: &str) -> io::Result<i64> {
    raw::bind(unix(kind)?.as_fd(), &sockaddr_un(address))
}

fn uring_bind(way: &str, port: &str) -> io::Result<i64> {
    let socket = socket(AddressFamily::INET, SocketType::DGRAM, None)?;
    uring::bind(socket.as_fd(), &sockaddr_in(port)?, Way::named(way)?)
}

fn uring_unix_bind(address: &str) -> io::Result<i64> {
    uring::bind(unix("stream")?.as_fd(), &sockaddr_un(address), Way::Worker)
}

fn uring_datagram(port: &str) -> io::Result<i64> {
    let socket = socket(AddressFamily::INET, SocketType::DGRAM, None)?;
    uring::connect_to(socket.as_fd(), &sockaddr_in(port)?, Way::Worker)
}

/// A byte less than an address has: the kernel refuses before anything could leave the machine.
const CUT: usize = 15;

/// `struct sockaddr_vm`: family, padding, port, machine.
fn sockaddr_vm(machine: u32, port: &str) -> io::Result<[u8; 16]> {
    let mut address = [0; 16];
    address[..2].copy_from_slice(&40u16.to_ne_bytes());
    address[4..8].copy_from_slice(&u32::try_from(number(port)?).unwrap_or(0).to_ne_bytes());
    address[8..12].copy_from_slice(&machine.to_ne_bytes());
    Ok(address)
}

fn vsock() -> io::Result<OwnedFd> {
    raw::socket(libc::AF_VSOCK, libc::SOCK_STREAM, 0)
}

fn vsock_bind(port: &str) -> io::Result<i64> {
    let socket = vsock()?;
    raw::bind(socket.as_fd(), &sockaddr_vm(u32::MAX, port)?)?;
    Ok(keep(socket))
}

fn vsock_connect(port: &str) -> io::Result<i64> {
    raw::connect(vsock()?.as_fd(), &sockaddr_vm(1, port)?[..CUT])
}

fn uring_vsock_connect(port: &str) -> io::Result<i64> {
    uring::connect_to(vsock()?.as_fd(), &sockaddr_vm(1, port)?[..CUT], Way::Worker)
}

fn uring_unix_connect(way: &str, address: &str) -> io::Result<i64> {
    uring::connect_to(unix("stream")?.as_fd(), &sockaddr_un(address), Way::named(way)?)
}

/// Once something has come.
fn uring_receive(way: &str, path: &str) -> io::Result<i64> {
    let server = server(path)?;
    recv(&server, &mut [0u8; 1], RecvFlags::PEEK)?;
    uring::receive(server.as_fd(), Way::named(way)?)
}

fn unix_bind32(address: &str) -> io::Result<i64> {
    const BIND: u32 = 2;
    by_socketcall(BIND, unix("stream")?, &sockaddr_un(address))
}

fn unix_try32(address: &str) -> io::Result<i64> {
    const CONNECT: u32 = 3;
    by_socketcall(CONNECT, unix("stream")?, &sockaddr_un(address))
}

fn by_socketcall(call: u32, socket: OwnedFd, address: &[u8]) -> io::Result<i64> {
    let fd = u32::try_from(socket.into_raw_fd()).map_err(io::Error::other)?;
    let len = u32::try_from(address.len()).map_err(io::Error::other)?;
    let arguments = [
        Argument::Number(fd),
        Argument::Memory(address),
        Argument::Number(len),
    ];
    i386::socketcall(call, &arguments)
}

fn unix_try(kind: &str, address: &str) -> io::Result<i64> {
    raw::connect(unix(kind)?.as_fd(), &sockaddr_un(address))
}

/// The number is the socket's own port.
fn datagram(protocol: &str, port: &str) -> io::Result<i64> {
    let socket = raw::socket(libc::AF_INET, libc::SOCK_DGRAM, signed(protocol)?)?;
    raw::connect(socket.as_fd(), &sockaddr_in(port)?)?;
    port_of(&socket)
}

/// To an IPv4 address, by a socket of IPv6.
fn mapped(kind: &str, port: &str) -> io::Result<i64> {
    let kind = match kind {
        "tcp" => SocketType::STREAM,
        _ => SocketType::DGRAM,
    };
    let socket = socket(AddressFamily::INET6, kind, None)?;
    let peer: std::net::SocketAddrV6 = format!("[::ffff:127.0.0.1]:{port}")
        .parse()
        .map_err(io::Error::other)?;
    Ok(connect(&socket, &peer).map(|()| 0)?)
}

/// To every host at once, which no route leads to.
fn nowhere(port: &str) -> io::Result<i64> {
    let socket = socket(AddressFamily::INET, SocketType::STREAM, None)?;
    let peer = SocketAddrV4::new(Ipv4Addr::BROADCAST, super::port_number(port)?);
    Ok(connect(&socket, &peer).map(|()| 0)?)
}

/// The first bytes go with the connection.
fn fast_open(port: &str) -> io::Result<i64> {
    let socket = socket(AddressFamily::INET, SocketType::STREAM, None)?;
    let flags = SendFlags::from_bits_retain(libc::MSG_FASTOPEN.cast_unsigned());
    sendto(&socket, b"first", flags, &super::loopback(port)?)?;
    Ok(0)
}

/// A program that there is none of, on a socket.
fn attach_program32() -> io::Result<i64> {
    const SETSOCKOPT: u32 = 14;
    const SO_ATTACH_BPF: u32 = 50;
    let fd = u32::try_from(unix("stream")?.into_raw_fd()).map_err(io::Error::other)?;
    let none = u32::MAX.to_ne_bytes();
    let [fd, level, option, len] = [fd, 1, SO_ATTACH_BPF, 4].map(Argument::Number);
    match i386::socketcall(SETSOCKOPT, &[fd, level, option, Argument::Memory(&none), len]) {
        Err(refused) if refused.raw_os_error() == Some(libc::EBADF) => Ok(0),
        other => other,
    }
}

fn disconnect(port: &str) -> io::Result<i64> {
    const UNSPECIFIED: [u8; 16] = [0; 16];
    let socket = bound(SocketType::DGRAM, port)?;
    raw::connect(socket.as_fd(), &UNSPECIFIED)
}

fn server(path: &str) -> io::Result<OwnedFd> {
    let socket = unix("stream")?;
    connect(&socket, &SocketAddrUnix::new(path)?)?;
    Ok(socket)
}

/// Takes what comes with one byte; the number is how many descriptors.
fn receive(path: &str) -> io::Result<i64> {
    let server = server(path)?;
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(16))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0];
    recvmsg(
        &server,
        &mut [IoSliceMut::new(&mut byte)],
        &mut ancillary,
        RecvFlags::empty(),
    )?;
    let messages = ancillary.drain().map(|message| match message {
        rustix::net::RecvAncillaryMessage::ScmRights(descriptors) => descriptors.count(),
        _ => 0,
    });
    i64::try_from(messages.sum::<usize>()).map_err(io::Error::other)
}

fn receive_mmsg(path: &str) -> io::Result<i64> {
    raw::receive_by_recvmmsg(server(path)?.as_fd())
}

fn take_own_listener(port: &str) -> io::Result<i64> {
    let socket = bound(SocketType::STREAM, port)?;
    listen(&socket, 1)?;
    raw::take_descriptor(std::process::id(), socket.as_raw_fd()).map(|_| 0)
}

/// A listener, and an image that is executed while it is open.
fn listener_for_another(port: &str, flags: FdFlags) -> io::Result<i64> {
    let socket = bound(SocketType::STREAM, port)?;
    listen(&socket, 1)?;
    fcntl_setfd(&socket, flags)?;
    super::run(
        Command::new(crate::lab::OWN_PROGRAM)
            .args(crate::lab::ONCE)
            .args(["open-read", "/dev/null"]),
    )
}

fn listen6(address: &str, port: &str) -> io::Result<i64> {
    let address: Ipv6Addr = address.parse().map_err(io::Error::other)?;
    let socket = socket(AddressFamily::INET6, SocketType::STREAM, None)?;
    let port = u16::try_from(number(port)?).map_err(io::Error::other)?;
    rustix::net::bind(&socket, &std::net::SocketAddrV6::new(address, port, 0, 0))?;
    listen(&socket, 1)?;
    Ok(keep(socket))
}

fn listen_mptcp(port: &str) -> io::Result<i64> {
    const MPTCP: i32 = 262;
    let socket = raw::socket(libc::AF_INET, libc::SOCK_STREAM, MPTCP)?;
    raw::bind(socket.as_fd(), &sockaddr_in(port)?)?;
    listen(&socket, 1)?;
    Ok(keep(socket))
}

/// Made, bound and listening by `socketcall` alone; the number is the port.
fn listen32(port: &str) -> io::Result<i64> {
    const BIND: u32 = 2;
    const LISTEN: u32 = 4;
    let fd = made32("2", "1", "0")?;
    let fd = Argument::Number(u32::try_from(fd).map_err(io::Error::other)?);
    let address = sockaddr_in(port)?;
    i386::socketcall(BIND, &[fd, Argument::Memory(&address), Argument::Number(16)])?;
    i386::socketcall(LISTEN, &[fd, Argument::Number(1)])
}

/// Of IPv6: by IPv4 it would be what `listen-anywhere` does. The number is the port that the kernel chose.
fn uring_listen_anywhere() -> io::Result<i64> {
    let socket = socket(AddressFamily::INET6, SocketType::STREAM, None)?;
    uring::listen(socket.as_fd(), 1)?;
    let port = port_of(&socket)?;
    keep(socket);
    Ok(port)
}
