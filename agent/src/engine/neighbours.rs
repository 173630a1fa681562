use crate::container::{Container, ContainerIndex};
use crate::detect::{AnsweredNames, Neighbours};
use crate::event::{BootTime, DomainName, SlotKey};
use std::net::IpAddr;
use std::sync::Arc;

/// The index as detectors see it, at one time, and the names that containers were answered.
pub(super) struct IndexNeighbours<'a> {
    pub(super) index: &'a ContainerIndex,
    pub(super) names: &'a AnsweredNames,
    pub(super) time: BootTime,
}

impl Neighbours for IndexNeighbours<'_> {
    fn by_address(&self, address: IpAddr) -> Option<Arc<Container>> {
        self.index.by_address(address, self.time).cloned()
    }

    fn by_slot(&self, slot: u32) -> Option<Arc<Container>> {
        self.index.by_slot(slot).cloned()
    }

    fn names(&self, container: SlotKey, address: IpAddr) -> Vec<DomainName> {
        self.names.of(container, address)
    }
}
