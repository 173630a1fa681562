//! User namespaces that a container's processes made: in them a process has every capability, which is what many holes of the
//! kernel need. Who is in one is told by lineage.

use crate::detect::program::inner_ancestors;
use crate::detect::{DetectContext, Scope};
use crate::event::{EnrichedEvent, ExecId, Setns, SlotKey};
use std::collections::{HashMap, VecDeque};

/// `CLONE_NEWUSER`.
const NEW_USER: u32 = 0x1000_0000;
/// Containers of which they are kept: as many as there are slots.
const MAX_CONTAINERS: usize = agent_common::limits::MAX_SLOTS as usize;
/// The latest of a container: a browser makes some, an attack needs one.
const MAX_SANDBOXES: usize = 16;

/// A user namespace, by who made it.
#[derive(Debug)]
pub(super) struct Sandbox {
    owner: ExecId,
    pid: u32,
    /// An overlay was mounted in it.
    pub(super) overlay: bool,
    /// A file was given rights in it.
    pub(super) gives_rights: bool,
}

/// Those of all containers.
#[derive(Debug, Default)]
pub(super) struct Sandboxes {
    made: HashMap<SlotKey, VecDeque<Sandbox>>,
}

impl Sandboxes {
    /// Notes one that is made.
    pub(super) fn note(&mut self, context: &DetectContext<'_>, made: &Setns) {
        let raw = &context.event.raw;
        if !is_new_user(made) || raw.header.ret < 0 || context.scope == Scope::Again {
            return;
        }
        let Some(slot) = raw.slot() else { return };
        if self.made.len() >= MAX_CONTAINERS && !self.made.contains_key(&slot) {
            return;
        }
        let own = self.made.entry(slot).or_default();
        if own.len() >= MAX_SANDBOXES {
            own.pop_front();
        }
        own.push_back(Sandbox {
            owner: raw.exec_id(),
            pid: raw.header.tgid,
            overlay: false,
            gives_rights: false,
        });
    }

    /// The one that the acting process is in.
    pub(super) fn of(&mut self, event: &EnrichedEvent) -> Option<&mut Sandbox> {
        let made = self.made.get_mut(&event.raw.slot()?)?;
        made.iter_mut().rev().find(|sandbox| sandbox.holds(event))
    }

    pub(super) fn forget(&mut self, container: SlotKey) {
        self.made.remove(&container);
    }

    pub(super) fn kept(&self) -> usize {
        self.made.len()
    }
}

impl Sandbox {
    /// Who made it, the images it became, and what they started.
    fn holds(&self, event: &EnrichedEvent) -> bool {
        let header = &event.raw.header;
        header.tgid == self.pid
            || std::iter::once(event.process.as_ref())
                .chain(inner_ancestors(event))
                .any(|process| process.exec_id == self.owner || process.host_pid == self.pid)
    }
}

/// Whether a user namespace is among those that are made.
pub(super) fn is_new_user(made: &Setns) -> bool {
    made.nstype & NEW_USER != 0
}
