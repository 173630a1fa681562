//! Memory that the kernel takes for the sensor's maps when they are full of what a large host has.

use crate::Test;
use crate::enforcement::profile;
use crate::lab::container::unique_id;
use crate::lab::{World, hierarchies};
use agent::event::SlotKey;
use agent::profile::CompiledProfile;
use anyhow::{Context, Result, bail, ensure};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

pub(crate) const TESTS: &[Test] = &[Test {
    name: "memory::maps_of_500_containers_and_100_profiles",
    run: crowd,
}];

const CONTAINERS: u32 = 500;
const PROFILES: u32 = 100;
/// What an operator has to expect, bytes.
const ALLOWED: u64 = 32 << 20;
/// What the kernel's allocator takes for an entry of a policy, and for a network; and for each node between two networks, of which there are
/// as many at most, and which are in no map's account.
const ALLOCATED: u64 = 96;
/// From here on `memlock` is what a map really takes; before it is keys and values, as many as there can be.
const EXACT_SINCE: (u32, u32) = (6, 4);

/// Control groups of containers that nothing runs in.
struct Groups(Vec<PathBuf>);

impl Drop for Groups {
    fn drop(&mut self) {
        for group in self.0.drain(..) {
            // Whoever cleans the machine up finds it.
            let _left = fs::remove_dir(group);
        }
    }
}

/// A thousand entries, of each section some.
fn entries(number: u32) -> Result<Arc<CompiledProfile>> {
    let mut text = String::from("exec:\n");
    for entry in 0..250 {
        let parents = if entry % 5 == 0 {
            ", parents: [/usr/sbin/service]"
        } else {
            ""
        };
        writeln!(text, "  - {{path: /usr/bin/program-{number}-{entry}{parents}}}")?;
    }
    text.push_str("files:\n  write:\n");
    for entry in 0..450 {
        let below = if entry % 3 == 0 { "/**" } else { "" };
        writeln!(
            text,
            "    - {{path: /var/lib/service-{number}/of/{entry}{below}}}"
        )?;
    }
    text.push_str("listen:\n");
    for entry in 0..50 {
        writeln!(text, "  - {{port: {}}}", 8000 + entry)?;
    }
    text.push_str("connect:\n");
    for entry in 0..250 {
        writeln!(text, "  - {{cidr: 10.{number}.{entry}.0/24, port: 5432}}")?;
    }
    profile(&text)
}

/// The maps that this process has: kernel memory of each, bytes.
fn maps() -> Result<BTreeMap<String, u64>> {
    let mut by_id = BTreeMap::new();
    for entry in fs::read_dir("/proc/self/fdinfo")? {
        // The folder's own descriptor is closed by now.
        let Ok(text) = fs::read_to_string(entry?.path()) else {
            continue;
        };
        let field = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name));
            line.and_then(|value| value.trim().parse::<u64>().ok())
        };
        if let (Some(id), Some(bytes)) = (field("map_id:"), field("memlock:")) {
            by_id.insert(id, bytes);
        }
    }
    let mut maps = BTreeMap::new();
    for map in aya::maps::loaded_maps().filter_map(Result::ok) {
        if let Some(bytes) = by_id.get(&u64::from(map.id())) {
            *maps
                .entry(map.name_as_str().unwrap_or("?").to_owned())
                .or_default() += bytes;
        }
    }
    Ok(maps)
}

/// Memory of the kernel's allocator for small things, of the whole machine, bytes.
fn slab() -> Result<u64> {
    let text = fs::read_to_string("/proc/meminfo")?;
    let line = text.lines().find_map(|line| line.strip_prefix("Slab:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    Ok(kib.context("no Slab")? * 1024)
}

fn is_exact() -> bool {
    let release = rustix::system::uname().release().to_string_lossy().into_owned();
    let mut numbers = release.split('.').map_while(|word| word.parse::<u32>().ok());
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)) >= EXACT_SINCE
}

fn start(world: &mut World) -> Result<(Groups, Vec<SlotKey>)> {
    let mut groups = Groups(Vec::new());
    let before: Vec<u32> = world.sensor.slots.in_use().map(|slot| slot.slot).collect();
    for _ in 0..CONTAINERS {
        let id = unique_id();
        for hierarchy in hierarchies() {
            let group = hierarchy.root.join(&id);
            fs::create_dir(&group)?;
            groups.0.push(group);
        }
    }
    let in_use = world.sensor.slots.in_use();
    let slots = in_use
        .filter(|slot| !before.contains(&slot.slot))
        .map(|slot| SlotKey {
            slot: slot.slot,
            generation: slot.state.generation,
        });
    let slots: Vec<SlotKey> = slots.take(CONTAINERS as usize).collect();
    ensure!(slots.len() == CONTAINERS as usize, "{} slots", slots.len());
    world.forget()?;
    Ok((groups, slots))
}

fn assign(world: &mut World, slots: &[SlotKey]) -> Result<()> {
    let profiles = (0..PROFILES).map(entries).collect::<Result<Vec<_>>>()?;
    for (slot, profile) in slots.iter().zip(profiles.iter().cycle()) {
        let [_, _, high, low] = slot.slot.to_be_bytes();
        let last = u16::from_be_bytes([high, low]);
        let own = [format!("172.17.{high}.{low}/16"), format!("fd00::{last:x}/64")];
        let own = own.map(|network| network.parse());
        let [Ok(four), Ok(six)] = own else {
            bail!("no network");
        };
        world.sensor.assign(*slot, Some(profile), &[four, six])?;
    }
    let (count, entries) = world.sensor.policies.count();
    ensure!(
        count >= PROFILES as usize && entries >= 1000 * PROFILES as usize,
        "{count} policies, {entries} entries"
    );
    Ok(())
}

/// Maps of fixed size take what they take, however full they are: behaviours, lineage, states, books. What grows is filled.
fn crowd(world: &mut World) -> Result<()> {
    let (groups, slots) = start(world)?;
    let (empty, before) = (maps()?, slab()?);
    assign(world, &slots)?;
    let (full, taken) = (maps()?, slab()?.saturating_sub(before));
    for (name, bytes) in &full {
        println!("{name:16} {:>8} KiB", bytes >> 10);
    }
    let sum = |maps: &BTreeMap<String, u64>| maps.values().sum::<u64>();
    let [entries, networks] = world.sensor.policies.usage().map(|usage| usage.entries);
    let allocated = (entries + 2 * networks) * ALLOCATED;
    let total = sum(&empty) + allocated;
    println!(
        "all at most {} KiB: {} KiB by the maps' account; of it {} KiB for {entries} entries and {networks} networks, \
         {} KiB with what is rounded up, while the machine's Slab grew by {} KiB",
        total >> 10,
        sum(&full) >> 10,
        (sum(&full) - sum(&empty)) >> 10,
        allocated >> 10,
        taken >> 10,
    );
    for slot in &slots {
        world.sensor.assign(*slot, None, &[])?;
    }
    drop(groups);
    world.forget()?;
    let gone: Vec<_> = world.sensor.slots.gone().collect();
    for slot in gone {
        world.sensor.slots.recycle(slot)?;
    }
    ensure!(
        !is_exact() || total <= ALLOWED,
        "{} KiB of {}",
        total >> 10,
        ALLOWED >> 10
    );
    Ok(())
}
