//! Profiles that are enforced: what they do not name fails inside their container, and nowhere else.

mod answers;
mod capabilities;
mod escapes;
mod files;
mod listening;
mod peers;

use crate::Test;
use crate::capabilities::network::free_port;
use crate::lab::container::Actor;
use crate::lab::{Container, Spec, World};
use agent::event::{Payload, RawEvent, RecordFlags};
use agent::kernel::{Backend, SensorConfig};
use agent::profile::{CompiledProfile, compile, parse};
use agent_tests::command::wait_until;
use anyhow::{Context, Result, bail, ensure};
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

pub(crate) const TESTS: &[Test] = &[
    Test {
        name: "enforcement::listeners",
        run: listening::listeners,
    },
    Test {
        name: "enforcement::each_port_has_its_own_verdict",
        run: listening::ports,
    },
    Test {
        name: "enforcement::a_listener_that_was_never_bound",
        run: listening::unbound,
    },
    Test {
        name: "enforcement::contacts",
        run: contacts,
    },
    Test {
        name: "enforcement::contacts_with_containers_by_their_image",
        run: peers::images,
    },
    Test {
        name: "enforcement::contacts_with_containers_that_nobody_knows_yet",
        run: peers::strangers,
    },
    Test {
        name: "enforcement::programs",
        run: programs,
    },
    Test {
        name: "enforcement::files",
        run: files::written,
    },
    Test {
        name: "enforcement::secrets",
        run: files::secrets,
    },
    Test {
        name: "enforcement::capabilities",
        run: capabilities::outside_the_profile,
    },
    Test {
        name: "enforcement::capabilities_that_are_learned",
        run: capabilities::learned,
    },
    Test {
        name: "enforcement::what_is_monitored_is_not_denied",
        run: monitored,
    },
    Test {
        name: "enforcement::what_is_kept_denies_when_the_sensor_is_gone",
        run: kept,
    },
    Test {
        name: "enforcement::escapes_are_denied",
        run: escapes::denied,
    },
    Test {
        name: "enforcement::who_holds_a_namespace_of_the_host",
        run: escapes::held,
    },
    Test {
        name: "enforcement::what_looks_like_an_escape_and_is_none",
        run: escapes::twins,
    },
    Test {
        name: "enforcement::escapes_are_denied_from_the_first_program_on",
        run: escapes::switched,
    },
    Test {
        name: "enforcement::escapes_are_denied_when_the_sensor_is_gone",
        run: escapes::kept,
    },
    Test {
        name: "enforcement::the_kernel_and_the_daemon_judge_alike",
        run: answers::alike,
    },
];

const EPERM: i32 = 1;
const ENETUNREACH: i32 = 101;

pub(crate) fn profile(rest: &str) -> Result<Arc<CompiledProfile>> {
    let head = "apiVersion: vigia.dev/v1alpha1\nkind: BehaviorProfile\nmetadata: {name: test}\nmatch: {images: [test]}";
    let profile = parse(&format!("{head}\n{rest}\n"), Path::new("test.yaml"))?;
    Ok(Arc::new(compile(profile)))
}

/// A container with the profile.
pub(crate) fn enforced(world: &mut World, rest: &str) -> Result<Container> {
    let container = Container::start(world, Spec::default())?;
    world.sensor.assign(container.slot, Some(&profile(rest)?), &[])?;
    world.forget()?;
    Ok(container)
}

/// A container with a profile for which everything that denies is loaded, and what answers questions.
pub(crate) fn enforce_everything(world: &mut World) -> Result<Container> {
    let rest = "mode: {listener: enforce, lateral: enforce, drift: enforce, credential: enforce}\nexec: [{path: /x}]\n\
                files: {write: [{path: /x}], read: []}";
    let container = enforced(world, rest)?;
    answers::ask_once(world, &profile(rest)?)?;
    Ok(container)
}

