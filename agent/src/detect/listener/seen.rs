//! What is remembered of a container: its own network, and which of its programs see packets.

use super::Listener;
use crate::detect::per_container::push_latest;
use crate::detect::rules::listener;
use crate::detect::{DetectContext, Finding};
use crate::process::ExecSession;
use std::collections::VecDeque;

/// Programs that are remembered of a container.
const MAX_PROGRAMS: usize = 16;

/// Of one container.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// Number of the network namespace in which the container began; 0: not known.
    network: u32,
    /// Device and inode of executables that asked for a socket that sees packets. The kernel counts by them too: another
    /// process of one is no news.
    watchers: VecDeque<(u32, u64)>,
}

impl Seen {
    /// Its first image runs: its network is the container's.
    pub(super) fn began(&mut self, context: &DetectContext<'_>) {
        self.network = context.event.raw.header.net_ns;
    }

    /// Of a container that ran before: the network of the first process that is seen is taken for its own.
    pub(super) fn acts(&mut self, context: &DetectContext<'_>) {
        let own = context.event.process.exec_session == ExecSession::Entrypoint;
        if own && self.network == 0 {
            self.network = context.event.raw.header.net_ns;
        }
    }

    pub(super) fn watches(&mut self, context: &DetectContext<'_>) {
        let program = program(context);
        if !self.watchers.contains(&program) {
            push_latest(&mut self.watchers, MAX_PROGRAMS, program);
        }
    }

    pub(super) fn is_watcher(&self, context: &DetectContext<'_>) -> bool {
        self.watchers.contains(&program(context))
    }

    /// A listener in another network than the container's: nobody sees it there.
    pub(super) fn nested(&self, found: &Listener<'_>) -> Option<Finding> {
        let here = found.context.event.raw.header.net_ns;
        let known = here != 0 && self.network != 0;
        let runtime = found.context.role.is_some_and(|role| role.name() == "runtime");
        if !known || here == self.network || runtime || found.is_expected() {
            return None;
        }
        let summary = format!("In a network of its own: {}", found.sentence());
        Some(Finding::new(&listener::NESTED_NAMESPACE, found.object(), summary))
    }
}

fn program(context: &DetectContext<'_>) -> (u32, u64) {
    let file = &context.event.process.file;
    (file.dev, file.ino)
}
