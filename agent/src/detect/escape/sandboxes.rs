//! User namespaces that a container's processes made: in them a process has every capability, which is what many holes of the
//! kernel need. Who is in one is told by lineage.

use crate::detect::DetectContext;
use crate::detect::per_container::{PerContainer, push_latest};
use crate::detect::program::inner_ancestors;
use crate::event::{EnrichedEvent, ExecId, Setns};
use std::collections::VecDeque;

/// `CLONE_NEWUSER`.
const NEW_USER: u32 = 0x1000_0000;
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

/// Those of a container.
pub(super) type Sandboxes = VecDeque<Sandbox>;

/// Notes one that is made.
pub(super) fn note(sandboxes: &mut PerContainer<Sandboxes>, context: &DetectContext<'_>, made: &Setns) {
    let raw = &context.event.raw;
    if !is_new_user(made) || raw.header.ret < 0 {
        return;
    }
    if let Some(own) = sandboxes.note(context) {
        let sandbox = Sandbox {
            owner: raw.exec_id(),
            pid: raw.header.tgid,
            overlay: false,
            gives_rights: false,
        };
        push_latest(own, MAX_SANDBOXES, sandbox);
    }
}

/// The one that the acting process is in.
pub(super) fn of<'a>(
    sandboxes: &'a mut PerContainer<Sandboxes>,
    event: &EnrichedEvent,
) -> Option<&'a mut Sandbox> {
    let own = sandboxes.get_mut(event)?;
    own.iter_mut().rev().find(|sandbox| sandbox.holds(event))
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