/// Ends the container, and what is enforced with it.
pub(crate) fn end(world: &mut World, container: Container) -> Result<()> {
    let slot = container.stop()?;
    world.sensor.assign(slot, None, &[])?;
    ensure!(
        world.sensor.enforcement().is_empty(),
        "{:?}",
        world.sensor.enforcement()
    );
    ensure!(world.sensor.policies.count() == (0, 0), "a policy is left");
    Ok(())
}

/// What became of a deed that is to be denied.
#[derive(Debug, PartialEq, Eq)]
enum Fate {
    Denied,
    Killed,
}

fn fate(actor: &mut Actor, deed: &str) -> Result<Fate> {
    match actor.attempt(deed) {
        Ok(Err(EPERM)) => Ok(Fate::Denied),
        Ok(other) => bail!("{deed}: {other:?}"),
        Err(error) if error.to_string().contains("signal: 9") => Ok(Fate::Killed),
        Err(error) => Err(error),
    }
}

/// As the sensor says that it denies here.
fn means(world: &World, section: &str) -> Result<Fate> {
    let reports = world.sensor.enforcement();
    let report = reports.iter().find(|report| report.section == section);
    Ok(match report.context("nothing is enforced")?.means.action() {
        "denied" => Fate::Denied,
        _ => Fate::Killed,
    })
}

fn told(event: &RawEvent) -> Option<Fate> {
    let flags = event.header.flags;
    if flags.has(RecordFlags::DENIED) {
        Some(Fate::Denied)
    } else {
        flags.has(RecordFlags::KILLED).then_some(Fate::Killed)
    }
}

/// The record of the denial says what became of it, and comes once.
fn expect_told(
    world: &mut World,
    container: &Container,
    fate: &Fate,
    like: fn(&Payload) -> bool,
) -> Result<()> {
    let slot = container.slot;
    let is = |event: &RawEvent| {
        event.slot() == Some(slot) && like(&event.payload) && told(event).as_ref() == Some(fate)
    };
    world.expect("the denial", |event| is(event).then_some(()))?;
    let times = world.count(is)?;
    ensure!(times == 1, "it was told {times} times");
    Ok(())
}

/// In a network of its own, from which nothing gets anywhere.
fn nowhere(actor: &mut Actor, deed: &str) -> Result<i32> {
    match actor.attempt(&format!("in-own-network {deed}"))? {
        Err(number) => Ok(number),
        Ok(_) => bail!("{deed}: it got somewhere"),
    }
}

fn contacts(world: &mut World) -> Result<()> {
    let rest = "mode: {lateral: enforce}\nconnect: [{cidr: 192.0.2.0/25, port: 443}, {cidr: 192.0.2.7, port: 53, proto: udp}]";
    let mut container = enforced(world, rest)?;
    let init = &mut container.init;
    ensure!(nowhere(init, "connect-to 192.0.2.1 443")? == ENETUNREACH);
    ensure!(nowhere(init, "send-to 192.0.2.7 53")? == ENETUNREACH);
    world.forget()?;
    for deed in [
        "connect-to 192.0.2.200 443",
        "connect-to 2001:db8::1 443",
        "send-to 192.0.2.8 53",
        "send-to ::ffff:192.0.2.8 53",
    ] {
        ensure!(nowhere(init, deed)? == EPERM, "{deed}");
    }
    expect_told(
        world,
        &container,
        &Fate::Denied,
        |payload| matches!(payload, Payload::Connect(net) if net.remote.addr[15] == 200),
    )?;
    let mut neighbour = Container::start(world, Spec::default())?;
    ensure!(nowhere(&mut neighbour.init, "connect-to 192.0.2.200 443")? == ENETUNREACH);
    neighbour.stop()?;
    let own = ["192.0.2.200/32".parse()?];
    let profile = profile(rest)?;
    world.sensor.assign(container.slot, Some(&profile), &own)?;
    ensure!(
        nowhere(&mut container.init, "connect-to 192.0.2.200 443")? == ENETUNREACH,
        "its own address"
    );
    end(world, container)
}

