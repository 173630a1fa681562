//! [`Enricher`]: a decoded record becomes an event with its container, process and ancestors.
//!
//! It never waits: what runtimes did not tell yet is pending in the container's metadata, and a slot or an
//! exec id that is not known is asked of the kernel's tables, which answer at once.

mod links;

use crate::container::{Attribution, ContainerIndex, SlotReader};
use crate::event::{BootTime, Clock, EnrichedEvent, Payload, RawEvent};
use crate::process::lineage::{from_exec, from_header};
use crate::process::{Completeness, Lineage, LineageReader, LineageStats, Process};
use links::Links;
use std::sync::Arc;

/// An event and whose it is.
#[derive(Debug, Clone)]
pub enum Enriched {
    /// A container's; `container` is set.
    Container(EnrichedEvent),
    /// The host's.
    Host(EnrichedEvent),
    /// Of a container that nobody knows any more (its slot is used again): it has a slot, but `container` is
    /// `None`. Universal rules still apply to it.
    Unattributed(EnrichedEvent),
}

impl Enriched {
    /// The event itself.
    #[must_use]
    pub fn into_event(self) -> EnrichedEvent {
        match self {
            Self::Container(event) | Self::Host(event) | Self::Unattributed(event) => event,
        }
    }

    /// The event, whoever caused it.
    #[must_use]
    pub fn event(&self) -> &EnrichedEvent {
        match self {
            Self::Container(event) | Self::Host(event) | Self::Unattributed(event) => event,
        }
    }
}

/// What the enricher asks of the kernel's tables, or of a recording of their answers.
pub trait KernelTables: LineageReader + SlotReader {}

impl<T: LineageReader + SlotReader> KernelTables for T {}

/// Attributes events to containers and processes.
#[derive(Debug)]
pub struct Enricher {
    clock: Clock,
    index: ContainerIndex,
    lineage: Lineage,
    links: Links,
}

impl Enricher {
    /// With an empty index.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        Self {
            clock,
            index: ContainerIndex::default(),
            lineage: Lineage::default(),
            links: Links::default(),
        }
    }

    /// Containers as they are known now.
    #[must_use]
    pub fn index(&self) -> &ContainerIndex {
        &self.index
    }

    /// For runtime events, ticks and changes.
    pub fn index_mut(&mut self) -> &mut ContainerIndex {
        &mut self.index
    }

    /// The wall clock was set: events from now on are told in its time.
    pub fn set_clock(&mut self, clock: Clock) {
        self.clock = clock;
    }

    /// Lookups of the lineage.
    #[must_use]
    pub fn lineage_stats(&self) -> LineageStats {
        self.lineage.stats()
    }

    /// Processes that are remembered, and how many can be.
    #[must_use]
    pub fn lineage_size(&self) -> (usize, usize) {
        (self.lineage.stats().cached, self.lineage.capacity())
    }

    /// Attributes one event. Lifecycle records change the index first, so their own container is known.
    pub fn enrich(&mut self, mut raw: RawEvent, kernel: &mut dyn KernelTables) -> Enriched {
        let time = BootTime(raw.header.time_boot_ns);
        self.index.observe(&raw);
        self.links.follow(&mut raw);
        let (process, executed_by) = self.process(&raw, kernel);
        let mut chain = self
            .lineage
            .chain(executed_by.as_deref().unwrap_or(&process), kernel);
        if let Some(executed_by) = executed_by {
            chain.ancestors.insert(0, executed_by);
            chain.ancestors.truncate(agent_common::limits::MAX_ANCESTORS);
        }
        let attribution = raw
            .slot()
            .map_or(Attribution::Host, |key| self.index.attribute(key, time, kernel));
        let mut event = EnrichedEvent {
            time: self.clock.wall(time),
            container: None,
            process,
            ancestors: chain.ancestors,
            ancestors_truncated: chain.completeness == Completeness::Truncated,
            raw,
        };
        match attribution {
            Attribution::Container(container) => {
                event.container = Some(container);
                Enriched::Container(event)
            }
            Attribution::Host => Enriched::Host(event),
            Attribution::Unknown => Enriched::Unattributed(event),
        }
    }

    /// The acting process. When it only forked since, also the process that executed its image.
    fn process(
        &mut self,
        raw: &RawEvent,
        kernel: &mut dyn KernelTables,
    ) -> (Arc<Process>, Option<Arc<Process>>) {
        if let Payload::Exec(exec) = &raw.payload
            && raw.header.ret >= 0
        {
            let process = Arc::new(from_exec(raw, exec));
            self.lineage.remember(Arc::clone(&process));
            return (process, None);
        }
        let Some(image) = self.lineage.get(raw.exec_id(), kernel) else {
            return (Arc::new(from_header(raw)), None);
        };
        if image.host_pid == raw.header.tgid {
            return (image, None);
        }
        let forked = Process {
            host_pid: raw.header.tgid,
            pid: raw.header.ns_tgid,
            start: BootTime(raw.header.start_boot_ns),
            uid: raw.header.uid,
            ..(*image).clone()
        };
        (Arc::new(forked), Some(image))
    }
}

#[cfg(test)]
mod tests;
