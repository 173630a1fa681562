//! Repeats of one deviation: counted to the last one, whatever else is going on.

use crate::Test;
use crate::enforcement::{end, enforced};
use crate::identity::opened;
use crate::lab::{Container, Spec, World};
use agent::event::RecordFlags;
use agent_common::behaviour::BehaviourKey;
use agent_common::counter::{Outcome, SlotBooks};
use agent_common::limits::{BEHAVIOUR_ENTRIES, DEVIATIONS_PER_SLOT};
use agent_common::slot::SlotRef;
use anyhow::{Context, Result, ensure};

pub(crate) const TESTS: &[Test] = &[
    Test {
        name: "repeats::a_million_of_one_deviation_are_one_record_and_counted_whatever_evicts_others",
        run: million,
    },
    Test {
        name: "repeats::none_is_missed_while_the_count_is_taken",
        run: taken,
    },
    Test {
        name: "repeats::a_container_has_a_share_and_what_exceeds_it_is_counted",
        run: share,
    },
    Test {
        name: "repeats::containers_that_are_gone_take_no_room",
        run: gone,
    },
];

/// Files that are as they should be. The cache keeps the last 128 that a processor added, unless that one adds more.
const EXPECTED: usize = 300;

/// Opened to be written, and not written.
const SETTINGS: [&str; 3] = [
    "/proc/sys/vm/dirty_background_bytes",
    "/proc/sys/vm/dirty_background_ratio",
    "/proc/sys/vm/stat_interval",
];

/// Emulated machines, told by the backend that is forced on them, do a part of it.
fn part(world: &World, whole: u64, part: u64) -> u64 {
    if world.forced.is_some() { part } else { whole }
}

fn write(container: &mut Container, path: &str, times: u64) -> Result<()> {
    container
        .init
        .act(&format!("write-many {path} {times}"))
        .map(drop)
}

/// Behaviours of the container that left for this file since records were last forgotten.
fn left(world: &mut World, container: &Container, path: &str) -> Result<Vec<BehaviourKey>> {
    let ours = world
        .events()?
        .iter()
        .filter(|event| event.slot() == Some(container.slot) && opened(event).as_deref() == Some(path));
    Ok(ours.map(|event| event.header.behaviour).collect())
}

fn books(world: &World, container: &Container) -> Result<SlotBooks> {
    let (slot, generation) = (container.slot.slot, container.slot.generation);
    let books = world.sensor.slots.books(SlotRef { slot, generation });
    books.context("no books of the container")
}

fn lost(books: &SlotBooks) -> u64 {
    let reasons = [
        Outcome::LOST_QUOTA,
        Outcome::LOST_RING_FULL,
        Outcome::LOST_SCRATCH_BUSY,
    ];
    reasons
        .iter()
        .map(|reason| books.outcomes[reason.0 as usize])
        .sum()
}

fn deviations(world: &World) -> u64 {
    let usage = world.sensor.slots.usage();
    let found = usage.iter().find(|usage| usage.map == "deviations");
    found.map_or(0, |usage| usage.entries)
}

/// More behaviours than the cache holds, each of another file.
fn flood(world: &mut World) -> Result<()> {
    let mut container = Container::start(world, Spec::default())?;
    let deed = format!("make-many {} 1000", world.path("flooding").display());
    let wanted = u64::from(BEHAVIOUR_ENTRIES) * 3 / 2;
    while books(world, &container)?.outcomes[Outcome::SENT.0 as usize] < wanted {
        container.init.act(&deed)?;
        world.forget()?;
    }
    container.stop().map(drop)
}

fn million(world: &mut World) -> Result<()> {
    let [setting, ..] = SETTINGS;
    let half = part(world, 500_000, 50_000);
    let mut container = Container::start(world, Spec::default())?;
    let path = world.path("expected").to_string_lossy().into_owned();
    container.init.act(&format!("make-many {path} {EXPECTED}"))?;
    write(&mut container, setting, half)?;
    let expected = left(world, &container, &path)?;
    let keys = left(world, &container, setting)?;
    ensure!(
        expected.len() == EXPECTED && keys.len() == 1,
        "{} and {keys:?}",
        expected.len()
    );
    flood(world)?;
    let slots = &world.sensor.slots;
    let kept = expected.iter().filter(|key| slots.occurrences(key).is_some());
    let kept = kept.count();
    ensure!(
        kept < EXPECTED / 2,
        "{kept} of what is expected survived the flood"
    );
    write(&mut container, setting, half)?;
    let again = left(world, &container, setting)?;
    ensure!(again.is_empty(), "it left again");
    let books = books(world, &container)?;
    ensure!(
        lost(&books) == 0 && books.seen() == books.booked(),
        "its books: {books:?}"
    );
    let count = world.sensor.slots.rearm(&keys[0]).map(|value| value.count);
    ensure!(count == Some(2 * half), "counted {count:?}");
    container.stop().map(drop)
}

