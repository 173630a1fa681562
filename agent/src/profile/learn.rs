//! Writes a profile from what a container did, what it was doing when learning began, and what its image declares.
//! Deterministic: the same events in any order give the same entries; bounded: what does not fit is counted and makes
//! the profile `partial`.

mod declared;
mod entries;
mod found;
#[cfg(test)]
mod tests;

use super::model::{ApiVersion, Kind};
use super::value::{AddressScope, Cidr, Port, Protocol};
use super::{
    DnsName, Files, ImageName, ImagePattern, Matching, PathPattern, Profile, ProfileMetadata, ProfileState,
    Provenance, Source, generalise, sensitive,
};
use crate::container::{Container, ImageRef};
use crate::event::{DomainName, is_internal, peer_address};
use crate::event::{
    EnrichedEvent, Exec, FileOpen, KernelString, Net, Payload, RecordFlags, SlotKey, Timestamp,
};
use crate::host::PortRange;
use declared::Declared;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// Entries of one section.
const MAX_ENTRIES: usize = 2048;
/// A script that was opened before has a descriptor's number for a name, which tells nothing.
const DESCRIPTORS: [&str; 2] = ["/dev/fd/", "/proc/self/fd/"];

/// Learns the behaviour of one image from its containers.
#[derive(Debug)]
pub struct Learner {
    name: String,
    image: ImageRef,
    ephemeral: PortRange,
    exec: BTreeMap<PathPattern, Started>,
    listen: BTreeMap<Listener, Seen>,
    connect: BTreeMap<Contact, (Peer, Seen)>,
    write: BTreeMap<PathPattern, Seen>,
    /// Sensitive files, and by which executable.
    read: BTreeMap<(PathPattern, Option<PathPattern>), Seen>,
    /// By number.
    capabilities: BTreeMap<u32, Seen>,
    declared: Declared,
    containers: BTreeSet<SlotKey>,
    /// Behaviours that found no room.
    overflowed: u64,
}

/// What started a program.
#[derive(Debug, Default)]
struct Started {
    parents: BTreeSet<PathPattern>,
    /// It ran when learning began, so who started it is not known: any may.
    before: bool,
    seen: Seen,
}

/// Protocol, port, local addresses, executable.
type Listener = (Protocol, Port, AddressScope, Option<PathPattern>);

/// Peer as text, protocol, port, executable.
type Contact = (String, Protocol, Port, Option<PathPattern>);

/// First and last time of a behaviour, and where.
#[derive(Debug, Default)]
struct Seen {
    first: Option<Timestamp>,
    last: Option<Timestamp>,
    containers: BTreeSet<SlotKey>,
}

/// Who has the address that is contacted, as far as somebody knows.
#[derive(Debug, Clone, Copy, Default)]
pub struct Contacted<'a> {
    pub container: Option<&'a Container>,
    /// What the contacting container asked for when it was answered the address.
    pub name: Option<&'a DomainName>,
}

#[derive(Debug)]
enum Peer {
    Image(ImagePattern),
    Name(DnsName),
    Network(Cidr),
}

impl Peer {
    /// A service outside keeps its name, and has another address tomorrow. Within a network the address says more than who answers for
    /// names there, and the kernel can compare it.
    fn of(address: IpAddr, peer: Contacted<'_>) -> Self {
        let image = peer
            .container
            .and_then(Container::known)
            .and_then(|known| ImageName::parse(&known.image.reference))
            .and_then(|image| image.repository.parse().ok());
        let name = peer
            .name
            .filter(|_| !is_internal(address))
            .and_then(|name| DnsName::try_from(name.to_string()).ok());
        match (image, name) {
            (Some(image), _) => Self::Image(image),
            (None, Some(name)) => Self::Name(name),
            (None, None) => Self::Network(Cidr::single(address)),
        }
    }
}

impl Seen {
    fn at(&mut self, time: Timestamp, container: SlotKey) {
        self.first = Some(self.first.map_or(time, |first| first.min(time)));
        self.last = Some(self.last.map_or(time, |last| last.max(time)));
        self.containers.insert(container);
    }

    fn provenance(&self) -> Provenance {
        Provenance {
            source: Source::Learned,
            first_seen: self.first,
            last_seen: self.last,
            replicas: u32::try_from(self.containers.len()).ok(),
        }
    }
}

