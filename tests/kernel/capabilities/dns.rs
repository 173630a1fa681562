//! Names that are asked for, and the answers.

use super::{Check, Stage};
use agent::event::{Dns, DnsDirection, Payload};
use agent::kernel::Capability;
use anyhow::{Context, Result, anyhow, ensure};
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, TcpListener, UdpSocket};
use std::thread::{self, JoinHandle};
use std::time::Duration;

pub(super) const CHECKS: &[Check] = &[
    check("a question in a datagram to a named server", |stage| {
        asked(stage, "named")
    }),
    check("one over a connected UDP socket", |stage| {
        asked(stage, "connected")
    }),
    check("one over TCP", |stage| asked(stage, "tcp")),
    check("the same question again, in other letters", again),
    check("names with bytes that end others", bytes_of_all_kinds),
    check("answers that say something else", other_answers),
];

const fn check(what: &'static str, run: fn(&mut Stage<'_>) -> Result<()>) -> Check {
    Check {
        capability: Capability::Dns,
        what,
        rows: &["dns"],
        run,
    }
}

/// No other server of the machine has it.
const SERVER: Ipv4Addr = Ipv4Addr::new(127, 86, 53, 1);
const ANSWER: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 9);
const PATIENCE: Duration = Duration::from_secs(5);

fn question(labels: &[&[u8]]) -> Vec<u8> {
    // Its number; that recursion is wanted; one question.
    let mut message = vec![0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in labels {
        message.push(u8::try_from(label.len()).unwrap_or(u8::MAX));
        message.extend_from_slice(label);
    }
    // The root; addresses; of the internet.
    message.extend_from_slice(&[0, 0, 1, 0, 1]);
    message
}

/// One address for what was asked for.
fn answer(question: &[u8], address: Ipv4Addr) -> Vec<u8> {
    let mut message = question.to_vec();
    message[2] |= 0x80;
    message[7] = 1;
    message.extend_from_slice(&[0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4]);
    message.extend_from_slice(&address.octets());
    message
}

/// A server for one question.
fn udp_server(address: Ipv4Addr) -> Result<JoinHandle<Result<()>>> {
    let socket = UdpSocket::bind((SERVER, 53))?;
    socket.set_read_timeout(Some(PATIENCE))?;
    Ok(thread::spawn(move || {
        let mut message = [0; 512];
        let (len, from) = socket.recv_from(&mut message)?;
        socket.send_to(&answer(&message[..len], address), from)?;
        Ok(())
    }))
}

fn tcp_server(address: Ipv4Addr) -> Result<JoinHandle<Result<()>>> {
    let listener = TcpListener::bind((SERVER, 53))?;
    Ok(thread::spawn(move || {
        let (mut stream, _) = listener.accept()?;
        let mut message = [0; 512];
        let len = stream.read(&mut message)?;
        let answer = answer(message.get(2..len).context("no question")?, address);
        let prefix = u16::try_from(answer.len())?.to_be_bytes();
        stream.write_all(&[&prefix, answer.as_slice()].concat())?;
        Ok(())
    }))
}

/// The container asks, and is answered; what was reported before is forgotten.
fn ask(stage: &mut Stage<'_>, way: &str, labels: &[&[u8]], address: Ipv4Addr) -> Result<()> {
    let server = if way == "tcp" {
        tcp_server(address)?
    } else {
        udp_server(address)?
    };
    stage.world.forget()?;
    let message: String = question(labels)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    stage.act(&format!("ask {way} {SERVER}:53 {message}"))?;
    server.join().map_err(|_| anyhow!("the server panicked"))?
}

fn expect(stage: &mut Stage<'_>, direction: DnsDirection) -> Result<Dns> {
    let (_, dns) = stage.expect(Capability::Dns, |payload| match payload {
        Payload::Dns(dns) if dns.direction == direction => Some(dns.clone()),
        _ => None,
    })?;
    ensure!(dns.server.port == 53, "{dns:?}");
    ensure!(
        dns.server.addr == SERVER.to_ipv6_mapped().octets(),
        "of the server {dns:?}"
    );
    Ok(dns)
}

fn name(dns: &Dns) -> Result<String> {
    let question = dns.question.as_ref().context("no question")?;
    Ok(question.name.to_string())
}

fn asked(stage: &mut Stage<'_>, way: &str) -> Result<()> {
    let whole = format!("{way}.example.org");
    ask(stage, way, &[way.as_bytes(), b"example", b"org"], ANSWER)?;
    let asked = expect(stage, DnsDirection::SENT)?;
    ensure!(name(&asked)? == whole && !asked.is_response, "{asked:?}");
    ensure!(asked.protocol == if way == "tcp" { 6 } else { 17 }, "{asked:?}");
    let answered = expect(stage, DnsDirection::RECEIVED)?;
    ensure!(name(&answered)? == whole && answered.is_response, "{answered:?}");
    let addresses: Vec<IpAddr> = answered.addresses.iter().map(|record| record.address).collect();
    ensure!(addresses == [IpAddr::V4(ANSWER)], "{answered:?}");
    Ok(())
}

/// Neither it nor its answer leaves twice.
fn again(stage: &mut Stage<'_>) -> Result<()> {
    ask(stage, "named", &[b"again", b"example", b"org"], ANSWER)?;
    expect(stage, DnsDirection::SENT)?;
    expect(stage, DnsDirection::RECEIVED)?;
    ask(stage, "connected", &[b"AgAin", b"eXample", b"ORG"], ANSWER)?;
    stage.silent(|payload| matches!(payload, Payload::Dns(_)))
}

/// A byte that is zero ends a name only as a length.
fn bytes_of_all_kinds(stage: &mut Stage<'_>) -> Result<()> {
    for data in [b"\0one", b"\0two"] {
        ask(stage, "named", &[data, b"example", b"org"], ANSWER)?;
        let asked = expect(stage, DnsDirection::SENT)?;
        ensure!(name(&asked)?.ends_with(".example.org"), "{asked:?}");
        ensure!(
            name(&asked)?.contains(std::str::from_utf8(&data[1..])?),
            "{asked:?}"
        );
        expect(stage, DnsDirection::RECEIVED)?;
    }
    Ok(())
}

/// The question is known; what the name stands for now is not.
fn other_answers(stage: &mut Stage<'_>) -> Result<()> {
    ask(stage, "named", &[b"moves", b"example", b"org"], ANSWER)?;
    expect(stage, DnsDirection::SENT)?;
    expect(stage, DnsDirection::RECEIVED)?;
    let other = Ipv4Addr::new(203, 0, 113, 10);
    ask(stage, "named", &[b"moves", b"example", b"org"], other)?;
    let answered = expect(stage, DnsDirection::RECEIVED)?;
    let addresses: Vec<IpAddr> = answered.addresses.iter().map(|record| record.address).collect();
    ensure!(addresses == [IpAddr::V4(other)], "{answered:?}");
    Ok(())
}
