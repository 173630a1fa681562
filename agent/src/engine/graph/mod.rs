//! The service graph: which image contacts whom, and at which port, over all containers that were seen. Containers live
//! briefly; their edges stay.
//!
//! Fed by contacts alone, so an edge is counted on the side that connects. What a program of a container does leaves the
//! kernel once, so an edge's count is how often the kernel told of it, not how many connections there were.
//!
//! Bounded: an image has a share of the edges, and the one that was told longest ago makes room for a new one. What is
//! forgotten so is counted. Nothing is forgotten for its age alone: a contact that goes on is not told again.

mod node;
#[cfg(test)]
mod tests;

pub use node::Node;

use super::Engine;
use crate::detect::{Contact, DetectContext, Scope};
use crate::event::{RecordFlags, SlotKey, Timestamp};
use crate::profile::{Port, Protocol};
use lru::LruCache;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};

/// Edges of one image: a port scan takes no other image's place.
const MAX_EDGES_OF_SOURCE: usize = 512;
/// Containers that an edge remembers. Those that are gone make room: only of more than these at once one may be counted
/// twice.
const MAX_RECENT: usize = 64;

/// What the profile of the contacting image says of a contact.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Expectation {
    /// There is none, or it says nothing of contacts.
    #[default]
    None,
    /// It names the contact.
    Expected,
    /// It does not.
    New,
}

impl Expectation {
    /// The word in outputs.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Expected => "expected",
            Self::New => "new",
        }
    }
}

/// Where an edge leads.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Target {
    pub to: Node,
    pub protocol: Protocol,
    /// Those that the kernel gives out are one.
    pub port: Port,
}

/// What is known of the contacts of one image with one target.
#[derive(Debug, Clone)]
pub struct Edge {
    pub first: Timestamp,
    /// When the kernel last told of one; it may go on since.
    pub last: Timestamp,
    /// How often the kernel told of it: once for each container and program, and again after changes of profiles and alerts.
    pub count: u64,
    /// Those that the host's kernel refused, or the profile denied. What the other side refuses is not seen.
    pub failed: u64,
    /// Containers that were seen to do it.
    pub containers: u64,
    /// The worst since profiles last changed.
    pub profile: Expectation,
    recent: VecDeque<SlotKey>,
    /// Changes of profiles before it was judged.
    profiles: u64,
}

/// The edges. See the module's documentation.
#[derive(Debug, Default)]
pub struct Graph {
    sources: BTreeMap<Node, LruCache<Target, Edge>>,
    edges: usize,
    dropped: u64,
    /// Changes of profiles so far.
    profiles: u64,
}

/// One contact.
#[derive(Debug, Clone, Copy)]
struct Sighting {
    time: Timestamp,
    container: SlotKey,
    failed: bool,
    profile: Expectation,
}

impl Engine {
    /// The service graph.
    #[must_use]
    pub fn graph(&self) -> &Graph {
        &self.graph
    }
}

impl Graph {
    /// Bound of [`Self::len`].
    pub const MAX_EDGES: usize = 4096;

    /// Takes in an event that is judged for good: while a container's name is awaited its contacts wait too.
    pub(super) fn observe(&mut self, context: &DetectContext<'_>) {
        let container = context.event.container.as_deref();
        let Some(container) = container.filter(|_| context.scope != Scope::Universal) else {
            return;
        };
        let net = context.event.raw.contact();
        let Some(contact) = net.and_then(|net| Contact::of(context, net)) else {
            return;
        };
        let (from, unnamed) = (Node::of(container), Node::Container(container.id.clone()));
        if from != unnamed {
            // Once it has a name, everything that it did without is judged, and so told, again.
            self.forget(&unnamed);
        } else if context.scope == Scope::Again {
            return;
        }
        let target = Target {
            to: Node::contacted(context, &contact),
            protocol: contact.proto,
            port: Port::generalised(contact.port, context.host.ephemeral_ports),
        };
        let seen = Sighting {
            time: context.event.time,
            container: container.key,
            failed: has_failed(context),
            profile: expectation(&contact),
        };
        self.note(from, target, seen);
    }

