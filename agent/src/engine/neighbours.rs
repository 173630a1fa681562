use crate::container::{Container, ContainerIndex};
use crate::detect::Neighbours;
use crate::event::BootTime;
use std::net::IpAddr;
use std::sync::Arc;

/// The index as detectors see it, at one time.
pub(super) struct IndexNeighbours<'a> {
    pub(super) index: &'a ContainerIndex,
    pub(super) time: BootTime,
}

impl Neighbours for IndexNeighbours<'_> {
    fn by_address(&self, address: IpAddr) -> Option<Arc<Container>> {
        self.index.by_address(address, self.time).cloned()
    }

    fn by_slot(&self, slot: u32) -> Option<Arc<Container>> {
        self.index.by_slot(slot).cloned()
    }
}
