//! Every behaviour once, by plain system calls in a container, and the event that it must make.

mod attributes;
mod calls;
mod dns;
mod exec;
mod files;
mod identity;
mod memory;
mod modules;
mod names;
pub(crate) mod network;
mod others;
mod privileges;
mod rights;
pub(crate) mod rows;
mod sockets;

use crate::lab::{Container, Spec, World};
use agent::event::{EventHeader, ExecId, Payload, RawEvent, Trust};
use agent::kernel::{Backend, Capability};
use agent_tests::capability::{self, Capability as Need};
use anyhow::{Context, Result, bail, ensure};
use std::path::Path;

/// One behaviour.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Check {
    pub(crate) capability: Capability,
    /// How it is done.
    pub(crate) what: &'static str,
    /// Behaviours of the coverage table that it shows.
    pub(crate) rows: &'static [&'static str],
    run: fn(&mut Stage<'_>) -> Result<()>,
}

/// All of them.
pub(crate) fn checks() -> impl Iterator<Item = &'static Check> {
    identity::CHECKS
        .iter()
        .chain(exec::CHECKS)
        .chain(files::CHECKS)
        .chain(names::CHECKS.iter().copied().flatten())
        .chain(attributes::CHECKS)
        .chain(network::CHECKS)
        .chain(dns::CHECKS)
        .chain(memory::CHECKS)
        .chain(rights::CHECKS)
        .chain(calls::CHECKS)
        .chain(sockets::CHECKS.iter().copied().flatten())
        .chain(others::CHECKS)
        .chain(modules::CHECKS)
        .chain(privileges::CHECKS)
}

/// What became of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Seen {
    Yes,
    /// There is no such hook on this backend, and the sensor says so.
    NoSuchHook,
    /// The machine lacks what the check needs.
    Skipped,
}

/// The container on which the checks act.
pub(crate) struct Stage<'a> {
    pub(crate) world: &'a mut World,
    pub(crate) container: Container,
    /// What the container's process executes.
    image: ExecId,
    /// Of the events that the check picked.
    shown: Vec<Trust>,
    /// The check could not be made here.
    skipped: bool,
}

impl<'a> Stage<'a> {
    /// # Errors
    /// When no container can be made.
    pub(crate) fn set(world: &'a mut World) -> Result<Self> {
        let container = Container::start(world, Spec::default())?;
        let image = world.image_of(&container.init)?;
        Ok(Self {
            world,
            container,
            image,
            shown: Vec::new(),
            skipped: false,
        })
    }

    /// Does what a check says, and looks at what the sensor made of it, and whether the coverage table says so.
    ///
    /// # Errors
    /// Why it is not as it must be.
    pub(crate) fn run(&mut self, check: &Check) -> Result<Seen> {
        self.world.forget()?;
        self.shown.clear();
        self.skipped = false;
        let attached = self.attached(check.capability)?;
        if attached == Seen::Yes {
            (check.run)(self)?;
        }
        if self.skipped {
            return Ok(Seen::Skipped);
        }
        rows::hold(check.rows, self.world.sensor.reports(), &self.shown)?;
        Ok(attached)
    }

    /// The machine lacks what the check needs.
    fn skip(&mut self, need: Need, reason: &str) {
        capability::skip(need, reason);
        self.skipped = true;
    }

    /// The backend that was asked for is the one in use.
    fn attached(&self, capability: Capability) -> Result<Seen> {
        let report = self
            .world
            .report(capability)
            .context("the sensor has no such capability")?;
        let reason = || report.reason_not_better.clone().unwrap_or_default();
        match (self.world.forced, report.backend) {
            // The port of a listener is certain only after any LSM hook.
            (Some(Backend::Lsm), used) if capability == Capability::Listen => {
                Ok(used.map_or(Seen::NoSuchHook, |_| Seen::Yes))
            }
            (_, None) => bail!("not attached: {}", reason()),
            // They have one way only.
            (_, Some(Backend::Tracepoint))
                if matches!(
                    capability,
                    Capability::Identity
                        | Capability::Exec
                        | Capability::ExecAttempt
                        | Capability::Chroot
                        | Capability::Ioctl
                        | Capability::Setns
                        | Capability::Unshare
                ) =>
            {
                Ok(Seen::Yes)
            }
            (Some(wanted), Some(used)) if used != wanted => bail!("{} instead: {}", used.name(), reason()),
            _ => Ok(Seen::Yes),
        }
    }

    /// The deed's number.
    fn act(&mut self, deed: &str) -> Result<i64> {
        self.container.init.act(deed)
    }

    /// Does it, whatever the kernel says.
    fn attempt(&mut self, deed: &str) -> Result<()> {
        self.container.init.attempt(deed).map(|_| ())
    }

