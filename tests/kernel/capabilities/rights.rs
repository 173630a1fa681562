//! Users, capabilities, and signals to others.

use super::{Check, Stage};
use crate::lab::container::Actor;
use crate::lab::{Container, Spec};
use agent::event::{Capable, Credentials, CredentialsOp, ExecId, Payload, RecordFlags, Signal};
use agent::kernel::{Backend, Capability};
use agent::process::{Lineage, Process};
use agent_tests::command::wait_until;
use anyhow::{Context, Result, ensure};
use std::fs;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

pub(super) const CHECKS: &[Check] = &[
    Check {
        capability: Capability::Credentials,
        what: "becoming root again",
        rows: &["setuid"],
        run: setuid,
    },
    Check {
        capability: Capability::Credentials,
        what: "a user who may not become root",
        rows: &["credentials_refused"],
        run: setuid_refused,
    },
    Check {
        capability: Capability::Credentials,
        what: "capabilities to be inherited, not those that are dropped",
        rows: &["capset"],
        run: capset,
    },
    Check {
        capability: Capability::Credentials,
        what: "capabilities that one does not have",
        rows: &["credentials_refused"],
        run: capset_refused,
    },
    Check {
        capability: Capability::Syscall,
        what: "an ambient capability",
        rows: &["ambient"],
        run: ambient,
    },
    Check {
        capability: Capability::Capable,
        what: "a telling capability, and no other",
        rows: &["capable"],
        run: capable,
    },
    Check {
        capability: Capability::Capable,
        what: "one in a namespace of its own is not the host's",
        rows: &["capable"],
        run: capable_inside,
    },
    Check {
        capability: Capability::Signal,
        what: "a signal to the host, none to its own",
        rows: &["signal"],
        run: signal_host,
    },
    Check {
        capability: Capability::Signal,
        what: "a signal with a code of one's own",
        rows: &["signal"],
        run: signal_disguised,
    },
    Check {
        capability: Capability::Signal,
        what: "a signal to another container",
        rows: &["signal"],
        run: signal_container,
    },
    Check {
        capability: Capability::Signal,
        what: "signal 0",
        rows: &["signal_probe"],
        run: signal_probe,
    },
    Check {
        capability: Capability::Signal,
        what: "a signal that is refused",
        rows: &["signal_refused"],
        run: signal_refused,
    },
];

const CAP_NET_RAW: u64 = 13;
const CAP_SYSLOG: u32 = 34;
const EPERM: i32 = 1;
const NOBODY: u32 = 65_534;
/// `SYSLOG_ACTION_SIZE_UNREAD`.
const SIZE_UNREAD: u32 = 9;
/// Ignored by who does not wait for it.
const SIGWINCH: u32 = 28;
const SIGURG: u32 = 23;
const NEWUSER_NEWNET: u32 = 0x5000_0000;

fn changed(payload: &Payload) -> Option<Credentials> {
    match payload {
        Payload::Credentials(change) => Some(change.clone()),
        _ => None,
    }
}

fn of(op: CredentialsOp) -> impl FnMut(&Payload) -> Option<Credentials> {
    move |payload| changed(payload).filter(|change| change.op == op)
}

/// By children, as everything that changes who they are.
fn setuid(stage: &mut Stage<'_>) -> Result<()> {
    stage.act("run stay-root")?;
    stage.silent(|payload| changed(payload).is_some())?;
    stage.act("run step-up")?;
    let (header, change) = stage.expect_any("setuid", of(CredentialsOp::SETUID))?;
    ensure!(change.new_uid == Some(0) && header.ret == 0, "{change:?}");
    // After the call the kernel does not know any more.
    let before = match stage.backend(Capability::Credentials)? {
        Backend::Tracepoint => None,
        Backend::Lsm | Backend::Fentry => Some(NOBODY),
    };
    ensure!(change.old_uid == before, "{change:?}");
    ensure!(header.flags.has(RecordFlags::DEVIATION), "not urgent");
    Ok(())
}

