//! Descriptors that a sibling thread closes between a call and its return: what was done cannot be told, and is counted.

use crate::Test;
use crate::lab::{Container, Spec, World};
use agent::kernel::{Backend, Capability};
use agent_common::counter::Outcome;
use agent_common::event::EventKind;
use anyhow::{Context, Result, ensure};

pub(crate) const TESTS: &[Test] = &[
    Test {
        name: "vanished::a_file_that_is_closed_while_it_is_spliced",
        run: spliced,
    },
    Test {
        name: "vanished::a_socket_that_is_closed_while_it_connects",
        run: connected,
    },
];

fn spliced(world: &mut World) -> Result<()> {
    let path = world.file("closed-while-spliced")?;
    lost_by(
        world,
        EventKind::SYSCALL,
        &format!("splice-closed {}", path.display()),
    )
}

/// Hooks on objects see it before anybody can close anything.
fn connected(world: &mut World) -> Result<()> {
    let report = world.report(Capability::UnixConnect).context("no report")?;
    if report.backend != Some(Backend::Tracepoint) {
        return Ok(());
    }
    let path = world.path("closed-while-connecting.sock");
    lost_by(
        world,
        EventKind::UNIX_CONNECT,
        &format!("unix-connect-closed {}", path.display()),
    )
}

fn lost_by(world: &mut World, kind: EventKind, deed: &str) -> Result<()> {
    let lost =
        |world: &World| -> Result<u64> { Ok(world.sensor.books.read()?.get(kind, Outcome::LOST_UNREADABLE)) };
    let mut container = Container::start(world, Spec::default())?;
    let before = lost(world)?;
    container.init.act(deed)?;
    let lost = lost(world)? - before;
    ensure!(lost == 1, "{deed}: {lost} lost");
    container.stop().map(drop)
}