    /// Waits for the event, and checks that its head names container, process and hook.
    fn expect<T>(
        &mut self,
        capability: Capability,
        pick: impl FnMut(&Payload) -> Option<T>,
    ) -> Result<(EventHeader, T)> {
        let (header, picked) = self.expect_any(capability.name(), pick)?;
        self.check_head(&header).with_context(|| format!("{header:?}"))?;
        let backend = match self.backend(capability)? {
            // It is asked by a cgroup program there.
            Backend::Tracepoint if matches!(capability, Capability::Send | Capability::Dns) => "cgroup",
            backend => backend.name(),
        };
        ensure!(
            header.flags.backend() == backend,
            "made by {}",
            header.flags.backend()
        );
        Ok((header, picked))
    }

    /// Waits for an event of any of the container's processes, by any hook.
    fn expect_any<T>(
        &mut self,
        what: &str,
        mut pick: impl FnMut(&Payload) -> Option<T>,
    ) -> Result<(EventHeader, T)> {
        let slot = Some(self.container.slot);
        self.expect_event(what, |event| {
            (event.slot() == slot).then(|| pick(&event.payload)).flatten()
        })
    }

    /// Waits for an event, whoever's it is.
    fn expect_event<T>(
        &mut self,
        what: &str,
        mut pick: impl FnMut(&RawEvent) -> Option<T>,
    ) -> Result<(EventHeader, T)> {
        let (header, picked) = self
            .world
            .expect(what, |event| Some((event.header, pick(event)?)))?;
        self.shown.push(header.flags.trust());
        Ok((header, picked))
    }

    /// By which backend a capability is attached.
    fn backend(&self, capability: Capability) -> Result<Backend> {
        let report = self.world.report(capability).context("no report")?;
        report.backend.context("not attached")
    }

    /// Nothing like it was reported: a record is in the ring before the call that makes it returns.
    fn silent(&mut self, mut like: impl FnMut(&Payload) -> bool) -> Result<()> {
        let slot = Some(self.container.slot);
        let events = self.world.events()?;
        let found = events
            .iter()
            .find(|event| event.slot() == slot && like(&event.payload));
        match found {
            Some(event) => bail!("reported: {:?}", event.payload),
            None => Ok(()),
        }
    }

    fn check_head(&self, header: &EventHeader) -> Result<()> {
        let init = self.container.init.pid;
        ensure!(
            header.tgid == init && header.tid == init,
            "of process {}",
            header.tgid
        );
        ensure!(header.ns_tgid == 1, "process {} of its namespace", header.ns_tgid);
        ensure!(
            header.exec_id == self.image.0,
            "exec id {:#x}, not {:#x}",
            header.exec_id,
            self.image.0
        );
        ensure!(header.uid == 0, "of user {}", header.uid);
        ensure!(
            header.cgroup_id == self.container.cgroup_id()?,
            "cgroup {}",
            header.cgroup_id
        );
        ensure!(
            header.mnt_ns == namespace(init, "mnt")?,
            "mount namespace {}",
            header.mnt_ns
        );
        ensure!(
            header.pid_ns == namespace(init, "pid")?,
            "pid namespace {}",
            header.pid_ns
        );
        ensure!(
            header.net_ns == namespace(init, "net")?,
            "network namespace {}",
            header.net_ns
        );
        ensure!(
            header.behaviour.slot == self.container.slot.slot,
            "behaviour of slot {}",
            header.behaviour.slot
        );
        ensure!(
            header.behaviour.kind == header.kind,
            "behaviour of kind {}",
            header.behaviour.kind.0
        );
        ensure!(
            header.start_boot_ns != 0 && header.start_boot_ns <= header.time_boot_ns,
            "started later"
        );
        ensure!(
            header.comm.starts_with(b"exe\0") || header.comm.starts_with(&own_comm()),
            "{:?}",
            header.comm
        );
        Ok(())
    }
}

/// The kernel names a process after its file, `/proc/self/exe` as `exe` (until 6.14) or by its target.
fn own_comm() -> Vec<u8> {
    let own = std::env::current_exe().unwrap_or_default();
    let name = own.file_name().unwrap_or_default().as_encoded_bytes();
    name[..name.len().min(15)].to_vec()
}

/// Inode number of a process's namespace.
pub(crate) fn namespace(pid: u32, name: &str) -> Result<u32> {
    let link = std::fs::read_link(format!("/proc/{pid}/ns/{name}"))?;
    let text = link.to_str().context("no text")?;
    let number = text.split_once('[').and_then(|(_, rest)| rest.strip_suffix(']'));
    Ok(number.context("no number")?.parse()?)
}

/// A path as a deed's word.
fn word(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