impl Learner {
    /// Begins a profile called `name` for an image.
    #[must_use]
    pub fn new(name: String, image: ImageRef, ephemeral: PortRange) -> Self {
        Self {
            name,
            image,
            ephemeral,
            exec: BTreeMap::new(),
            listen: BTreeMap::new(),
            connect: BTreeMap::new(),
            write: BTreeMap::new(),
            read: BTreeMap::new(),
            capabilities: BTreeMap::new(),
            declared: Declared::default(),
            containers: BTreeSet::new(),
            overflowed: 0,
        }
    }

    /// Takes what `container` did; `peer` is whom a contact goes to.
    pub fn observe(&mut self, event: &EnrichedEvent, container: &Container, peer: Contacted<'_>) {
        self.note_container(container.key);
        if let Some(net) = event.raw.listener() {
            self.listen(event, net, container.key);
        }
        if let Some(net) = event.raw.contact() {
            self.connect(event, net, (container.key, peer));
        }
        match &event.raw.payload {
            Payload::Exec(exec) => self.exec(event, exec, container.key),
            // TCP shows up as a listener; a UDP server has nothing but its bind.
            Payload::Bind(net)
                if Protocol::from_number(net.protocol) == Some(Protocol::Udp) && net.local.port != 0 =>
            {
                self.listen(event, net, container.key);
            }
            Payload::Capable(used) if event.raw.header.ret == 0 => {
                self.capability(used.capability, event.time, container.key);
            }
            Payload::FileOpen(open) => {
                if open.writes() {
                    self.write(event, open, container.key);
                }
                if open.reads() && is_secret(event, open) {
                    self.read(event, open, container.key);
                }
            }
            _ => {}
        }
    }

    fn note_container(&mut self, container: SlotKey) {
        if self.containers.len() < MAX_ENTRIES {
            self.containers.insert(container);
        }
    }

    /// Of a script its interpreter too, which other rules ask about.
    fn exec(&mut self, event: &EnrichedEvent, exec: &Exec, container: SlotKey) {
        let parent = event
            .ancestors
            .first()
            .filter(|parent| parent.slot == Some(container));
        let parent = parent.map(|parent| parent.exe.bytes.as_slice());
        self.executed((&event.process.exe.bytes, parent), event.time, container);
        if let Some(script) = Self::script(event, exec) {
            self.executed((&script.bytes, parent), event.time, container);
        }
    }

    /// The script that was executed, where profiles can know it by its name.
    #[must_use]
    pub fn script(event: &EnrichedEvent, exec: &Exec) -> Option<KernelString> {
        let path = exec.script()?.path;
        // Who made another root names its files as he likes.
        let chrooted = event.raw.header.flags.has(RecordFlags::CHROOTED);
        let opened = DESCRIPTORS
            .iter()
            .any(|folder| path.bytes.starts_with(folder.as_bytes()));
        (!chrooted && !opened && !path.truncated).then_some(path)
    }

    /// Takes an execution: the program and, within the container, who started it.
    pub fn executed(&mut self, (exe, parent): (&[u8], Option<&[u8]>), time: Timestamp, container: SlotKey) {
        let Some(started) = self.started(exe) else {
            return self.overflow();
        };
        started.seen.at(time, container);
        if let Some(parent) = parent.and_then(generalise::path)
            && started.parents.len() < MAX_ENTRIES
        {
            started.parents.insert(parent);
        }
    }

    /// Counts behaviours that whoever watched could not keep.
    pub fn left_out(&mut self, behaviours: u64) {
        self.overflowed += behaviours;
    }

    /// The entry of a program; `None` when it has no name in UTF-8, or there is no room.
    fn started(&mut self, exe: &[u8]) -> Option<&mut Started> {
        let path = generalise::path(exe)?;
        if !self.exec.contains_key(&path) && self.exec.len() >= MAX_ENTRIES {
            return None;
        }
        Some(self.exec.entry(path).or_default())
    }

    fn listen(&mut self, event: &EnrichedEvent, net: &Net, container: SlotKey) {
        let Some(proto) = Protocol::from_number(net.protocol) else {
            return;
        };
        let listener = (
            proto,
            self.port(net.local.port),
            scope(peer_address(&net.local)),
            generalise::path(&event.process.exe.bytes),
        );
        self.note_listener(listener, event.time, container);
    }