    /// Profiles are others from here on: what is seen again is judged anew.
    pub(super) fn profiles_changed(&mut self) {
        self.profiles += 1;
    }

    /// Who contacts whom, in no particular order.
    pub fn edges(&self) -> impl Iterator<Item = (&Node, &Target, &Edge)> + '_ {
        let sources = self.sources.iter();
        sources.flat_map(|(from, edges)| edges.iter().map(move |(target, edge)| (from, target, edge)))
    }

    /// Number of edges.
    #[must_use]
    pub fn len(&self) -> usize {
        self.edges
    }

    /// True when there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.edges == 0
    }

    /// Edges that were forgotten for lack of room.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    fn note(&mut self, from: Node, target: Target, seen: Sighting) {
        let known = self.sources.get_mut(&from);
        if let Some(edge) = known.and_then(|edges| edges.get_mut(&target)) {
            return edge.note(seen, self.profiles);
        }
        self.make_room(&from);
        let edge = Edge::new(seen, self.profiles);
        let edges = self.sources.entry(from).or_insert_with(LruCache::unbounded);
        edges.put(target, edge);
        self.edges += 1;
    }

    fn make_room(&mut self, from: &Node) {
        let own = self.sources.get(from).map_or(0, LruCache::len);
        if own >= MAX_EDGES_OF_SOURCE {
            self.drop_oldest(from);
        } else if self.edges >= Self::MAX_EDGES
            && let Some(source) = self.stalest()
        {
            self.drop_oldest(&source);
        }
    }

    /// The source with the edge that was told longest ago.
    fn stalest(&self) -> Option<Node> {
        let oldest = self
            .sources
            .iter()
            .filter_map(|(source, edges)| edges.peek_lru().map(|(_, edge)| (edge.last, source)));
        oldest.min().map(|(_, source)| source.clone())
    }

    fn drop_oldest(&mut self, source: &Node) {
        let Some(edges) = self.sources.get_mut(source) else {
            return;
        };
        if edges.pop_lru().is_some() {
            self.edges -= 1;
            self.dropped += 1;
        }
        if edges.is_empty() {
            self.sources.remove(source);
        }
    }

    fn forget(&mut self, source: &Node) {
        if let Some(edges) = self.sources.remove(source) {
            self.edges -= edges.len();
        }
    }
}

impl Edge {
    fn new(seen: Sighting, profiles: u64) -> Self {
        let mut edge = Self {
            first: seen.time,
            last: seen.time,
            count: 0,
            failed: 0,
            containers: 0,
            profile: Expectation::None,
            recent: VecDeque::new(),
            profiles,
        };
        edge.note(seen, profiles);
        edge
    }

    fn note(&mut self, seen: Sighting, profiles: u64) {
        self.first = self.first.min(seen.time);
        self.last = self.last.max(seen.time);
        self.count += 1;
        self.failed += u64::from(seen.failed);
        self.meet(seen.container);
        self.profile = if self.profiles == profiles {
            self.profile.max(seen.profile)
        } else {
            seen.profile
        };
        self.profiles = profiles;
    }

    fn meet(&mut self, container: SlotKey) {
        let before = self.recent.len();
        self.recent.retain(|known| *known != container);
        self.containers += u64::from(self.recent.len() == before);
        if self.recent.len() >= MAX_RECENT {
            self.recent.pop_front();
        }
        self.recent.push_back(container);
    }
}

fn has_failed(context: &DetectContext<'_>) -> bool {
    let header = &context.event.raw.header;
    header.ret < 0 || header.flags.has(RecordFlags::DENIED)
}

fn expectation(contact: &Contact<'_>) -> Expectation {
    match contact.is_named() {
        None => Expectation::None,
        Some(true) => Expectation::Expected,
        Some(false) => Expectation::New,
    }
}
