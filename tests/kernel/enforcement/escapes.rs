//! Escapes that are denied: in one container, for on this machine run others that are nobody's business here.

use super::{BpfFilesystem, EPERM, Fate, told};
use crate::lab::container::Actor;
use crate::lab::{Container, Spec, World};
use agent::event::{Payload, RawEvent};
use agent::kernel::{Backend, Capability, SensorConfig};
use agent_tests::command::wait_until;
use anyhow::{Context, Result, bail, ensure};
use std::fs;
use std::process::{Child, Command};
use std::time::Duration;

/// `BPF_PROG_TYPE_RAW_TRACEPOINT`, which every kernel has that runs the sensor, and `BPF_PROG_TYPE_SOCKET_FILTER`.
const TELLING: u32 = 17;
const HARMLESS: u32 = 1;
const CORE_PATTERN: &str = "/proc/sys/kernel/core_pattern";

/// A way out.
struct Attack {
    deed: String,
    /// Whose program denies it.
    capability: Capability,
    /// Whether a payload is of it.
    like: fn(&Payload) -> bool,
    /// Takes back what stays done when its author is killed: a second mount at one place is at another one, on the first.
    undo: Option<String>,
}

/// A process of the host, ended with the test.
struct Host(Child);

impl Drop for Host {
    fn drop(&mut self) {
        // It may have ended by itself.
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

fn attacks(world: &World, host: &Host) -> Result<Vec<Attack>> {
    let (folder, pattern) = (world.path("mounted"), world.path("innocent"));
    fs::create_dir_all(&folder)?;
    let (folder, pattern, pid) = (folder.display(), pattern.display(), host.0.id());
    let attack = |deed: String, capability, like: fn(&Payload) -> bool| Attack {
        deed,
        capability,
        like,
        undo: None,
    };
    let opens = |payload: &Payload| matches!(payload, Payload::FileOpen(open) if open.writes() && open.path.to_text().ends_with("core_pattern"));
    let innocent = |payload: &Payload| matches!(payload, Payload::FileOpen(open) if open.path.to_text().ends_with("innocent"));
    let namespace =
        |payload: &Payload| matches!(payload, Payload::FileOpen(open) if open.file.magic == 0x6e73_6673);
    let device = |payload: &Payload| matches!(payload, Payload::FileOpen(open) if open.file.mode & 0o170_000 == 0o060_000);
    let mounts = |payload: &Payload| matches!(payload, Payload::Mount(mount) if mount.fstype.bytes == b"bpf");
    let disk = |payload: &Payload| matches!(payload, Payload::Mount(mount) if mount.fstype.bytes == b"ext4");
    let traces = |payload: &Payload| matches!(payload, Payload::Ptrace(_));
    let enters = |payload: &Payload| matches!(payload, Payload::Ptrace(_) | Payload::Setns(_));
    let loads = |payload: &Payload| matches!(payload, Payload::Bpf(_));
    let modules = |payload: &Payload| matches!(payload, Payload::Module(_));
    Ok(vec![
        attack(
            format!("write-existing {CORE_PATTERN}"),
            Capability::FileOpen,
            opens,
        ),
        attack(
            "write-in /proc/sys/kernel core_pattern".to_owned(),
            Capability::FileOpen,
            opens,
        ),
        attack(
            format!("write-existing {pattern}"),
            Capability::FileOpen,
            innocent,
        ),
        attack(
            format!("setns /proc/{pid}/ns/mnt"),
            Capability::FileOpen,
            namespace,
        ),
        attack(
            format!("open-read {}", world.path("disk").display()),
            Capability::FileOpen,
            device,
        ),
        Attack {
            undo: Some(format!("umount {folder}")),
            ..attack(format!("mount-type bpf none {folder}"), Capability::Mount, mounts)
        },
        attack(format!("fsmount-type bpf {folder}"), Capability::Mount, mounts),
        attack(
            format!("mount-type ext4 /dev/none {folder}"),
            Capability::Mount,
            disk,
        ),
        attack(format!("seize-process {pid}"), Capability::Ptrace, traces),
        attack(format!("enter-process {pid}"), Capability::Ptrace, enters),
        attack(format!("load-program {TELLING}"), Capability::Bpf, loads),
        attack("init-module".to_owned(), Capability::Module, modules),
    ])
}

/// What comes of a deed that may end the process that does it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Done,
    Errno(i32),
    Killed,
    Failed,
}

fn end_of(actor: &mut Actor, deed: &str, by_child: bool) -> Result<End> {
    if !by_child {
        return Ok(match actor.attempt(deed)? {
            Ok(_) => End::Done,
            Err(number) => End::Errno(number),
        });
    }
    match actor.attempt(&format!("run {deed}")) {
        Ok(Ok(_)) => Ok(End::Done),
        Ok(Err(number)) => Ok(End::Errno(number)),
        Err(error) if error.to_string().contains("signal: 9") => Ok(End::Killed),
        Err(error) if error.to_string().contains("exit status") => Ok(End::Failed),
        Err(error) => Err(error),
    }
}

/// A container of whose processes one can name the host's.
struct Inside {
    container: Container,
    actor: Actor,
}

impl Inside {
    fn start(world: &mut World) -> Result<Self> {
        let mut container = Container::start(world, Spec::default())?;
        let innocent = world.file("innocent")?;
        let disk = world.path("disk");
        let mut actor = container.join_with_host_pids()?;
        actor.act(&format!("bind-mount {CORE_PATTERN} {}", innocent.display()))?;
        if !disk.exists() {
            actor.act(&format!("mknod block {} 8 208", disk.display()))?;
        }
        Ok(Self { container, actor })
    }

