//! Sockets that come from another process.

use super::super::network::{free_port, loopback};
use super::super::{Check, Stage, namespace, word};
use agent::event::{EventHeader, EventKind, Payload, Received, RecordFlags};
use agent::kernel::Capability;
use anyhow::{Context, Result, ensure};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use std::io::IoSlice;
use std::mem::MaybeUninit;
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixListener;
use std::path::Path;

pub(super) const CHECKS: &[Check] = &[
    Check {
        capability: Capability::Receive,
        what: "a listener by SCM_RIGHTS",
        rows: &["receive"],
        run: listener,
    },
    Check {
        capability: Capability::Receive,
        what: "a listener behind other descriptors",
        rows: &["receive"],
        run: behind_others,
    },
    Check {
        capability: Capability::Receive,
        what: "a connection by recvmmsg",
        rows: &["receive"],
        run: connection,
    },
    Check {
        capability: Capability::Receive,
        what: "a listener by pidfd_getfd",
        rows: &["receive"],
        run: taken,
    },
    Check {
        capability: Capability::Receive,
        what: "a listener that comes to a ring",
        rows: &["receive_io_uring"],
        run: by_ring,
    },
    Check {
        capability: Capability::Receive,
        what: "a listener that comes to a ring without a completion",
        rows: &["receive_io_uring"],
        run: silently,
    },
    Check {
        capability: Capability::Receive,
        what: "a listener that comes to a ring with a thread of its own",
        rows: &["receive_io_uring"],
        run: by_polled_ring,
    },
    Check {
        capability: Capability::Receive,
        what: "files and idle sockets are everyday life",
        rows: &[],
        run: everyday,
    },
];

const LISTEN: u16 = 10;
const ESTABLISHED: u16 = 1;

/// Sends descriptors to whoever connects, while the container does the deed.
fn send(stage: &mut Stage<'_>, name: &str, how: &str, descriptors: &[BorrowedFd<'_>]) -> Result<i64> {
    while_sent(stage, name, descriptors, |stage, path| {
        stage.act(&format!("{how} {}", word(path)))
    })
}

/// Sends them to whoever connects to the path, while something is done.
fn while_sent<T>(
    stage: &mut Stage<'_>,
    name: &str,
    descriptors: &[BorrowedFd<'_>],
    does: impl FnOnce(&mut Stage<'_>, &Path) -> Result<T>,
) -> Result<T> {
    let path = stage.world.path(name);
    let server = UnixListener::bind(&path)?;
    std::thread::scope(|scope| {
        let sender = scope.spawn(|| -> Result<()> {
            let (client, _) = server.accept()?;
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(16))];
            let mut ancillary = SendAncillaryBuffer::new(&mut space);
            ensure!(ancillary.push(SendAncillaryMessage::ScmRights(descriptors)));
            sendmsg(&client, &[IoSlice::new(b"x")], &mut ancillary, SendFlags::empty())?;
            Ok(())
        });
        let done = does(stage, &path)?;
        sender.join().ok().context("the sender panicked")??;
        Ok(done)
    })
}

fn received(stage: &mut Stage<'_>) -> Result<(EventHeader, Received)> {
    let (header, received) = stage.shown("RECEIVE", |payload| match payload {
        Payload::Receive(received) => Some(received.clone()),
        _ => None,
    })?;
    let init = stage.container.init.pid;
    ensure!(received.net_ns == namespace(init, "net")?, "{received:?}");
    Ok((header, received))
}

fn listener(stage: &mut Stage<'_>) -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    send(stage, "one.sock", "receive", &[listener.as_fd()])?;
    of_listener(stage, &listener)
}

fn of_listener(stage: &mut Stage<'_>, listener: &TcpListener) -> Result<()> {
    let (header, received) = received(stage)?;
    ensure!(
        received.local == loopback(listener.local_addr()?.port()),
        "{received:?}"
    );
    ensure!(received.state == LISTEN, "{received:?}");
    ensure!((received.family, received.protocol) == (2, 6), "{received:?}");
    ensure!(received.file.magic != 0 && received.file.ino != 0, "{received:?}");
    ensure!(header.flags.has(RecordFlags::DEVIATION), "not urgent");
    Ok(())
}

