//! Secondary keys of containers: id and address → slot.

use crate::container::Container;
use crate::event::{ContainerId, SlotKey};
use std::collections::HashMap;
use std::net::IpAddr;

/// Bounded by the containers that the index holds: each gives one id and a bounded number of addresses.
#[derive(Debug, Default)]
pub(super) struct Names {
    ids: HashMap<ContainerId, SlotKey>,
    addresses: HashMap<IpAddr, SlotKey>,
}

impl Names {
    pub(super) fn by_id(&self, id: &ContainerId) -> Option<SlotKey> {
        self.ids.get(id).copied()
    }

    pub(super) fn by_address(&self, address: IpAddr) -> Option<SlotKey> {
        self.addresses.get(&address.to_canonical()).copied()
    }

    /// Ids that are known.
    pub(super) fn len(&self) -> usize {
        self.ids.len()
    }

    /// The newest container takes its names, whoever had them.
    pub(super) fn insert(&mut self, container: &Container) {
        self.ids.insert(container.id.clone(), container.key);
        for address in container.addresses() {
            self.addresses.insert(address, container.key);
        }
    }

    /// Frees the names that are still `container`'s.
    pub(super) fn remove(&mut self, container: &Container) {
        if self.ids.get(&container.id) == Some(&container.key) {
            self.ids.remove(&container.id);
        }
        for address in container.addresses() {
            if self.addresses.get(&address) == Some(&container.key) {
                self.addresses.remove(&address);
            }
        }
    }
}
