//! Ways around system calls: 32-bit ones, and io_uring.

use crate::Test;
use crate::identity::opened;
use crate::lab::{Container, Spec, World};
use agent::event::{Net, Payload, RawEvent, RecordFlags, Trust};
use agent::kernel::{Backend, Capability};
use agent_tests::capability::{self, Capability as Need};
use anyhow::{Result, bail, ensure};
use std::net::TcpListener;

pub(crate) const TESTS: &[Test] = &[
    Test {
        name: "compat::a_32_bit_open_is_seen",
        run: open32,
    },
    Test {
        name: "compat::connect_by_io_uring_is_seen",
        run: uring_connect,
    },
    Test {
        name: "compat::listen_by_io_uring_is_seen",
        run: uring_listen,
    },
    Test {
        name: "compat::open_by_io_uring_is_seen_where_that_is_promised",
        run: uring_open,
    },
];

const ENOSYS: i32 = 38;
const EPERM: i32 = 1;
const EINVAL: i32 = 22;

fn open32(world: &mut World) -> Result<()> {
    let mut container = Container::start(world, Spec::default())?;
    let path = world.file("32-bit")?.to_string_lossy().into_owned();
    // In a process of its own: a kernel without such calls kills it.
    if let Err(error) = container.init.act(&format!("run open32 {path}")) {
        capability::skip(Need::Compat, &error.to_string());
        return Ok(());
    }
    let flags = world.expect("FILE_OPEN", |event| {
        (opened(event)? == path).then_some(event.header.flags)
    })?;
    let by_call = world
        .report(Capability::FileOpen)
        .is_some_and(|report| report.backend == Some(Backend::Tracepoint));
    ensure!(!by_call || flags.has(RecordFlags::COMPAT), "flags {:#x}", flags.0);
    Ok(())
}

/// Whether the deed was done; a kernel that has no such request, or forbids the rings, is said so.
fn by_uring(container: &mut Container, deed: &str) -> Result<bool> {
    match container.init.attempt(deed)? {
        Ok(_) => Ok(true),
        Err(number @ (ENOSYS | EPERM | EINVAL)) => {
            let reason = std::io::Error::from_raw_os_error(number);
            capability::skip(Need::IoUring, &format!("{deed}: {reason}"));
            Ok(false)
        }
        Err(number) => bail!("{deed}: {}", std::io::Error::from_raw_os_error(number)),
    }
}

fn expect_net(
    world: &mut World,
    container: &Container,
    pick: impl Fn(&Payload) -> Option<Net>,
) -> Result<Net> {
    let slot = container.slot;
    let found = |event: &RawEvent| {
        (event.slot() == Some(slot))
            .then(|| pick(&event.payload))
            .flatten()
    };
    world.expect("the socket's event", found)
}

fn uring_connect(world: &mut World) -> Result<()> {
    let mut container = Container::start(world, Spec::default())?;
    let peer = TcpListener::bind("127.0.0.1:0")?;
    let port = peer.local_addr()?.port();
    if !by_uring(&mut container, &format!("uring-connect {port}"))? {
        return Ok(());
    }
    let net = expect_net(world, &container, |payload| match payload {
        Payload::Connect(net) => Some(net.clone()),
        _ => None,
    })?;
    ensure!(net.remote.port == port, "{net:?}");
    Ok(())
}

fn uring_listen(world: &mut World) -> Result<()> {
    let attached = world
        .report(Capability::Listen)
        .is_some_and(|report| report.backend.is_some());
    if !attached && world.forced == Some(Backend::Lsm) {
        // There is no such LSM hook: the capability's own test is about that.
        return Ok(());
    }
    let mut container = Container::start(world, Spec::default())?;
    let free = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    if !by_uring(&mut container, &format!("uring-listen {free}"))? {
        return Ok(());
    }
    let net = expect_net(world, &container, |payload| match payload {
        Payload::Listen(net) => Some(net.clone()),
        _ => None,
    })?;
    ensure!(net.local.port == free, "{net:?}");
    Ok(())
}

/// Rings make no system call: by tracepoints it is what the ring was asked for.
fn uring_open(world: &mut World) -> Result<()> {
    let mut container = Container::start(world, Spec::default())?;
    let path = world.file("by-io-uring")?.to_string_lossy().into_owned();
    if !by_uring(&mut container, &format!("uring-open {path}"))? {
        return Ok(());
    }
    let by_object = world
        .report(Capability::FileOpen)
        .is_some_and(|report| matches!(report.backend, Some(Backend::Lsm | Backend::Fentry)));
    let by_ring = world
        .report(Capability::IoUring)
        .is_some_and(|report| report.backend.is_some());
    ensure!(!(by_object && by_ring), "both are attached");
    if !by_object && !by_ring {
        return Ok(());
    }
    let event = world.expect("FILE_OPEN", |event| {
        (opened(event)? == path).then(|| event.clone())
    })?;
    ensure!(
        event.header.flags.has(RecordFlags::IO_URING),
        "flags {:#x}",
        event.header.flags.0
    );
    ensure!(
        event.header.tgid == container.init.pid,
        "of process {}",
        event.header.tgid
    );
    let trust = if by_object {
        Trust::RESOLVED
    } else {
        Trust::ARGUMENTS
    };
    ensure!(
        event.header.flags.trust() == trust,
        "{}",
        event.header.flags.trust().name()
    );
    Ok(())
}
