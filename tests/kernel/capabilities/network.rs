//! Sockets.

use super::{Check, Stage, word};
use agent::event::{Net, Payload, RecordFlags, SocketAddress, Trust, UnixConnect};
use agent::kernel::{Backend, Capability};
use anyhow::{Context, Result, ensure};
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::{SocketAddr, UnixListener};

pub(super) const CHECKS: &[Check] = &[
    Check {
        capability: Capability::Bind,
        what: "TCP bind",
        rows: &["bind"],
        run: bind_tcp,
    },
    Check {
        capability: Capability::Bind,
        what: "UDP bind",
        rows: &["bind"],
        run: bind_udp,
    },
    Check {
        capability: Capability::Bind,
        what: "UDP bind by a ring",
        rows: &["bind_io_uring"],
        run: bind_by_ring,
    },
    Check {
        capability: Capability::Listen,
        what: "listen after bind",
        rows: &["listen"],
        run: listen,
    },
    Check {
        capability: Capability::Listen,
        what: "listen without bind",
        rows: &["listen_unbound"],
        run: listen_anywhere,
    },
    Check {
        capability: Capability::Connect,
        what: "TCP connect",
        rows: &["connect"],
        run: connect,
    },
    Check {
        capability: Capability::Connect,
        what: "of many connections, each burst",
        rows: &[],
        run: connect_in_bursts,
    },
    Check {
        capability: Capability::Connect,
        what: "TCP connect without a route",
        rows: &["connect_refused"],
        run: connect_nowhere,
    },
    Check {
        capability: Capability::Connect,
        what: "TCP Fast Open",
        rows: &["connect_fast_open"],
        run: connect_fast_open,
    },
    Check {
        capability: Capability::Send,
        what: "UDP sendto",
        rows: &["send"],
        run: send,
    },
    Check {
        capability: Capability::UnixConnect,
        what: "a socket with a path",
        rows: &["unix_connect"],
        run: unix_path,
    },
    Check {
        capability: Capability::UnixConnect,
        what: "an abstract socket",
        rows: &["unix_connect"],
        run: unix_abstract,
    },
];

const AF_INET: u16 = 2;
const TCP: (u16, u16) = (6, 1);
const UDP: (u16, u16) = (17, 2);

pub(super) fn loopback(port: u16) -> SocketAddress {
    SocketAddress {
        addr: Ipv4Addr::LOCALHOST.to_ipv6_mapped().octets(),
        port,
        family: AF_INET,
    }
}

/// A port below the ephemeral ones on which nobody listens.
pub(crate) fn free_port() -> Result<u16> {
    use std::sync::atomic::{AtomicU16, Ordering};
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = 20_000 + u16::try_from(std::process::id() % 9_000)?;
    (0..1_000)
        .map(|_| first + NEXT.fetch_add(1, Ordering::Relaxed) % 1_000)
        .find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok())
        .context("no free port")
}

fn bind_tcp(stage: &mut Stage<'_>) -> Result<()> {
    let port = free_port()?;
    stage.act(&format!("bind {port}"))?;
    bound(stage, port, TCP)
}

fn bind_udp(stage: &mut Stage<'_>) -> Result<()> {
    let port = free_port()?;
    stage.act(&format!("bind-udp {port}"))?;
    bound(stage, port, UDP)
}

/// By a descriptor of the task's, and one of the ring's own.
fn bind_by_ring(stage: &mut Stage<'_>) -> Result<()> {
    for way in ["worker", "registered"] {
        let port = free_port()?;
        if !stage.act_by_ring(&format!("uring-bind {way} {port}"))? {
            return Ok(());
        }
        let (header, net) = stage.expect_any("BIND", |payload| match payload {
            Payload::Bind(net) if net.local == loopback(port) => Some(net.clone()),
            _ => None,
        })?;
        ensure!((net.protocol, net.socket_type) == UDP, "{way}: {net:?}");
        ensure!(
            header.flags.has(RecordFlags::IO_URING),
            "{way}: flags {:#x}",
            header.flags.0
        );
        ensure!(header.tgid == stage.container.init.pid, "{way}: {header:?}");
    }
    Ok(())
}

fn bound(stage: &mut Stage<'_>, port: u16, kind: (u16, u16)) -> Result<()> {
    let (_, net) = stage.expect(Capability::Bind, |payload| match payload {
        Payload::Bind(net) => Some(net.clone()),
        _ => None,
    })?;
    ensure!(net.local == loopback(port), "{net:?}");
    ensure!((net.protocol, net.socket_type) == kind, "{net:?}");
    Ok(())
}

fn listening(stage: &mut Stage<'_>) -> Result<Net> {
    let (_, net) = stage.expect(Capability::Listen, |payload| match payload {
        Payload::Listen(net) => Some(net.clone()),
        _ => None,
    })?;
    ensure!((net.protocol, net.socket_type) == TCP, "{net:?}");
    Ok(net)
}

fn listen(stage: &mut Stage<'_>) -> Result<()> {
    let port = free_port()?;
    stage.act(&format!("listen {port} 7"))?;
    let net = listening(stage)?;
    ensure!(net.local == loopback(port), "{net:?}");
    ensure!(net.backlog == 7, "{net:?}");
    let listens = |event: &agent::event::RawEvent| matches!(event.payload, Payload::Listen(_));
    let slot = stage.container.slot;
    let times = stage
        .world
        .count(|event| event.slot() == Some(slot) && listens(event))?;
    ensure!(times == 1, "reported {times} times");
    Ok(())
}

