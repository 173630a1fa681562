//! Datagram sockets that are connected, and IPv4 by sockets of IPv6.

use super::super::network::loopback;
use super::super::{Check, Stage};
use agent::event::{EventHeader, EventKind, Net, Payload};
use agent::kernel::Capability;
use anyhow::{Result, ensure};
use std::net::{TcpListener, UdpSocket};

pub(super) const CHECKS: &[Check] = &[
    Check {
        capability: Capability::Connect,
        what: "connect of a UDP socket",
        rows: &["connect_udp"],
        run: udp,
    },
    Check {
        capability: Capability::Connect,
        what: "connect of a UDP-Lite socket",
        rows: &["connect_udp"],
        run: udp_lite,
    },
    Check {
        capability: Capability::Connect,
        what: "UDP to IPv4 by a socket of IPv6",
        rows: &["connect_udp"],
        run: udp_mapped,
    },
    Check {
        capability: Capability::Connect,
        what: "TCP to IPv4 by a socket of IPv6",
        rows: &["connect"],
        run: tcp_mapped,
    },
    Check {
        capability: Capability::Connect,
        what: "a disconnect is no contact",
        rows: &[],
        run: disconnect,
    },
];

const UDP: u16 = 17;
const UDP_LITE: u16 = 136;
const TCP: u16 = 6;
const AF_INET6: u16 = 10;

fn connected(stage: &mut Stage<'_>) -> Result<(EventHeader, Net)> {
    stage.shown("CONNECT", |payload| match payload {
        Payload::Connect(net) => Some(net.clone()),
        _ => None,
    })
}

fn udp(stage: &mut Stage<'_>) -> Result<()> {
    let peer = UdpSocket::bind("127.0.0.1:0")?;
    let port = peer.local_addr()?.port();
    let own = u16::try_from(stage.act(&format!("connect-datagram 17 {port}"))?)?;
    let (_, net) = connected(stage)?;
    ensure!(net.remote == loopback(port), "{net:?}");
    ensure!((net.protocol, net.socket_type) == (UDP, 2), "{net:?}");
    ensure!(
        net.local.port == own || net.local.port == 0,
        "from {own}: {net:?}"
    );
    ensure!(!net.is_connection(), "{net:?}");
    Ok(())
}

fn udp_lite(stage: &mut Stage<'_>) -> Result<()> {
    let result = stage.container.init.attempt("connect-datagram 136 4567")?;
    if result == Err(libc::EPROTONOSUPPORT) {
        stage.skipped = true;
        return Ok(());
    }
    ensure!(result.is_ok(), "{result:?}");
    let (_, net) = connected(stage)?;
    ensure!(net.remote == loopback(4567), "{net:?}");
    ensure!(net.protocol == UDP_LITE, "{net:?}");
    Ok(())
}

fn udp_mapped(stage: &mut Stage<'_>) -> Result<()> {
    stage.act("connect-mapped udp 4568")?;
    mapped(stage, 4568, UDP)
}

fn tcp_mapped(stage: &mut Stage<'_>) -> Result<()> {
    let peer = TcpListener::bind("127.0.0.1:0")?;
    let port = peer.local_addr()?.port();
    stage.act(&format!("connect-mapped tcp {port}"))?;
    mapped(stage, port, TCP)
}

fn mapped(stage: &mut Stage<'_>, port: u16, protocol: u16) -> Result<()> {
    let (_, net) = connected(stage)?;
    ensure!(net.remote.addr == loopback(port).addr, "{net:?}");
    ensure!(
        (net.remote.port, net.remote.family) == (port, AF_INET6),
        "{net:?}"
    );
    ensure!(net.protocol == protocol, "{net:?}");
    Ok(())
}

fn disconnect(stage: &mut Stage<'_>) -> Result<()> {
    stage.act("disconnect 0")?;
    let times = stage.times(EventKind::CONNECT)?;
    ensure!(times == 0, "{times} left the kernel");
    Ok(())
}
