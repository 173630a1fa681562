//! What leaves the kernel, how often, and what the books say of it.

use crate::Test;
use crate::identity::opened;
use crate::lab::{Container, Spec, World};
use agent::event::{ContainerOp, EventHeader, Payload, RawEvent, RecordFlags, SlotKey};
use agent_common::counter::{KernelError, Outcome, SlotBooks};
use agent_common::event::EventKind;
use agent_common::slot::{SlotControl, SlotRef};
use agent_tests::command::wait_until;
use anyhow::{Context, Result, ensure};
use std::time::Duration;

pub(crate) const TESTS: &[Test] = &[
    Test {
        name: "volume::repeats_are_counted_and_not_sent",
        run: repeats,
    },
    Test {
        name: "volume::a_watched_container_sends_repeats",
        run: export_all,
    },
    Test {
        name: "volume::a_new_epoch_makes_behaviours_leave_again",
        run: new_epoch,
    },
    Test {
        name: "volume::a_rearmed_behaviour_leaves_again",
        run: rearm,
    },
    Test {
        name: "volume::a_flood_is_held_to_its_share_and_said",
        run: flood,
    },
    Test {
        name: "volume::a_directory_that_is_emptied_is_one_record",
        run: emptied,
    },
    Test {
        name: "volume::a_file_with_a_used_inode_number_is_another_one",
        run: reused_inode,
    },
    Test {
        name: "volume::each_container_has_books_of_its_own",
        run: own_books,
    },
    Test {
        name: "volume::names_in_procfs_are_told_apart_to_their_ends",
        run: long_names,
    },
    Test {
        name: "volume::the_books_balance",
        run: books_balance,
    },
];

/// Errors that no workload can cause: the programs themselves went wrong. The others count what containers of the machine,
/// or other tests, may do (deep paths, arguments that are not in memory, more containers than slots).
const OWN_ERRORS: [KernelError; 3] = [
    KernelError::TASK_STORAGE,
    KernelError::MAP_UPDATE,
    KernelError::TAIL_CALL,
];

/// More than one container's share of the activity ring.
const FLOOD: u64 = 40_000;

/// Files of the directory that is emptied.
const EMPTIED: u64 = 10_000;

/// A container and a file of its own.
struct Scene {
    container: Container,
    path: String,
}

impl Scene {
    fn set(world: &mut World, name: &str) -> Result<Self> {
        let container = Container::start(world, Spec::default())?;
        let path = world.file(name)?.to_string_lossy().into_owned();
        Ok(Self { container, path })
    }

    fn open(&mut self, times: u64) -> Result<()> {
        self.container
            .init
            .act(&format!("open-many {} {times}", self.path))
            .map(drop)
    }

    /// Heads of the events of the file, oldest first.
    fn events(&self, world: &mut World) -> Result<Vec<EventHeader>> {
        let ours = |event: &&agent::event::RawEvent| {
            event.slot() == Some(self.container.slot) && opened(event).as_ref() == Some(&self.path)
        };
        Ok(world
            .events()?
            .iter()
            .filter(ours)
            .map(|event| event.header)
            .collect())
    }

    fn control(&self, world: &mut World, change: impl FnOnce(&mut SlotControl)) -> Result<()> {
        let slots = &mut world.sensor.slots;
        let mut control = slots.control(self.container.slot.slot);
        change(&mut control);
        Ok(slots.set_control(self.container.slot.slot, control)?)
    }
}

fn repeats(world: &mut World) -> Result<()> {
    let mut scene = Scene::set(world, "repeated")?;
    let repeated = |world: &World| -> Result<u64> {
        Ok(world
            .sensor
            .books
            .read()?
            .get(EventKind::FILE_OPEN, Outcome::REPEATED))
    };
    scene.open(1)?;
    let before = repeated(world)?;
    scene.open(499)?;
    let events = scene.events(world)?;
    ensure!(events.len() == 1, "{} events", events.len());
    let count = world.sensor.slots.occurrences(&events[0].behaviour);
    ensure!(count == Some(500), "counted {count:?}");
    let booked = repeated(world)? - before;
    ensure!(booked >= 499, "booked {booked}");
    Ok(())
}

fn export_all(world: &mut World) -> Result<()> {
    let mut scene = Scene::set(world, "watched")?;
    scene.control(world, |control| control.flags |= SlotControl::EXPORT_ALL)?;
    scene.open(50)?;
    let events = scene.events(world)?;
    ensure!(events.len() == 50, "{} events", events.len());
    let repeats = events
        .iter()
        .filter(|event| event.flags.has(RecordFlags::REPEAT))
        .count();
    ensure!(repeats == 49, "{repeats} of them are said to be repeats");
    ensure!(!events[0].flags.has(RecordFlags::REPEAT), "the first one is");
    let count = world.sensor.slots.occurrences(&events[0].behaviour);
    ensure!(count == Some(50), "counted {count:?}");
    scene.control(world, |control| control.flags &= !SlotControl::EXPORT_ALL)?;
    scene.open(50)?;
    let events = scene.events(world)?.len();
    ensure!(events == 50, "{} events after nobody watches", events - 50);
    Ok(())
}