fn behind_others(stage: &mut Stage<'_>) -> Result<()> {
    let file = std::fs::File::open("/dev/null")?;
    // Of IPv6: another behaviour than the one before.
    let listener = TcpListener::bind("[::1]:0")?;
    let mut descriptors = vec![file.as_fd(); 7];
    descriptors.push(listener.as_fd());
    let number = send(stage, "many.sock", "receive", &descriptors)?;
    ensure!(number == 8, "{number} descriptors came");
    let (_, received) = received(stage)?;
    ensure!(
        received.local.port == listener.local_addr()?.port(),
        "{received:?}"
    );
    Ok(())
}

fn connection(stage: &mut Stage<'_>) -> Result<()> {
    let server = TcpListener::bind("127.0.0.1:0")?;
    let client = TcpStream::connect(server.local_addr()?)?;
    send(stage, "mmsg.sock", "receive-mmsg", &[client.as_fd()])?;
    let (header, received) = received(stage)?;
    ensure!(
        received.remote == loopback(server.local_addr()?.port()),
        "{received:?}"
    );
    ensure!(
        received.local == loopback(client.local_addr()?.port()),
        "{received:?}"
    );
    ensure!(received.state == ESTABLISHED, "{received:?}");
    ensure!(!header.flags.has(RecordFlags::DEVIATION), "urgent");
    Ok(())
}

/// From itself, which it may; whose descriptor it was is no part of it.
fn taken(stage: &mut Stage<'_>) -> Result<()> {
    let port = free_port()?;
    stage.act(&format!("take-own-listener {port}"))?;
    let (header, received) = received(stage)?;
    ensure!(received.local == loopback(port), "{received:?}");
    ensure!(received.state == LISTEN, "{received:?}");
    ensure!(header.flags.has(RecordFlags::DEVIATION), "not urgent");
    Ok(())
}

fn by_ring(stage: &mut Stage<'_>) -> Result<()> {
    to_ring(stage, "worker")
}

/// No completion says that it came.
fn silently(stage: &mut Stage<'_>) -> Result<()> {
    to_ring(stage, "silent")
}

fn by_polled_ring(stage: &mut Stage<'_>) -> Result<()> {
    to_ring(stage, "polled")
}

fn to_ring(stage: &mut Stage<'_>, way: &str) -> Result<()> {
    let port = free_port()?;
    let listener = TcpListener::bind(("127.0.0.1", port))?;
    let name = format!("to-ring-{way}.sock");
    let done = while_sent(stage, &name, &[listener.as_fd()], |stage, path| {
        stage.act_by_ring(&format!("uring-receive {way} {}", word(path)))
    })?;
    if !done {
        return Ok(());
    }
    // Through hooks on objects the flag of rings depends on who was first: a message that is waited for comes to the task itself.
    let (header, received) = stage.expect_any("RECEIVE", |payload| match payload {
        Payload::Receive(received) => Some(received.clone()),
        _ => None,
    })?;
    ensure!(received.local == loopback(port), "{received:?}");
    ensure!(header.tgid == stage.container.init.pid, "{header:?}");
    ensure!(header.flags.has(RecordFlags::DEVIATION), "not urgent");
    let times = stage.times(EventKind::RECEIVE)?;
    ensure!(times == 1, "{times} left the kernel");
    Ok(())
}

fn everyday(stage: &mut Stage<'_>) -> Result<()> {
    let file = std::fs::File::open("/dev/null")?;
    let idle = UdpSocket::bind("127.0.0.1:0")?;
    let (end, _other) = std::os::unix::net::UnixStream::pair()?;
    send(
        stage,
        "everyday.sock",
        "receive",
        &[file.as_fd(), idle.as_fd(), end.as_fd()],
    )?;
    let times = stage.times(EventKind::RECEIVE)?;
    ensure!(times == 0, "{times} left the kernel");
    Ok(())
}