    fn note_listener(&mut self, listener: Listener, time: Timestamp, container: SlotKey) {
        if !self.listen.contains_key(&listener) && self.listen.len() >= MAX_ENTRIES {
            return self.overflow();
        }
        self.listen.entry(listener).or_default().at(time, container);
    }

    fn connect(&mut self, event: &EnrichedEvent, net: &Net, (container, peer): (SlotKey, Contacted<'_>)) {
        let (Some(proto), Some(address)) = (Protocol::from_number(net.protocol), peer_address(&net.remote))
        else {
            return;
        };
        if address.is_loopback() {
            return;
        }
        let peer = Peer::of(address, peer);
        let key = (
            peer.to_string(),
            proto,
            self.port(net.remote.port),
            generalise::path(&event.process.exe.bytes),
        );
        if !self.connect.contains_key(&key) && self.connect.len() >= MAX_ENTRIES {
            return self.overflow();
        }
        self.connect
            .entry(key)
            .or_insert_with(|| (peer, Seen::default()))
            .1
            .at(event.time, container);
    }

    fn write(&mut self, event: &EnrichedEvent, open: &FileOpen, container: SlotKey) {
        let bytes: &[u8] = &open.path.bytes;
        let folder = &bytes[..bytes
            .iter()
            .rposition(|byte| *byte == b'/')
            .map_or(0, |at| at + 1)];
        let Some(path) = generalise::path(folder) else {
            return self.overflow();
        };
        if !self.write.contains_key(&path) && self.write.len() >= MAX_ENTRIES {
            return self.overflow();
        }
        self.write.entry(path).or_default().at(event.time, container);
    }

    fn read(&mut self, event: &EnrichedEvent, open: &FileOpen, container: SlotKey) {
        let Some(path) = generalise::path(&open.path.bytes) else {
            return self.overflow();
        };
        let key = (path, generalise::path(&event.process.exe.bytes));
        if !self.read.contains_key(&key) && self.read.len() >= MAX_ENTRIES {
            return self.overflow();
        }
        self.read.entry(key).or_default().at(event.time, container);
    }

    fn capability(&mut self, number: u32, time: Timestamp, container: SlotKey) {
        if number >= u64::BITS {
            return self.overflow();
        }
        self.capabilities.entry(number).or_default().at(time, container);
    }

    fn overflow(&mut self) {
        self.overflowed += 1;
    }

    fn port(&self, number: u16) -> Port {
        Port::generalised(number, self.ephemeral)
    }

    /// Behaviours that found no room, or have no name in UTF-8.
    #[must_use]
    pub fn overflowed(&self) -> u64 {
        self.overflowed
    }

    /// The profile of what was seen so far: `partial`, because nobody has reviewed it.
    #[must_use]
    pub fn profile(&self) -> Profile {
        Profile {
            api_version: ApiVersion::V1Alpha1,
            kind: Kind::BehaviorProfile,
            metadata: ProfileMetadata {
                name: self.name.clone(),
                labels: BTreeMap::new(),
            },
            matching: self.matching(),
            state: ProfileState::Partial,
            mode: BTreeMap::new(),
            exec: self.exec_entries(),
            listen: self.listen_entries(),
            connect: self.connect_entries(),
            files: Files {
                write: self.write_entries(),
                read: Some(self.read_entries()),
            },
            capabilities: self.capability_entries(),
        }
    }

    fn matching(&self) -> Matching {
        let pattern =
            ImageName::parse(&self.image.reference).and_then(|image| image.to_string().parse().ok());
        Matching {
            digest: self.image.digest.clone(),
            image_id: self.image.id.clone(),
            images: pattern.into_iter().collect(),
            cgroups: Vec::new(),
        }
    }
}

/// A file whose reading profiles judge.
fn is_secret(event: &EnrichedEvent, open: &FileOpen) -> bool {
    let chrooted = event.raw.header.flags.has(RecordFlags::CHROOTED);
    let named = !chrooted && !open.path.truncated && open.file.is_profiled();
    named && sensitive::is_sensitive(&open.path.bytes)
}

fn scope(address: Option<IpAddr>) -> AddressScope {
    match address {
        Some(address) if address.is_loopback() => AddressScope::Loopback,
        _ => AddressScope::Any,
    }
}

impl std::fmt::Display for Peer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Image(image) => image.fmt(f),
            // An image may be called like a host.
            Self::Name(name) => write!(f, "dns {name}"),
            Self::Network(cidr) => cidr.fmt(f),
        }
    }
}