    fn stop(self) -> Result<()> {
        drop(self.actor);
        self.container.stop().map(drop)
    }
}

fn host() -> Result<Host> {
    Ok(Host(Command::new("sleep").arg("1000").spawn()?))
}

/// How a way out is closed here; `None`: it cannot be.
fn means(world: &World, attack: &Attack) -> Option<Fate> {
    let backend = world.report(attack.capability)?.backend?;
    match (backend, attack.capability) {
        (Backend::Lsm, _) => Some(Fate::Denied),
        (_, Capability::Module) => None,
        _ => Some(Fate::Killed),
    }
}

fn is_seen_before(world: &World, attack: &Attack) -> bool {
    let report = world.report(attack.capability);
    report.is_some_and(|report| report.backend == Some(Backend::Fentry))
}

pub(super) fn denied(world: &mut World) -> Result<()> {
    let host = host()?;
    let attacks = attacks(world, &host)?;
    let mut inside = Inside::start(world)?;
    let mut excepted = Inside::start(world)?;
    let slots = &mut world.sensor.slots;
    let slot = excepted.container.slot;
    slots.deny_escapes(Some(slot), true)?;
    slots.except(slot, true)?;
    for attack in &attacks {
        one(world, &mut inside, &mut excepted, attack).with_context(|| attack.deed.clone())?;
    }
    excepted.stop()?;
    inside.stop()
}

fn one(world: &mut World, inside: &mut Inside, excepted: &mut Inside, attack: &Attack) -> Result<()> {
    let slot = inside.container.slot;
    let wanted = means(world, attack);
    let by_child = wanted != Some(Fate::Denied) || attack.deed.starts_with("enter-process");
    world.sensor.slots.deny_escapes(Some(slot), false)?;
    let freely = end_of(&mut inside.actor, &attack.deed, true)?;
    ensure!(freely != End::Killed, "nothing denies it: {freely:?}");
    undo(inside, attack)?;
    world.forget()?;
    world.sensor.slots.deny_escapes(Some(slot), true)?;
    let expected = match (&wanted, freely) {
        (Some(Fate::Denied), _) if by_child => End::Failed,
        (Some(Fate::Denied), _) => End::Errno(EPERM),
        // Functions are seen before the result; by the call's return what failed needs no denial.
        (Some(Fate::Killed), freely) if freely == End::Done || is_seen_before(world, attack) => End::Killed,
        (_, freely) => freely,
    };
    for _ in 0..2 {
        let end = end_of(&mut inside.actor, &attack.deed, by_child)?;
        ensure!(end == expected, "{end:?}, not {expected:?}");
        undo(inside, attack)?;
    }
    let fate = match expected {
        End::Killed => Some(Fate::Killed),
        End::Errno(EPERM) => Some(Fate::Denied),
        End::Failed if wanted == Some(Fate::Denied) => Some(Fate::Denied),
        _ => None,
    };
    told_once(world, inside, attack, fate.as_ref())?;
    let end = end_of(&mut excepted.actor, &attack.deed, true)?;
    ensure!(end == freely, "where it is excepted: {end:?}, not {freely:?}");
    world.forget()
}

/// Where it was denied before it was done there is nothing to undo.
fn undo(inside: &mut Inside, attack: &Attack) -> Result<()> {
    let Some(undo) = &attack.undo else { return Ok(()) };
    inside.actor.attempt(undo).map(drop)
}

/// The denial is told, and nothing beside it.
fn told_once(world: &mut World, inside: &Inside, attack: &Attack, fate: Option<&Fate>) -> Result<()> {
    let (slot, like) = (inside.container.slot, attack.like);
    let Some(fate) = fate else { return Ok(()) };
    let is = |event: &RawEvent| event.slot() == Some(slot) && like(&event.payload);
    let denial = |event: &RawEvent| is(event) && told(event).as_ref() == Some(fate);
    world.expect("the denial", |event| denial(event).then_some(()))?;
    let (denials, refusals) = (
        world.count(denial)?,
        world.count(|event| is(event) && told(event).is_none() && event.header.ret == -EPERM)?,
    );
    // Who enters namespaces is killed with them entered where nothing returns an error: that is told too.
    let entered = is_seen_before(world, attack) && attack.deed.starts_with("enter-process");
    ensure!(
        (denials, refusals) == (1 + usize::from(entered), 0),
        "{denials} denials and {refusals} refusals are told"
    );
    Ok(())
}

/// Nobody opens anything: a descriptor of before, which somebody could have been handed.
pub(super) fn held(world: &mut World) -> Result<()> {
    let host = host()?;
    let mut inside = Inside::start(world)?;
    let slot = inside.container.slot;
    let fd = inside.actor.act(&format!("hold /proc/{}/ns/mnt", host.0.id()))?;
    world.sensor.slots.deny_escapes(Some(slot), true)?;
    world.forget()?;
    if let Ok(entered) = inside.actor.attempt(&format!("enter-held {fd}")) {
        bail!("it goes on: {entered:?}");
    }
    world.expect("its end", |event| {
        let mine = event.slot() == Some(slot) && matches!(event.payload, Payload::Setns(_));
        (mine && told(event) == Some(Fate::Killed)).then_some(())
    })?;
    inside.stop()
}

pub(super) fn twins(world: &mut World) -> Result<()> {
    let host = host()?;
    let mut inside = Inside::start(world)?;
    let slot = inside.container.slot;
    let folder = world.path("own");
    fs::create_dir_all(&folder)?;
    let folder = folder.display();
    // Some kernels do not let it do so; it is no escape in any case.
    let nested = format!("in-own-users mount-type bpf none {folder}");
    let freely = end_of(&mut inside.actor, &nested, true)?;
    world.sensor.slots.deny_escapes(Some(slot), true)?;
    world.forget()?;
    for deed in [
        format!("mount scratch {folder}"),
        format!("fsmount {folder}"),
        "open-read /proc/self/ns/mnt".to_owned(),
        // The container never had another.
        format!("open-read /proc/{}/ns/net", host.0.id()),
        format!("open-read {CORE_PATTERN}"),
        "write-existing /dev/null".to_owned(),
        "seize".to_owned(),
        format!("load-program {HARMLESS}"),
        "bpf".to_owned(),
        "exec unshare --pid --fork --mount-proc true".to_owned(),
    ] {
        let end = end_of(&mut inside.actor, &deed, true)?;
        ensure!(end == End::Done, "{deed}: {end:?}");
    }
    ensure!(
        end_of(&mut inside.actor, &nested, true)? == freely,
        "with rights of its own"
    );
    let own = end_of(&mut inside.container.init, "setns /proc/self/ns/uts", true)?;
    ensure!(own == End::Done, "its own namespace: {own:?}");
    ensure!(
        world.count(|event| told(event).is_some())? == 0,
        "a denial is told"
    );
    // The same program with the host's rights: the verdict on the other is not its.
    let end = end_of(&mut inside.actor, &format!("mount-type bpf none {folder}"), true)?;
    ensure!(matches!(end, End::Failed | End::Killed), "{end:?}");
    inside.stop()
}

/// For every container at once. Elsewhere than in a guest that would be others' containers too.
pub(super) fn switched(world: &mut World) -> Result<()> {
    if !matches!(world.forced, Some(Backend::Lsm | Backend::Fentry)) {
        return Ok(());
    }
    world.sensor.slots.deny_escapes(None, true)?;
    let outcome = everywhere(world);
    world.sensor.slots.deny_escapes(None, false)?;
    outcome
}

fn everywhere(world: &mut World) -> Result<()> {
    let escapes: Vec<_> = world.sensor.escapes().collect();
    let denied = escapes.iter().filter(|escape| escape.is_ok()).count();
    let lsm = world.forced == Some(Backend::Lsm);
    ensure!(denied == if lsm { 6 } else { 5 }, "{escapes:?}");
    drop(escapes);
    let deed = format!("write-existing {CORE_PATTERN}");
    let first = deed.split(' ').map(str::to_owned).collect();
    // The runtime does it before the container's first program, and may.
    let mut container = Container::start(
        world,
        Spec {
            first,
            ..Spec::default()
        },
    )?;
    let end = end_of(&mut container.init, &deed, !lsm)?;
    ensure!(matches!(end, End::Errno(EPERM) | End::Killed), "{end:?}");
    drop(
        fs::OpenOptions::new()
            .write(true)
            .open(CORE_PATTERN)
            .context("the host is kept from it")?,
    );
    world.sensor.slots.deny_escapes(None, false)?;
    let end = end_of(&mut container.init, &deed, true)?;
    ensure!(end == End::Done, "by a verdict of before: {end:?}");
    container.stop().map(drop)
}

/// What denies by a security module is pinned, and goes on; elsewhere handlers of system calls end with the sensor.
pub(super) fn kept(world: &mut World) -> Result<()> {
    if world.forced != Some(Backend::Lsm) {
        return Ok(());
    }
    let filesystem = BpfFilesystem::mount(world.path("bpf-escapes"))?;
    let config = |keeps| SensorConfig {
        backend: world.forced,
        capabilities: Some(&[Capability::FileOpen]),
        denies_escapes: keeps,
        keeps,
        keeps_in: Some(filesystem.0.join("vigia")),
        ..SensorConfig::default()
    };
    let mut first = World::with(config(true))?;
    let mut container = Container::start(&mut first, Spec::default())?;
    ensure!(first.sensor.unkept().is_none(), "{:?}", first.sensor.unkept());
    let deed = format!("write-existing {CORE_PATTERN}");
    ensure!(container.init.attempt(&deed)? == Err(EPERM));
    drop(first);
    ensure!(
        container.init.attempt(&deed)? == Err(EPERM),
        "it went with the sensor"
    );
    let mut next = World::with(config(false))?;
    wait_until("the next one releases it", Duration::from_secs(60), || {
        next.sensor.retire();
        matches!(container.init.attempt(&deed), Ok(Ok(_))).then_some(())
    })?;
    container.stop().map(drop)
}
