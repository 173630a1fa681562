//! Every behaviour once, by plain system calls in a container, and the event that it must make.

mod attributes;
mod exec;
mod files;
mod identity;
mod network;
mod privileges;

use crate::lab::{Container, Spec, World};
use agent::event::{EventHeader, ExecId, Payload};
use agent::kernel::{Backend, Capability};
use anyhow::{Context, Result, bail, ensure};
use std::path::Path;

/// One behaviour.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Check {
    pub(crate) capability: Capability,
    /// How it is done.
    pub(crate) what: &'static str,
    run: fn(&mut Stage<'_>) -> Result<()>,
}

/// All of them.
pub(crate) fn checks() -> impl Iterator<Item = &'static Check> {
    identity::CHECKS
        .iter()
        .chain(exec::CHECKS)
        .chain(files::CHECKS)
        .chain(attributes::CHECKS)
        .chain(network::CHECKS)
        .chain(privileges::CHECKS)
}

/// What became of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Seen {
    Yes,
    /// There is no such hook on this backend, and the sensor says so.
    NoSuchHook,
}

/// The container on which the checks act.
pub(crate) struct Stage<'a> {
    pub(crate) world: &'a mut World,
    pub(crate) container: Container,
    /// What the container's process executes.
    image: ExecId,
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
        })
    }

    /// Does what a check says, and looks at what the sensor made of it.
    ///
    /// # Errors
    /// Why it is not as it must be.
    pub(crate) fn run(&mut self, check: &Check) -> Result<Seen> {
        if self.attached(check.capability)? == Seen::NoSuchHook {
            return Ok(Seen::NoSuchHook);
        }
        self.world.forget()?;
        (check.run)(self)?;
        Ok(Seen::Yes)
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

    /// Waits for the event, and checks that its head names container, process and hook.
    fn expect<T>(
        &mut self,
        capability: Capability,
        pick: impl FnMut(&Payload) -> Option<T>,
    ) -> Result<(EventHeader, T)> {
        let what = capability.name();
        let (header, picked) = self.world.expect_of(&self.container, what, pick)?;
        self.check_head(&header).with_context(|| format!("{header:?}"))?;
        let report = self.world.report(capability).context("no report")?;
        let backend = report.backend.context("not attached")?;
        ensure!(
            header.flags.backend() == backend.name(),
            "made by {}",
            header.flags.backend()
        );
        Ok((header, picked))
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