fn setuid_refused(stage: &mut Stage<'_>) -> Result<()> {
    stage.act("run refused-root")?;
    let (header, change) = stage.expect_any("refused setuid", of(CredentialsOp::SETUID))?;
    ensure!(header.ret == -EPERM, "{header:?}");
    ensure!(
        (change.old_uid, change.new_uid) == (Some(NOBODY), Some(0)),
        "{change:?}"
    );
    Ok(())
}

fn capset(stage: &mut Stage<'_>) -> Result<()> {
    stage.act("run drop-capabilities")?;
    stage.silent(|payload| changed(payload).is_some())?;
    stage.act("run inherit-capability")?;
    let (_, change) = stage.expect_any("capset", of(CredentialsOp::CAPSET))?;
    ensure!(change.after & 1 << CAP_NET_RAW != 0, "{change:?}");
    Ok(())
}

/// Hooks on objects may see it before the kernel refuses.
fn capset_refused(stage: &mut Stage<'_>) -> Result<()> {
    stage.act("run refused-capabilities")?;
    let slot = Some(stage.container.slot);
    let (_, change) = stage.expect_event("refused capset", |event| {
        let refused = event.slot() == slot && event.header.ret == -EPERM;
        refused
            .then(|| of(CredentialsOp::CAPSET)(&event.payload))
            .flatten()
    })?;
    ensure!(change.after & 1 << CAP_NET_RAW != 0, "{change:?}");
    Ok(())
}

fn ambient(stage: &mut Stage<'_>) -> Result<()> {
    stage.act("run ambient-capability")?;
    let (header, change) = stage.expect_any("ambient", of(CredentialsOp::AMBIENT))?;
    ensure!(change.after == 1 << CAP_NET_RAW && header.ret == 0, "{change:?}");
    Ok(())
}

fn used(payload: &Payload) -> Option<Capable> {
    match payload {
        Payload::Capable(used) => Some(used.clone()),
        _ => None,
    }
}

fn capable(stage: &mut Stage<'_>) -> Result<()> {
    // CAP_SYS_ADMIN, which is asked for all day.
    let target = stage.world.path("by-an-administrator");
    std::fs::create_dir(&target)?;
    stage.act(&format!("mount none {}", super::word(&target)))?;
    stage.silent(|payload| used(payload).is_some())?;
    stage.act(&format!("syslog {SIZE_UNREAD}"))?;
    let (header, used) = stage.expect(Capability::Capable, |payload| {
        used(payload).filter(|used| used.capability == CAP_SYSLOG)
    })?;
    ensure!(header.ret == 0, "{header:?}");
    ensure!(
        used.user_ns == super::namespace(stage.container.init.pid, "user")?,
        "{used:?}"
    );
    ensure!(header.flags.has(RecordFlags::DEVIATION), "not urgent");
    Ok(())
}

/// Everybody is root in a namespace of their own.
fn capable_inside(stage: &mut Stage<'_>) -> Result<()> {
    let user = super::namespace(stage.container.init.pid, "user")?;
    stage.act(&format!("run raw-socket-inside {NEWUSER_NEWNET}"))?;
    let (header, _) = stage.expect_any("capable", |payload| {
        used(payload).filter(|used| u64::from(used.capability) == CAP_NET_RAW && used.user_ns != user)
    })?;
    ensure!(!header.flags.has(RecordFlags::DEVIATION), "urgent");
    Ok(())
}

fn sent(signal: u32) -> impl FnMut(&Payload) -> Option<Signal> {
    move |payload| match payload {
        Payload::Signal(sent) if sent.signal == signal => Some(sent.clone()),
        _ => None,
    }
}