fn new_epoch(world: &mut World) -> Result<()> {
    let mut scene = Scene::set(world, "renewed")?;
    scene.open(10)?;
    ensure!(scene.events(world)?.len() == 1, "not once");
    scene.control(world, |control| control.epoch += 1)?;
    scene.open(10)?;
    let events = scene.events(world)?;
    ensure!(events.len() == 2, "{} events", events.len());
    ensure!(
        events[1].behaviour.epoch == events[0].behaviour.epoch + 1,
        "the same epoch"
    );
    Ok(())
}

fn rearm(world: &mut World) -> Result<()> {
    let mut scene = Scene::set(world, "rearmed")?;
    scene.open(7)?;
    let behaviour = scene.events(world)?.first().context("no event")?.behaviour;
    let count = world.sensor.slots.rearm(&behaviour).map(|value| value.count);
    ensure!(count == Some(7), "counted {count:?}");
    scene.open(3)?;
    let events = scene.events(world)?.len();
    ensure!(events == 2, "{events} events");
    let count = world.sensor.slots.rearm(&behaviour).map(|value| value.count);
    ensure!(count == Some(3), "then counted {count:?}");
    ensure!(world.sensor.slots.rearm(&behaviour).is_none(), "rearmed twice");
    Ok(())
}

/// One container cannot use the ring up: what another shows once meanwhile arrives.
fn flood(world: &mut World) -> Result<()> {
    let mut scene = Scene::set(world, "flooded")?;
    let mut other = Scene::set(world, "beside-the-flood")?;
    scene.control(world, |control| control.flags |= SlotControl::EXPORT_ALL)?;
    let lost = |world: &World| -> Result<u64> {
        let books = world.sensor.books.read()?;
        let reasons = [Outcome::LOST_RING_FULL, Outcome::LOST_QUOTA];
        Ok(reasons
            .iter()
            .map(|reason| books.get(EventKind::FILE_OPEN, *reason))
            .sum())
    };
    let before = lost(world)?;
    // Nobody reads the ring meanwhile.
    scene.open(FLOOD)?;
    other.open(1)?;
    let lost = lost(world)? - before;
    ensure!(lost > 0, "{FLOOD} records fit the container's share");
    ensure!(
        other.events(world)?.len() == 1,
        "the flood pushed out another's event"
    );
    let its_loss = |world: &World, scene: &Scene| {
        let SlotKey { slot, generation } = scene.container.slot;
        let books = world.sensor.slots.books(SlotRef { slot, generation });
        books.map(|books| books.outcomes[Outcome::LOST_QUOTA.0 as usize])
    };
    ensure!(its_loss(world, &other) == Some(0), "another's loss");
    let own = its_loss(world, &scene).unwrap_or(0);
    ensure!(own > 0 && own <= lost, "its own loss: {own} of {lost}");
    let events = scene.events(world)?;
    let sent = u64::try_from(events.len())?;
    // Other containers of the machine may have lost some too.
    ensure!(sent + lost >= FLOOD, "{sent} sent, {lost} lost, of {FLOOD}");
    ensure!(
        !events[0].flags.has(RecordFlags::LOSSY),
        "lossy before anything was lost"
    );
    let key = events[0].behaviour;
    let count = world.sensor.slots.occurrences(&key);
    ensure!(count == Some(FLOOD), "counted {count:?}");
    let last = wait_until("the share of the next moment", Duration::from_secs(10), || {
        let seen = scene.events(world).ok()?.len();
        scene.open(1).ok()?;
        let events = scene.events(world).ok()?;
        (events.len() > seen).then(|| events.last().copied()).flatten()
    })?;
    ensure!(last.flags.has(RecordFlags::LOSSY), "flags {:#x}", last.flags.0);
    std::fs::write(world.path("beside-the-flood-too"), "")?;
    other.path = world.path("beside-the-flood-too").to_string_lossy().into_owned();
    other.open(1)?;
    let beside = other.events(world)?;
    ensure!(
        beside.len() == 1 && !beside[0].flags.has(RecordFlags::LOSSY),
        "another container is said to lose events: {beside:?}"
    );
    Ok(())
}

/// `rm -r`: the first removal leaves, the others are counted, each.
fn emptied(world: &mut World) -> Result<()> {
    let mut container = Container::start(world, Spec::default())?;
    let folder = world.path("emptied");
    std::fs::create_dir(&folder)?;
    for number in 0..EMPTIED {
        std::fs::write(folder.join(number.to_string()), "")?;
    }
    let removed = container.init.act(&format!("unlink-many {}", folder.display()))?;
    ensure!(u64::try_from(removed)? == EMPTIED, "{removed} removed");
    let ours = |event: &&agent::event::RawEvent| {
        event.slot() == Some(container.slot) && matches!(event.payload, Payload::Unlink(_))
    };
    let keys: Vec<_> = world
        .events()?
        .iter()
        .filter(ours)
        .map(|event| event.header.behaviour)
        .collect();
    ensure!(keys.len() == 1, "{} records", keys.len());
    let count = world.sensor.slots.occurrences(&keys[0]);
    ensure!(count == Some(EMPTIED), "counted {count:?}");
    Ok(())
}

