//! Which runtimes answer, and whom they listed: decides when a container's names are nobody's.

use crate::event::{BootTime, ContainerId};
use std::collections::{BTreeMap, HashSet};

/// Ids kept of a list: twice the slots there are.
const MAX_LISTED: usize = 8192;

#[derive(Debug, Default)]
pub(super) struct Runtimes {
    /// By name; only runtimes that answer.
    connected: BTreeMap<String, Option<List>>,
}

#[derive(Debug)]
struct List {
    at: BootTime,
    ids: HashSet<ContainerId>,
}

impl Runtimes {
    pub(super) fn connected(&mut self, runtime: String) {
        self.connected.entry(runtime).or_default();
    }

    pub(super) fn disconnected(&mut self, runtime: String) {
        self.connected.remove(&runtime);
    }

    /// A list is an answer, whether or not the connection was announced before.
    pub(super) fn listed(&mut self, runtime: String, ids: Vec<ContainerId>, at: BootTime) {
        let ids = ids.into_iter().take(MAX_LISTED).collect();
        self.connected.insert(runtime, Some(List { at, ids }));
    }

    /// True when no runtime that answers may still name a container first seen at `since`: each one's list
    /// was made later and does not have it.
    pub(super) fn disown(&self, id: &ContainerId, since: BootTime) -> bool {
        self.connected.values().all(|list| {
            list.as_ref()
                .is_some_and(|list| list.at >= since && !list.ids.contains(id))
        })
    }
}
