//! Containers: what the kernel's slots are called by their runtimes.
//!
//! A container exists as soon as the kernel gave it a slot; runtimes only add names. Nothing here waits
//! for a runtime: metadata is pending, resolved or unavailable, and says so.

pub mod cgroup;
mod index;
mod labels;
mod metadata;
mod runtime;

pub use index::{Attribution, ContainerIndex, IndexChange, IndexLimits, IndexStats, SlotReader};
pub use labels::{Labels, MAX_LABEL_BYTES};
pub use metadata::{ContainerMetadata, ImageRef, Metadata, MountPoint, Pod};
pub use runtime::{ContainerRuntime, RuntimeError, RuntimeEvent};

use crate::event::{BootTime, ContainerId, SlotKey};
use std::net::IpAddr;

/// Addresses kept per container.
const MAX_ADDRESSES: usize = 64;

/// A container as it is known now. Shared as `Arc`: a change makes a new value.
#[derive(Debug, Clone, PartialEq)]
pub struct Container {
    pub key: SlotKey,
    pub id: ContainerId,
    /// Path of its cgroup; may be empty.
    pub cgroup: String,
    /// When the kernel (or the start-up scan) first saw it.
    pub first_seen: BootTime,
    pub metadata: Metadata,
}

impl Container {
    /// What the runtime said; `None` while that is pending or unavailable.
    #[must_use]
    pub fn known(&self) -> Option<&ContainerMetadata> {
        match &self.metadata {
            Metadata::Resolved(metadata) => Some(metadata),
            Metadata::Pending | Metadata::Unavailable => None,
        }
    }

    /// A runtime may say more of how it was made: at first Docker tells its name and image alone.
    #[must_use]
    pub fn is_described_in_part(&self) -> bool {
        match &self.metadata {
            Metadata::Pending => true,
            Metadata::Resolved(metadata) => !metadata.is_whole(),
            Metadata::Unavailable => false,
        }
    }

    /// The runtime's name: its own word, else what the form of the cgroup's name gives away.
    #[must_use]
    pub fn runtime(&self) -> Option<&str> {
        self.known()
            .map(|metadata| metadata.runtime.as_str())
            .filter(|runtime| !runtime.is_empty())
            .or_else(|| match cgroup::classify(&self.cgroup) {
                cgroup::CgroupClass::Container(identity) => identity.runtime,
                cgroup::CgroupClass::HostUnit | cgroup::CgroupClass::Unknown => None,
            })
    }

    /// Its addresses; IPv4 as such. More than a runtime tells of a container are its error, and left out.
    pub fn addresses(&self) -> impl Iterator<Item = IpAddr> + '_ {
        let all = self
            .known()
            .map_or(&[][..], |metadata| metadata.addresses.as_slice());
        all.iter().take(MAX_ADDRESSES).map(IpAddr::to_canonical)
    }

    /// Name for people: the runtime's, else the short id.
    #[must_use]
    pub fn display_name(&self) -> &str {
        self.known()
            .map_or_else(|| self.id.short(), |metadata| &metadata.name)
    }
}
