//! Files that a profile does not name: not written, and not read where they hold secrets.

use super::{end, enforced, expect_told, means};
use crate::lab::{Container, Spec, World};
use agent::event::Payload;
use anyhow::{Context, Result, ensure};
use std::fs;

pub(super) fn written(world: &mut World) -> Result<()> {
    let (named, other) = (world.file("named")?, world.file("other")?);
    let own = std::env::current_exe()?;
    let rest = format!(
        "mode: {{drift: enforce}}\nfiles: {{write: [{{path: {}}}]}}",
        named.display()
    );
    let mut container = enforced(world, &rest)?;
    container
        .init
        .act(&format!("run write-existing {}", named.display()))?;
    world.forget()?;
    let wanted = means(world, "write")?;
    // It ends the process that does it.
    let deed = format!("exec {} once write-existing {}", own.display(), other.display());
    let denied = container.init.attempt(&deed);
    ensure!(denied.is_err(), "{denied:?}");
    expect_told(world, &container, &wanted, |payload| {
        matches!(payload, Payload::FileOpen(_))
    })?;
    // The name that the profile knows, in a root that anybody could have made.
    let root = world.path("root");
    let forged = root.join(named.strip_prefix("/")?);
    fs::create_dir_all(forged.parent().context("no folder")?)?;
    fs::write(&forged, "forged")?;
    let (root, named) = (root.display(), named.display());
    let deed = format!(
        "exec {} once in-root {root} write-existing {named}",
        own.display()
    );
    let denied = container.init.attempt(&deed);
    ensure!(denied.is_err(), "by another root's name: {denied:?}");
    let mut neighbour = Container::start(world, Spec::default())?;
    neighbour
        .init
        .act(&format!("write-existing {}", other.display()))?;
    neighbour.stop()?;
    end(world, container)
}

/// Files that hold secrets by their names, and those that the profile itself names for somebody.
pub(super) fn secrets(world: &mut World) -> Result<()> {
    let own = std::env::current_exe()?;
    let (named, others, plain) = (world.file("named")?, world.file("others")?, world.file("plain")?);
    let (named, others, plain) = (named.display(), others.display(), plain.display());
    let rest = format!(
        "mode: {{credential: enforce}}\nfiles: {{read: [{{path: {named}, exe: {}}}, {{path: {others}, exe: /other}}]}}",
        own.display()
    );
    let mut container = enforced(world, &rest)?;
    for allowed in [named.to_string(), plain.to_string(), "/etc/passwd".to_owned()] {
        container.init.act(&format!("run open-read {allowed}"))?;
    }
    world.forget()?;
    let wanted = means(world, "read")?;
    let reads = |payload: &Payload| matches!(payload, Payload::FileOpen(_));
    for secret in ["/etc/shadow".to_owned(), others.to_string()] {
        // It ends the process that does it.
        let deed = format!("exec {} once open-read {secret}", own.display());
        let denied = container.init.attempt(&deed);
        ensure!(denied.is_err(), "{secret}: {denied:?}");
        expect_told(world, &container, &wanted, reads)?;
        world.forget()?;
    }
    let mut neighbour = Container::start(world, Spec::default())?;
    neighbour.init.act(&format!("open-read {others}"))?;
    neighbour.stop()?;
    end(world, container)
}
