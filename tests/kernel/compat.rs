//! Ways around system calls: 32-bit ones, and io_uring.

use crate::Test;
use crate::capabilities::rows;
use crate::identity::opened;
use crate::lab::{Container, Spec, World};
use agent::event::{Name, Net, Payload, RawEvent, RecordFlags, Trust};
use agent::kernel::{Backend, Capability, behaviours};
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
    Test {
        name: "compat::names_by_io_uring_are_seen_where_that_is_promised",
        run: uring_names,
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
    row: &str,
    pick: impl Fn(&Payload) -> Option<Net>,
) -> Result<Net> {
    let slot = container.slot;
    let found = |event: &RawEvent| {
        let ours = event.slot() == Some(slot);
        let net = ours.then(|| pick(&event.payload)).flatten()?;
        Some((event.header.flags.trust(), net))
    };
    let (trust, net) = world.expect("the socket's event", found)?;
    ensure!(Some(trust) == promised(world, row)?, "trust {}", trust.name());
    Ok(net)
}

fn uring_connect(world: &mut World) -> Result<()> {
    let mut container = Container::start(world, Spec::default())?;
    let peer = TcpListener::bind("127.0.0.1:0")?;
    let port = peer.local_addr()?.port();
    if !by_uring(&mut container, &format!("uring-connect {port}"))? {
        return Ok(());
    }
    let net = expect_net(world, &container, "connect_io_uring", |payload| match payload {
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
    let net = expect_net(world, &container, "listen_io_uring", |payload| match payload {
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
    let Some(trust) = promised(world, "open_io_uring")? else {
        return Ok(());
    };
    let event = world.expect("FILE_OPEN", |event| {
        (opened(event)? == path).then(|| event.clone())
    })?;
    by_ring(&event, &container, trust)
}

/// What the coverage table promises of a behaviour. `None`: nothing.
fn promised(world: &World, row: &str) -> Result<Option<Trust>> {
    let backend = |capability| world.report(capability).and_then(|report| report.backend);
    let by_object = behaviours()
        .filter(|behaviour| behaviour.name == row && behaviour.natively == Some(Capability::IoUring))
        .any(|behaviour| {
            matches!(
                backend(behaviour.capability),
                Some(Backend::Lsm | Backend::Fentry)
            )
        });
    let by_ring = backend(Capability::IoUring).is_some();
    ensure!(!(by_object && by_ring), "both are attached");
    Ok(rows::sight(world.sensor.reports(), row)?.trust())
}

/// Its head says who had it done, and how.
fn by_ring(event: &RawEvent, container: &Container, trust: Trust) -> Result<()> {
    let flags = event.header.flags;
    ensure!(flags.has(RecordFlags::IO_URING), "flags {:#x}", flags.0);
    ensure!(flags.trust() == trust, "trust {}", flags.trust().name());
    let tgid = event.header.tgid;
    ensure!(tgid == container.init.pid, "of process {tgid}");
    Ok(())
}

/// In directories of their own: what is done twice in one is a repeat.
fn uring_names(world: &mut World) -> Result<()> {
    let deeds: [(&str, &str, Pick); 4] = [
        ("uring-unlink", "unlink_io_uring", |payload| match payload {
            Payload::Unlink(name) => Some(name),
            _ => None,
        }),
        ("uring-rename", "rename_io_uring", |payload| match payload {
            Payload::Rename(name) => Some(name),
            _ => None,
        }),
        ("uring-link", "link_io_uring", |payload| match payload {
            Payload::Link(name) => Some(name),
            _ => None,
        }),
        ("uring-symlink", "link_io_uring", |payload| match payload {
            Payload::Symlink(name) => Some(name),
            _ => None,
        }),
    ];
    let mut container = Container::start(world, Spec::default())?;
    for (deed, row, pick) in deeds {
        let folder = world.path(deed);
        std::fs::create_dir(&folder)?;
        let (old, new) = (folder.join("old"), folder.join("new"));
        std::fs::write(&old, "")?;
        let new = (deed != "uring-unlink").then_some(new);
        let words = [Some(&old), new.as_ref()].into_iter().flatten();
        let words: Vec<String> = words.map(|path| path.display().to_string()).collect();
        if !by_uring(&mut container, &format!("{deed} {}", words.join(" ")))? {
            continue;
        }
        let Some(trust) = promised(world, row)? else {
            continue;
        };
        let slot = container.slot;
        let (event, name) = world.expect(deed, |event| {
            let ours = event.slot() == Some(slot);
            let name = ours.then(|| pick(&event.payload)).flatten()?;
            Some((event.clone(), name.clone()))
        })?;
        ensure!(name.path.to_text() == words[0], "{deed}: {}", name.path);
        let second = words.get(1).map_or("", String::as_str);
        ensure!(name.new_path.to_text() == second, "{deed}: {}", name.new_path);
        by_ring(&event, &container, trust)?;
    }
    Ok(())
}

/// The names that an event is about, when it is of the kind.
type Pick = fn(&Payload) -> Option<&Name>;
