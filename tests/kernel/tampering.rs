//! Who has root on the host, and tries to blind the sensor without ending it.

use crate::Test;
use crate::by_id::{self, Map};
use crate::lab::{Container, Spec, World};
use agent::event::Payload;
use agent::kernel::{Change, Part};
use agent_common::limits::POLICY_ENTRIES;
use agent_tests::command::wait_until;
use anyhow::{Context, Result, bail, ensure};
use std::collections::BTreeSet;
use std::time::Duration;

pub(crate) const TESTS: &[Test] = &[
    Test {
        name: "tampering::maps_that_only_programs_write_are_closed_to_root",
        run: sealed,
    },
    Test {
        name: "tampering::what_others_change_of_the_daemons_decisions_is_put_right",
        run: decisions,
    },
    Test {
        name: "tampering::a_watched_name_that_was_taken_out_is_there_again",
        run: names,
    },
    Test {
        name: "tampering::a_detached_program_is_attached_again",
        run: links,
    },
    Test {
        name: "tampering::programs_answer_the_daemon",
        run: answers,
    },
    Test {
        name: "tampering::the_maps_are_within_their_bound",
        run: memory,
    },
];

const HASH: u32 = 1;
const ARRAY: u32 = 2;
const PROG_ARRAY: u32 = 3;
const PERCPU_ARRAY: u32 = 6;
pub(crate) const LRU_HASH: u32 = 9;
const TASK_STORAGE: u32 = 29;
const EPERM: i32 = 1;

/// Kernel memory of all maps, bytes.
const MAX_MEMORY: u64 = 32 << 20;

pub(crate) fn find(what: &str, like: impl Fn(&Map) -> bool) -> Result<Map> {
    by_id::maps()?
        .into_iter()
        .find(like)
        .with_context(|| format!("no map of {what}"))
}

/// By type and size of key and value: names in procfs there are none.
fn sealed(world: &mut World) -> Result<()> {
    let closed: &[(&str, u32, usize)] = &[
        ("cgroups", HASH, 16),
        ("container ids", HASH, 128),
        ("processes that ran before", HASH, 4),
        ("behaviours", LRU_HASH, 48),
        ("deviations", HASH, 48),
        ("lineage", LRU_HASH, 8),
        ("handlers", PROG_ARRAY, 4),
        ("counters", PERCPU_ARRAY, 4),
        ("labels", TASK_STORAGE, 4),
    ];
    // Whatever was read from them before.
    let mut container = Container::start(world, Spec::default())?;
    for (what, kind, key_size) in closed {
        // What profiles allow has keys as long as those of cgroups, and stays open: the daemon writes it.
        let map = find(what, |map| {
            (map.kind, map.key_size) == (*kind, *key_size) && map.entries != POLICY_ENTRIES
        })?;
        for attempt in [map.write(), map.delete(&[])] {
            let refused = attempt.err().and_then(|error| error.raw_os_error());
            ensure!(refused == Some(EPERM), "{what}: {refused:?}");
        }
    }
    let path = world.file("after")?.to_string_lossy().into_owned();
    container.init.act(&format!("open-read {path}"))?;
    world.expect("the open", |event| match &event.payload {
        Payload::FileOpen(open) if event.slot() == Some(container.slot) => {
            (open.path.to_text() == path).then_some(())
        }
        _ => None,
    })?;
    Ok(())
}

/// One change, put right, and nothing more.
fn expect_repaired(world: &mut World, part: Part, name: &str) -> Result<()> {
    let changes = world.sensor.inspect();
    let expected = Change {
        part,
        name: name.to_owned(),
        obstacle: None,
    };
    ensure!(changes == [expected], "{changes:?}");
    let again = world.sensor.inspect();
    ensure!(again.is_empty(), "then {again:?}");
    Ok(())
}

fn decisions(world: &mut World) -> Result<()> {
    let slots = &mut world.sensor.slots;
    let mut told = slots.control(0);
    told.flags = 0x40;
    slots.set_control(0, told)?;
    ensure!(world.sensor.inspect().is_empty(), "its own change");
    let map = find("decisions", |map| {
        (map.kind, map.value_size, map.entries) == (ARRAY, 8, 4096)
    })?;
    map.write()?;
    expect_repaired(world, Part::Map, "SLOT_CONTROL")
}

fn names(world: &mut World) -> Result<()> {
    world.sensor.slots.watch_names(["vigia-watched"])?;
    let hash = agent_common::name_hash(b"vigia-watched");
    let map = find("names", |map| {
        (map.kind, map.key_size, map.value_size) == (HASH, 8, 4)
    })?;
    map.delete(&hash.to_ne_bytes())?;
    expect_repaired(world, Part::Map, "WATCHED_NAMES")
}

/// Only where programs are linked to a cgroup: other links cannot be detached by others.
fn links(world: &mut World) -> Result<()> {
    let before = by_id::cgroup_links()?;
    let mut names = BTreeSet::new();
    for link in &before {
        by_id::detach(*link)?;
        let changes = world.sensor.inspect();
        let [
            Change {
                part: Part::Link,
                name,
                obstacle: None,
            },
        ] = &changes[..]
        else {
            bail!("{changes:?}");
        };
        ensure!(names.insert(name.clone()), "{name} for the second time");
        let again = world.sensor.inspect();
        ensure!(again.is_empty(), "then {again:?}");
    }
    ensure!(
        by_id::cgroup_links()?.len() == before.len(),
        "not all are attached again"
    );
    Ok(())
}

fn answers(world: &mut World) -> Result<()> {
    let expected = world.sensor.answering();
    ensure!(!expected.is_empty(), "calls of bpf(2) are not seen");
    world.sensor.call();
    let mut answered = Vec::new();
    wait_until("the programs' answers", Duration::from_secs(5), || {
        world.pump().ok()?;
        answered.extend(
            world
                .sensor
                .rings
                .take_answers()
                .iter()
                .map(|flags| flags.backend()),
        );
        (answered.len() >= expected.len()).then_some(())
    })
    .with_context(|| format!("{answered:?} of {expected:?}"))?;
    let expected: Vec<&str> = expected.iter().map(|backend| backend.name()).collect();
    ensure!(answered == expected, "{answered:?} of {expected:?}");
    Ok(())
}

fn memory(_world: &mut World) -> Result<()> {
    let bytes = by_id::memory()?;
    ensure!(bytes > 0 && bytes <= MAX_MEMORY, "{bytes} bytes");
    Ok(())
}