fn signal_host(stage: &mut Stage<'_>) -> Result<()> {
    let mut actor = stage.container.join_with_host_pids()?;
    let (own, host) = (stage.container.init.pid, std::process::id());
    actor.act(&format!("kill {own} {SIGWINCH}"))?;
    stage.silent(|payload| sent(SIGWINCH)(payload).is_some())?;
    actor.act(&format!("kill {host} {SIGWINCH}"))?;
    let (header, first) = stage.expect_any("signal", sent(SIGWINCH))?;
    ensure!(first.target_tgid == host && first.target_slot == 0, "{first:?}");
    ensure!(header.tgid == actor.pid && header.ret == 0, "{header:?}");
    ensure!(header.flags.has(RecordFlags::DEVIATION), "not urgent");
    let mut young = Command::new("sleep").arg("1000").spawn()?;
    let named = image_signalled(stage, &mut actor, young.id());
    young.kill()?;
    young.wait()?;
    let image = named?;
    ensure!(
        image.arguments().nth(1).unwrap_or_default().bytes == b"1000",
        "{image:?}"
    );
    Ok(())
}

/// What a process executes by what is told of a signal to it.
fn image_signalled(stage: &mut Stage<'_>, actor: &mut Actor, pid: u32) -> Result<Arc<Process>> {
    wait_until("its sleep", Duration::from_secs(10), || asleep(pid))?;
    actor.act(&format!("kill {pid} {SIGWINCH}"))?;
    let (_, sent) = stage.expect_any("second signal", |payload| {
        sent(SIGWINCH)(payload).filter(|sent| sent.target_tgid == pid)
    })?;
    image_of(stage, sent.target)
}

/// A parent goes on before the kernel tells of the image that its child executes.
fn asleep(pid: u32) -> Option<()> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.contains("(sleep) S").then_some(())
}

fn image_of(stage: &mut Stage<'_>, image: ExecId) -> Result<Arc<Process>> {
    let image = Lineage::default().get(image, &mut stage.world.sensor.lineage);
    image.context("nobody knows what the target executes")
}

/// Codes below 0 are the sender's choice; some the kernel has for itself.
fn signal_disguised(stage: &mut Stage<'_>) -> Result<()> {
    const SI_MESGQ: i32 = -3;
    const SI_TIMER: i32 = -2;
    let mut actor = stage.container.join_with_host_pids()?;
    let host = std::process::id();
    // Both are ignored.
    for (code, signal) in [(SI_MESGQ, 17), (SI_TIMER, 18)] {
        actor.act(&format!("queue-signal {host} {signal} {code}"))?;
        let (_, sent) = stage.expect_any("signal", sent(signal))?;
        ensure!(sent.target_tgid == host, "code {code}: {sent:?}");
    }
    Ok(())
}

fn signal_container(stage: &mut Stage<'_>) -> Result<()> {
    let other = Container::start(stage.world, Spec::default())?;
    let mut actor = stage.container.join_with_host_pids()?;
    actor.act(&format!("kill {} {SIGURG}", other.init.pid))?;
    let (_, sent) = stage.expect_any("signal", sent(SIGURG))?;
    ensure!(
        (sent.target_tgid, sent.target_slot) == (other.init.pid, other.slot.slot),
        "{sent:?}"
    );
    Ok(())
}

fn signal_probe(stage: &mut Stage<'_>) -> Result<()> {
    let mut actor = stage.container.join_with_host_pids()?;
    let (own, host) = (stage.container.init.pid, std::process::id());
    actor.act(&format!("kill {own} 0"))?;
    stage.silent(|payload| sent(0)(payload).is_some())?;
    actor.act(&format!("kill {host} 0"))?;
    let (header, sent) = stage.expect_any("signal", sent(0))?;
    ensure!(sent.target_tgid == host && header.ret == 0, "{header:?} {sent:?}");
    Ok(())
}

/// As nobody, to a process of root.
fn signal_refused(stage: &mut Stage<'_>) -> Result<()> {
    let mut actor = stage.container.join_with_host_pids()?;
    let host = std::process::id();
    actor.act(&format!("run refused-kill {host} {SIGWINCH}"))?;
    let (header, sent) = stage.expect_any("refused signal", |payload| {
        sent(SIGWINCH)(payload).filter(|sent| sent.target_tgid == host)
    })?;
    ensure!(header.ret == -EPERM, "{header:?} {sent:?}");
    Ok(())
}