fn listen_anywhere(stage: &mut Stage<'_>) -> Result<()> {
    let port = u16::try_from(stage.act("listen-anywhere")?)?;
    let net = listening(stage)?;
    let anywhere = SocketAddress {
        addr: Ipv4Addr::UNSPECIFIED.to_ipv6_mapped().octets(),
        port,
        family: AF_INET,
    };
    ensure!(net.local == anywhere, "port {port}: {net:?}");
    Ok(())
}

fn connect(stage: &mut Stage<'_>) -> Result<()> {
    let peer = TcpListener::bind("127.0.0.1:0")?;
    let port = peer.local_addr()?.port();
    let own = u16::try_from(stage.act(&format!("connect {port}"))?)?;
    let (_, net) = stage.expect(Capability::Connect, |payload| match payload {
        Payload::Connect(net) => Some(net.clone()),
        _ => None,
    })?;
    ensure!(net.remote == loopback(port), "{net:?}");
    // Before the kernel has chosen the source there is none; a wrong one is never said.
    ensure!(
        net.local.port == own || net.local.port == 0,
        "from {own}: {net:?}"
    );
    ensure!((net.protocol, net.socket_type) == TCP, "{net:?}");
    Ok(())
}

fn connect_in_bursts(stage: &mut Stage<'_>) -> Result<()> {
    const TIMES: usize = 20;
    let peer = TcpListener::bind("127.0.0.1:0")?;
    let port = peer.local_addr()?.port();
    for _ in 0..TIMES {
        stage.act(&format!("connect {port}"))?;
    }
    let at_peer =
        |payload: &Payload| matches!(payload, Payload::Connect(net) if net.remote == loopback(port));
    let events = stage.world.events()?.iter();
    let flags: Vec<u32> = events
        .filter(|event| at_peer(&event.payload))
        .map(|event| event.header.flags.0 & (RecordFlags::REPEAT | RecordFlags::BURST))
        .collect();
    let burst = RecordFlags::REPEAT | RecordFlags::BURST;
    ensure!(flags == [0, burst, burst, burst], "{flags:?}");
    Ok(())
}

/// The kernel refuses it before the socket has a state to change.
fn connect_nowhere(stage: &mut Stage<'_>) -> Result<()> {
    const UNREACHABLE: i32 = 101;
    let port = free_port()?;
    let refused = stage.container.init.attempt(&format!("connect-nowhere {port}"))?;
    ensure!(refused == Err(UNREACHABLE), "{refused:?}");
    let (header, net) = stage.expect(Capability::Connect, |payload| match payload {
        Payload::Connect(net) => Some(net.clone()),
        _ => None,
    })?;
    let nowhere = SocketAddress {
        addr: Ipv4Addr::BROADCAST.to_ipv6_mapped().octets(),
        ..loopback(port)
    };
    ensure!(net.remote == nowhere, "{net:?}");
    if stage.backend(Capability::Connect)? == Backend::Tracepoint {
        ensure!(header.ret == -UNREACHABLE, "result {}", header.ret);
        ensure!(header.flags.trust() == Trust::ARGUMENTS, "{header:?}");
    }
    Ok(())
}

/// No call of connect(2).
fn connect_fast_open(stage: &mut Stage<'_>) -> Result<()> {
    let port = free_port()?;
    let peer = TcpListener::bind(("127.0.0.1", port))?;
    stage.act(&format!("connect-fast-open {port}"))?;
    let (_, net) = stage.expect(Capability::Connect, |payload| match payload {
        Payload::Connect(net) => Some(net.clone()),
        _ => None,
    })?;
    drop(peer);
    ensure!(net.remote == loopback(port), "{net:?}");
    ensure!((net.protocol, net.socket_type) == TCP, "{net:?}");
    Ok(())
}

fn send(stage: &mut Stage<'_>) -> Result<()> {
    let peer = UdpSocket::bind("127.0.0.1:0")?;
    let port = peer.local_addr()?.port();
    stage.act(&format!("send {port}"))?;
    let (_, net) = stage.expect(Capability::Send, |payload| match payload {
        Payload::Send(net) => Some(net.clone()),
        _ => None,
    })?;
    ensure!(net.remote == loopback(port), "{net:?}");
    ensure!((net.protocol, net.socket_type) == UDP, "{net:?}");
    Ok(())
}

fn unix_connected(stage: &mut Stage<'_>) -> Result<UnixConnect> {
    let (_, unix) = stage.expect(Capability::UnixConnect, |payload| match payload {
        Payload::UnixConnect(unix) => Some(unix.clone()),
        _ => None,
    })?;
    ensure!(unix.peer_slot == 0, "{unix:?}");
    Ok(unix)
}

fn unix_path(stage: &mut Stage<'_>) -> Result<()> {
    let path = stage.world.path("listener.sock");
    let listener = UnixListener::bind(&path)?;
    stage.act(&format!("unix-connect {}", word(&path)))?;
    let unix = unix_connected(stage)?;
    drop(listener);
    ensure!(unix.path.to_text().ends_with("/listener.sock"), "{unix:?}");
    ensure!(unix.file.ino == std::fs::metadata(&path)?.ino(), "{unix:?}");
    ensure!(
        unix.peer_tgid == 0 || unix.peer_tgid == std::process::id(),
        "{unix:?}"
    );
    Ok(())
}

fn unix_abstract(stage: &mut Stage<'_>) -> Result<()> {
    let name = format!("vigia-kernel-{}", std::process::id());
    let listener = UnixListener::bind_addr(&SocketAddr::from_abstract_name(&name)?)?;
    stage.act(&format!("unix-connect @{name}"))?;
    let unix = unix_connected(stage)?;
    drop(listener);
    ensure!(unix.path.to_text() == format!("@{name}"), "{unix:?}");
    ensure!(unix.file.ino == 0, "{unix:?}");
    Ok(())
}