fn programs(world: &mut World) -> Result<()> {
    let (own, file) = (std::env::current_exe()?, world.file("executed")?);
    let rest = format!("mode: {{drift: enforce}}\nexec: [{{path: {}}}]", own.display());
    let mut container = enforced(world, &rest)?;
    container.init.act(&format!("run open-read {}", file.display()))?;
    world.forget()?;
    let wanted = means(world, "exec")?;
    for _ in 0..2 {
        let fate = fate(&mut container.init, "exec /bin/true")?;
        ensure!(
            fate == wanted,
            "{fate:?}, not {wanted:?}: {:?}",
            world.sensor.enforcement()
        );
    }
    expect_told(world, &container, &wanted, |payload| {
        matches!(payload, Payload::Exec(_))
    })?;
    let lsm = world.forced == Some(Backend::Lsm);
    ensure!(
        (wanted == Fate::Denied) == lsm,
        "{:?}",
        world.sensor.enforcement()
    );
    let mut neighbour = Container::start(world, Spec::default())?;
    neighbour.init.act("exec /bin/true")?;
    neighbour.stop()?;
    end(world, container)
}

/// The same profile without the mode tells, and denies nothing.
fn monitored(world: &mut World) -> Result<()> {
    let port = free_port()?;
    let mut container = enforced(world, "listen: [{port: 80}]\nexec: [{path: /bin/nothing}]")?;
    ensure!(world.sensor.enforcement().is_empty());
    container.init.act(&format!("listen {port} 1"))?;
    container
        .init
        .act("exec /bin/false")
        .err()
        .context("it fails by itself")?;
    let slot = container.slot;
    for kind in ["listen", "exec"] {
        world.expect(kind, |event| {
            let outside = event
                .header
                .flags
                .has(RecordFlags::OUTSIDE_POLICY | RecordFlags::DEVIATION);
            let mine = event.slot() == Some(slot) && event.header.kind.name() == kind;
            (mine && outside && told(event).is_none()).then_some(())
        })?;
    }
    end(world, container)
}

/// A BPF filesystem of the test's own.
struct BpfFilesystem(PathBuf);

impl BpfFilesystem {
    fn mount(folder: PathBuf) -> Result<Self> {
        fs::create_dir(&folder)?;
        mount("bpf", &folder, "bpf", MountFlags::empty(), None)?;
        Ok(Self(folder))
    }
}

impl Drop for BpfFilesystem {
    fn drop(&mut self) {
        // The next test says what is wrong with it.
        let _busy = unmount(&self.0, UnmountFlags::DETACH);
    }
}

fn kept(world: &mut World) -> Result<()> {
    let filesystem = BpfFilesystem::mount(world.path("bpf"))?;
    let config = |keeps| SensorConfig {
        backend: world.forced,
        capabilities: Some(&[]),
        enforces: true,
        keeps,
        keeps_in: Some(filesystem.0.join("vigia")),
        ..SensorConfig::default()
    };
    let mut first = World::with(config(true))?;
    let mut container = enforced(&mut first, "mode: {listener: enforce}\nlisten: [{port: 80}]")?;
    let deed = format!("listen {} 1", free_port()?);
    ensure!(fate(&mut container.init, &deed)? == Fate::Denied);
    ensure!(first.sensor.unkept().is_none(), "{:?}", first.sensor.unkept());
    drop(first);
    ensure!(
        fate(&mut container.init, &deed)? == Fate::Denied,
        "it went with the sensor"
    );
    let mut next = World::with(config(false))?;
    ensure!(
        fate(&mut container.init, &deed)? == Fate::Denied,
        "it went too early"
    );
    // The kernel detaches what is unpinned by and by.
    wait_until("the next one releases it", Duration::from_secs(30), || {
        next.sensor.retire();
        matches!(container.init.attempt(&deed), Ok(Ok(_))).then_some(())
    })?;
    container.stop().map(drop)
}