/// Filesystems give a number that was given back to the next file.
fn reused_inode(world: &mut World) -> Result<()> {
    const ROUNDS: usize = 5;
    let mut container = Container::start(world, Spec::default())?;
    let path = world.path("dropped").to_string_lossy().into_owned();
    for _ in 0..ROUNDS {
        std::fs::copy("/proc/self/exe", &path)?;
        let deed = format!("exec {path} once open-read /proc/self/stat");
        container.init.act(&deed)?;
        std::fs::remove_file(&path)?;
    }
    let executed = world.count(|event| match &event.payload {
        Payload::Exec(exec) => exec.path.to_text() == path,
        _ => false,
    })?;
    ensure!(executed == ROUNDS, "{executed} of {ROUNDS} programs seen");
    Ok(())
}

/// Figures are the container's alone, and the next owner of its slot begins with none.
fn own_books(world: &mut World) -> Result<()> {
    let mut scene = Scene::set(world, "in-the-books")?;
    let mut other = Scene::set(world, "in-other-books")?;
    let books = |world: &World, slot: SlotKey| {
        let SlotKey { slot, generation } = slot;
        let books = world.sensor.slots.books(SlotRef { slot, generation });
        books.context("no books of the container")
    };
    let (slot, before) = (scene.container.slot, books(world, other.container.slot)?);
    let opened = |books: &SlotBooks| books.seen[usize::from(EventKind::FILE_OPEN.0)];
    let repeated = |books: &SlotBooks| books.outcomes[Outcome::REPEATED.0 as usize];
    let first = books(world, slot)?;
    scene.open(100)?;
    let now = books(world, slot)?;
    ensure!(opened(&now) - opened(&first) == 100, "{now:?}");
    ensure!(repeated(&now) - repeated(&first) == 99, "{now:?}");
    ensure!(now.seen() == now.booked(), "{now:?}");
    ensure!(books(world, other.container.slot)? == before, "another's deeds");
    other.open(1)?;
    scene.container.stop()?;
    world.expect("the container's end", |event| {
        lifecycle_of(event, slot, ContainerOp::GONE)
    })?;
    let SlotKey { slot, generation } = slot;
    world.sensor.slots.recycle(SlotRef { slot, generation })?;
    ensure!(
        world.sensor.slots.books(SlotRef { slot, generation }).is_none(),
        "they are still the former owner's"
    );
    let generation = generation + 1;
    let next = world.sensor.slots.books(SlotRef { slot, generation });
    ensure!(next == Some(SlotBooks::of(generation)), "{next:?}");
    Ok(())
}

fn lifecycle_of(event: &RawEvent, slot: SlotKey, wanted: ContainerOp) -> Option<()> {
    let lifecycle = matches!(&event.payload, Payload::Container(found) if found.op == wanted);
    (lifecycle && event.slot() == Some(slot)).then_some(())
}

/// Files of procfs are told apart by their names, also where these begin and end alike.
fn long_names(world: &mut World) -> Result<()> {
    let folder = "/proc/sys/vm/dirty_background_";
    let mut container = Container::start(world, Spec::default())?;
    for name in ["bytes", "ratio"] {
        container.init.act(&format!("open-read {folder}{name}"))?;
    }
    for name in ["bytes", "ratio"] {
        let path = format!("{folder}{name}");
        let times = world.count(|event| opened(event).as_ref() == Some(&path))?;
        ensure!(times == 1, "{path} was reported {times} times");
    }
    Ok(())
}

/// How often programs went wrong so far, by cause.
fn own_errors(world: &World) -> Result<Vec<(&'static str, u64)>> {
    let all = world.sensor.books.read()?.errors;
    let names: Vec<&str> = KernelError::ALL
        .into_iter()
        .filter(|(cause, _)| OWN_ERRORS.contains(cause))
        .map(|(_, name)| name)
        .collect();
    Ok(all.into_iter().filter(|(name, _)| names.contains(name)).collect())
}

fn books_balance(world: &mut World) -> Result<()> {
    let errors_before = own_errors(world)?;
    let mut scene = Scene::set(world, "booked")?;
    scene.open(20)?;
    scene.container.stop()?;
    world.forget()?;
    // Hooks of other containers of the machine may run at this moment.
    wait_until("books that balance", Duration::from_secs(20), || {
        let totals = world.sensor.books.read().ok()?;
        totals.mismatches().next().is_none().then_some(())
    })
    .with_context(|| {
        let totals = world.sensor.books.read();
        format!(
            "{:?}",
            totals.map(|totals| totals.mismatches().collect::<Vec<_>>())
        )
    })?;
    let errors = own_errors(world)?;
    ensure!(
        errors.len() == OWN_ERRORS.len() && errors == errors_before,
        "errors in programs: {errors_before:?} became {errors:?}"
    );
    Ok(())
}
