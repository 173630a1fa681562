use super::{Rule, needs_image};
use crate::container::{Container, ContainerMetadata};
use crate::event::{BootTime, DomainName, EnrichedEvent, SlotKey};
use crate::host::HostFacts;
use crate::profile::{CompiledProfile, Role};
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

/// Other containers of the host, by what events name of them, and what else is known of addresses.
pub trait Neighbours {
    /// The container that has the address; `None` when none or not known.
    fn by_address(&self, address: IpAddr) -> Option<Arc<Container>>;

    /// The container in the slot now.
    fn by_slot(&self, slot: u32) -> Option<Arc<Container>>;

    /// What the container asked for when it was answered the address, the latest last.
    fn names(&self, container: SlotKey, address: IpAddr) -> Vec<DomainName>;
}

/// Which rules decide on an event now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// The image is not known yet: rules that hold for every image.
    Universal,
    /// Every rule.
    All,
    /// Every rule, on what was judged before: what detectors count was counted then.
    Again,
}

impl Scope {
    pub(super) fn admits(self, rule: &Rule) -> bool {
        self != Self::Universal || !needs_image(rule)
    }
}

/// What a detector may look at.
#[derive(Clone, Copy)]
pub struct DetectContext<'a> {
    pub event: &'a EnrichedEvent,
    pub scope: Scope,
    pub host: &'a HostFacts,
    /// The profile of the container's image.
    pub profile: Option<&'a CompiledProfile>,
    pub role: Option<&'a Role>,
    pub neighbours: &'a dyn Neighbours,
}

impl fmt::Debug for DetectContext<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DetectContext")
            .field("event", self.event)
            .field("profile", &self.profile)
            .finish_non_exhaustive()
    }
}

impl DetectContext<'_> {
    /// When it happened, on the clock of records.
    pub(crate) fn time(&self) -> BootTime {
        BootTime(self.event.raw.header.time_boot_ns)
    }

    /// What the container's runtime said of it.
    pub(crate) fn known(&self) -> Option<&ContainerMetadata> {
        self.event
            .container
            .as_ref()
            .and_then(|container| container.known())
    }

    /// How the acting process is called in a sentence.
    pub(crate) fn actor(&self) -> String {
        match self.event.process.exe.to_text() {
            empty if empty.is_empty() => format!("process {}", self.event.raw.header.tgid),
            exe => exe,
        }
    }

    /// What the container asked for when it was answered the address, the latest last.
    pub(crate) fn names(&self, address: IpAddr) -> Vec<DomainName> {
        let container = self.event.raw.slot();
        container.map_or_else(Vec::new, |container| self.neighbours.names(container, address))
    }

    /// What follows the address in a sentence: ` (updates.example.org)`, or nothing.
    pub(crate) fn name_in_brackets(&self, address: IpAddr) -> String {
        let names = self.names(address);
        names.last().map_or_else(String::new, |name| format!(" ({name})"))
    }

    /// How the container is called in a sentence.
    pub(crate) fn container_name(&self) -> &str {
        self.event
            .container
            .as_ref()
            .map_or("an unknown container", |container| container.display_name())
    }
}