/// Every occurrence is in one of the counts, also those between the reading of a count and its end.
fn taken(world: &mut World) -> Result<()> {
    let [setting, ..] = SETTINGS;
    let times = part(world, 300_000, 20_000);
    let mut container = Container::start(world, Spec::default())?;
    write(&mut container, setting, 1)?;
    let key = *left(world, &container, setting)?.first().context("no record")?;
    let (mut takes, mut sum) = (0_u64, 0_u64);
    std::thread::scope(|scope| -> Result<()> {
        let init = &mut container.init;
        let actor = scope.spawn(move || init.act(&format!("write-many {setting} {times}")));
        while !actor.is_finished() {
            sum += world.sensor.slots.rearm(&key).map_or(0, |value| value.count);
            takes += 1;
            world.forget()?;
        }
        actor.join().ok().context("the actor panicked")?.map(drop)
    })?;
    sum += world.sensor.slots.rearm(&key).map_or(0, |value| value.count);
    let lost = lost(&books(world, &container)?);
    ensure!(takes > 10, "it was taken {takes} times only");
    ensure!(
        sum + lost == times + 1,
        "{sum} counted and {lost} lost of {times}, in {takes} times"
    );
    container.stop().map(drop)
}

fn full(world: &World) -> Result<u64> {
    let errors = world.sensor.books.read()?.errors;
    let found = errors.iter().find(|(name, _)| *name == "deviations_full");
    found.map(|(_, count)| *count).context("no such error")
}

fn share(world: &mut World) -> Result<()> {
    const BEYOND: u64 = 50;
    let mut container = enforced(world, "files: {write: [{path: /nothing}]}")?;
    let (errors, before) = (full(world)?, deviations(world));
    let path = world.path("outside").to_string_lossy().into_owned();
    container
        .init
        .act(&format!("make-many {path} {}", DEVIATIONS_PER_SLOT + BEYOND))?;
    let outside = |event: &agent::event::RawEvent| event.header.flags.has(RecordFlags::OUTSIDE_POLICY);
    let told = world.count(|event| event.slot() == Some(container.slot) && outside(event))?;
    ensure!(
        u64::try_from(told)? == DEVIATIONS_PER_SLOT + BEYOND,
        "{told} told"
    );
    let (more, used) = (full(world)? - errors, deviations(world) - before);
    // Where its start left deviations too, they have a part of the share.
    ensure!(
        more >= BEYOND && used + more == DEVIATIONS_PER_SLOT + BEYOND && used > DEVIATIONS_PER_SLOT / 2,
        "{more} beyond, {used} in the table"
    );

    // What found no room there is one of all behaviours.
    let file = world.file("beyond")?.to_string_lossy().into_owned();
    write(&mut container, &file, 3)?;
    let keys = left(world, &container, &file)?;
    ensure!(keys.len() == 1, "{} records", keys.len());
    ensure!(world.sensor.slots.occurrences(&keys[0]) == Some(3), "not counted");
    ensure!(
        world
            .sensor
            .slots
            .rearm(&keys[0])
            .is_some_and(|value| value.count == 3),
        "not taken"
    );

    // Others have their own.
    let mut other = Container::start(world, Spec::default())?;
    let used = deviations(world);
    write(&mut other, SETTINGS[0], 5)?;
    ensure!(deviations(world) == used + 1, "another's found no room");
    let key = *left(world, &other, SETTINGS[0])?.first().context("no record")?;
    ensure!(world.sensor.slots.occurrences(&key) == Some(5), "another's count");

    // What no alert counts any more makes room in a crowded share, and only there.
    world.sensor.slots.sweep(u64::MAX)?;
    ensure!(
        world.sensor.slots.occurrences(&key) == Some(5),
        "an uncrowded share was swept"
    );
    container.init.act(&format!("make-many {path} 1"))?;
    ensure!(full(world)? - errors == more + 1, "there is no room yet");
    let books = books(world, &container)?;
    ensure!(books.seen() == books.booked(), "{books:?}");
    other.stop()?;
    end(world, container)
}

fn gone(world: &mut World) -> Result<()> {
    let recycle = |world: &mut World| -> Result<u64> {
        world.forget()?;
        let gone: Vec<_> = world.sensor.slots.gone().collect();
        for slot in gone {
            world.sensor.slots.recycle(slot)?;
        }
        world.sensor.slots.sweep(0)?;
        Ok(deviations(world))
    };
    let before = recycle(world)?;
    for _ in 0..part(world, 100, 5) {
        let mut container = Container::start(world, Spec::default())?;
        for setting in SETTINGS {
            write(&mut container, setting, 2)?;
        }
        container.stop()?;
    }
    let settings = u64::try_from(SETTINGS.len())?;
    let used = deviations(world) - before;
    ensure!(
        used >= settings * part(world, 100, 5),
        "{used} deviations are remembered"
    );
    let after = recycle(world)?;
    ensure!(after == before, "{after} deviations are left, {before} before");
    Ok(())
}
