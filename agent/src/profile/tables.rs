//! A profile as the kernel looks it up: the second half of [`super::compile()`]. Paths stand here as they are written; which number stands for
//! each is drawn when the agent starts.
//!
//! What the kernel cannot match stays with the daemon, is counted, and makes the section's verdict `UNDECIDED` where nothing else allows a
//! deed: patterns with a wildcard elsewhere than in their last component, paths beyond [`MAX_POLICY_PATH`], arguments, names of peers, and
//! patterns of executables beyond [`MAX_CLASSES`]. Images stand for the addresses that their containers have: see [`PolicyTables::of_peer`].

use super::model::{Capability, Connect, Exec, Listen, Mode, PathEntry, Profile, ProfileState};
use super::value::{AddressScope, PathPattern, Port, Protocol};
use super::{ImageName, ImagePattern, sensitive};
use crate::detect::Class;
use agent_common::policy::{
    ANY_PORT, ANYBODY, EPHEMERAL_PORT, Form, IPV4, MAX_CLASSES, MAX_POLICY_FOLDER, MAX_POLICY_PATH, Section,
    Table,
};
use ipnet::IpNet;
use std::collections::BTreeMap;
use std::net::IpAddr;

/// Entries of one policy.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PolicyTables {
    /// The entry of [`Table::INFO`].
    pub info: u64,
    /// The entry of [`Table::UNRESOLVED`].
    pub unresolved: u64,
    /// The entry of [`Table::CAPABILITIES`].
    pub capabilities: u64,
    pub paths: BTreeMap<PathEntryKey, u64>,
    pub ports: BTreeMap<PortKey, u64>,
    pub networks: BTreeMap<NetworkEntryKey, u64>,
    /// What may be contacted of containers by their image.
    pub peers: Vec<PeerEntry>,
    /// Entries of the profile that only the daemon matches.
    pub left_to_daemon: usize,
}

/// A path, and for which others it stands.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct PathEntryKey {
    pub table: Table,
    pub form: Form,
    pub path: Vec<u8>,
}

/// A port of a protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct PortKey {
    pub table: Table,
    pub transport: u16,
    pub port: u32,
}

/// A port of a protocol in a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct NetworkEntryKey {
    pub table: Table,
    pub transport: u16,
    pub port: u32,
    /// IPv4 as `::ffff:a.b.c.d`.
    pub address: [u8; 16],
    /// Bits of `address` that count.
    pub prefix: u32,
}

/// A port of containers of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerEntry {
    pub image: ImagePattern,
    /// Only there.
    pub network: Option<IpNet>,
    pub transport: u16,
    pub port: u32,
    pub actors: u64,
}

impl PolicyTables {
    /// What the profile is in the kernel.
    #[must_use]
    pub fn of(profile: &Profile) -> Self {
        let mut builder = Builder::default();
        let judged = |section: Section, class: Class, described: bool| {
            let mode = profile.mode.get(&class).copied().unwrap_or_default();
            let judges = described && mode != Mode::Learn && profile.state >= ProfileState::Partial;
            let enforces = judges && mode == Mode::Enforce && profile.state == ProfileState::Complete;
            let flag = |is: bool, bit: u64| if is { section.bits(bit) } else { 0 };
            flag(judges, Section::JUDGES) | flag(enforces, Section::ENFORCES)
        };
        let complete = profile.state == ProfileState::Complete;
        builder.tables.info = judged(Section::EXEC, Class::Drift, !profile.exec.is_empty())
            | judged(Section::WRITE, Class::Drift, !profile.files.write.is_empty())
            | judged(Section::READ, Class::Credential, profile.files.read.is_some())
            | judged(
                Section::CAPABILITIES,
                Class::Drift,
                profile.capabilities.is_some(),
            )
            | judged(Section::LISTEN, Class::Listener, true)
            | judged(
                Section::CONNECT,
                Class::Lateral,
                complete || !profile.connect.is_empty(),
            );
        profile.exec.iter().for_each(|entry| builder.exec(entry));
        profile.listen.iter().for_each(|entry| builder.listen(entry));
        profile.connect.iter().for_each(|entry| builder.connect(entry));
        for entry in &profile.files.write {
            builder.file((Section::WRITE, Table::WRITE), entry);
        }
        for entry in profile.files.read.iter().flatten() {
            builder.file((Section::READ, Table::READ), entry);
        }
        let named = profile.capabilities.iter().flatten();
        let numbers = named
            .filter_map(Capability::number)
            .filter(|number| *number < u64::BITS);
        builder.tables.capabilities = numbers.fold(0, |set, number| set | 1 << number);
        builder.finish()
    }

    /// Entries for a container of `image` at `address`, with what holds for the networks around it: they take the place of those in
    /// [`Self::networks`], as long as the container is there.
    #[must_use]
    pub fn of_peer(&self, address: IpAddr, image: &ImageName) -> BTreeMap<NetworkEntryKey, u64> {
        let mut entries = BTreeMap::new();
        for peer in &self.peers {
            let here = peer.network.is_none_or(|network| network.contains(&address));
            if here && peer.image.matches(image) {
                let key = NetworkEntryKey::of((Table::CONNECT, peer.transport, peer.port), address.into());
                *entries.entry(key).or_insert_with(|| self.around(&key)) |= peer.actors;
            }
        }
        entries
    }

    /// What holds for all networks that hold this one.
    fn around(&self, key: &NetworkEntryKey) -> u64 {
        let holding = self.networks.iter().filter(|(other, _)| other.holds(key));
        holding.fold(0, |all, (_, more)| all | more)
    }

    /// Number of entries.
    #[must_use]
    pub fn len(&self) -> usize {
        self.paths.len() + self.ports.len() + self.networks.len()
    }

    /// True when there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A pattern as the kernel can match it.
struct Shape {
    form: Form,
    path: Vec<u8>,
}

impl Shape {
    /// `None`: the kernel cannot.
    fn of(pattern: &PathPattern) -> Option<Self> {
        let text = pattern.as_str();
        let (form, path) = if !pattern.is_glob() {
            (Form::EXACT, text)
        } else if let Some(folder) = text.strip_suffix("/**") {
            (Form::BELOW, folder)
        } else {
            (Form::WITHIN, text.strip_suffix("/*")?)
        };
        let special = form != Form::EXACT && path.contains(['*', '?', '[', ']', '{', '}', '\\']);
        let longest = match form {
            Form::WITHIN => MAX_POLICY_FOLDER,
            Form::BELOW => MAX_POLICY_PATH - 1,
            _ => MAX_POLICY_PATH,
        };
        (!special && path.len() <= longest).then(|| Self {
            form,
            path: path.as_bytes().to_vec(),
        })
    }

    /// The same where a folder that is no pattern stands for all below it too.
    fn covering(pattern: &PathPattern) -> Option<Vec<Self>> {
        let shape = Self::of(pattern)?;
        if shape.form != Form::EXACT {
            return Some(vec![shape]);
        }
        let mut folder = shape.path.clone();
        while folder.last() == Some(&b'/') {
            folder.pop();
        }
        let below = Self {
            form: Form::BELOW,
            path: folder,
        };
        (below.path.len() < MAX_POLICY_PATH).then(|| vec![below, shape])
    }
}

/// The entries of [`Table::SENSITIVE`].
pub fn sensitive_paths() -> impl Iterator<Item = PathEntryKey> {
    let shapes = sensitive::patterns().iter().filter_map(Shape::covering).flatten();
    shapes.map(|Shape { form, path }| PathEntryKey {
        table: Table::SENSITIVE,
        form,
        path,
    })
}

#[derive(Default)]
struct Builder {
    tables: PolicyTables,
    /// Class of each pattern of executables.
    classes: BTreeMap<PathPattern, u64>,
}

impl Builder {
    fn exec(&mut self, entry: &Exec) {
        let actors = self.actors(&entry.parents);
        let shape = Shape::of(&entry.path).filter(|_| entry.args.is_none());
        match (shape, actors) {
            (Some(shape), Some(actors)) => self.path(Table::EXEC, shape, actors),
            _ => self.leave(Section::EXEC),
        }
    }

    fn file(&mut self, (section, table): (Section, Table), entry: &PathEntry) {
        let (shapes, actors) = (Shape::covering(&entry.path), self.actor(entry.exe.as_ref()));
        let (Some(shapes), Some(actors)) = (shapes, actors) else {
            return self.leave(section);
        };
        for shape in shapes {
            self.path(table, shape, actors);
        }
    }

    fn listen(&mut self, entry: &Listen) {
        let Some(actors) = self.actor(entry.exe.as_ref()) else {
            return self.leave(Section::LISTEN);
        };
        let (transport, port) = (transport(entry.proto), number(entry.port));
        let table = match entry.address {
            AddressScope::Any => Table::LISTEN,
            AddressScope::Loopback => Table::LISTEN_LOOPBACK,
            AddressScope::Network(network) => {
                self.tables.info |= Section::LISTEN.bits(Section::NETWORKS);
                return self.network((Table::LISTEN_NETWORK, transport, port), network.0, actors);
            }
        };
        self.port((table, transport, port), actors);
    }

    fn port(&mut self, (table, transport, port): (Table, u16, u32), actors: u64) {
        let key = PortKey {
            table,
            transport,
            port,
        };
        *self.tables.ports.entry(key).or_default() |= actors;
    }

    fn connect(&mut self, entry: &Connect) {
        // Which addresses a name has the daemon learns from answers: what such an entry may allow is not denied.
        if entry.dns.is_some() {
            return self.leave(Section::CONNECT);
        }
        let Some(actors) = self.actor(entry.exe.as_ref()) else {
            return self.leave(Section::CONNECT);
        };
        let key = (Table::CONNECT, transport(entry.proto), number(entry.port));
        if let Some(image) = &entry.image {
            return self.peer(entry, image.clone(), actors);
        }
        match entry.cidr {
            Some(network) => self.network(key, network.0, actors),
            None => {
                for everywhere in [IpAddr::from([0_u8; 4]), IpAddr::from([0_u8; 16])] {
                    let network = IpNet::new_assert(everywhere, 0);
                    self.network(key, network, actors);
                }
            }
        }
    }

    fn peer(&mut self, entry: &Connect, image: ImagePattern, actors: u64) {
        let (transport, port) = (transport(entry.proto), number(entry.port));
        self.tables.info |= Section::CONNECT.bits(Section::IMAGES);
        self.port((Table::PEER, transport, port), actors);
        self.tables.peers.push(PeerEntry {
            image,
            network: entry.cidr.map(|cidr| cidr.0),
            transport,
            port,
            actors,
        });
    }

    fn network(&mut self, key: (Table, u16, u32), network: IpNet, actors: u64) {
        let key = NetworkEntryKey::of(key, network);
        *self.tables.networks.entry(key).or_default() |= actors;
    }

    fn path(&mut self, table: Table, shape: Shape, actors: u64) {
        let key = PathEntryKey {
            table,
            form: shape.form,
            path: shape.path,
        };
        *self.tables.paths.entry(key).or_default() |= actors;
    }

    fn leave(&mut self, section: Section) {
        self.tables.info |= section.bits(Section::DAEMONS);
        self.tables.left_to_daemon += 1;
    }

    /// Any of these; none stands for anybody. `None`: there are too many classes.
    fn actors(&mut self, patterns: &[PathPattern]) -> Option<u64> {
        if patterns.is_empty() {
            return Some(ANYBODY);
        }
        patterns
            .iter()
            .try_fold(0, |actors, pattern| Some(actors | self.actor(Some(pattern))?))
    }

    fn actor(&mut self, pattern: Option<&PathPattern>) -> Option<u64> {
        let Some(pattern) = pattern else {
            return Some(ANYBODY);
        };
        if let Some(class) = self.classes.get(pattern) {
            return Some(*class);
        }
        let class = 1 << Some(self.classes.len()).filter(|taken| *taken < MAX_CLASSES)?;
        self.classes.insert(pattern.clone(), class);
        match Shape::of(pattern) {
            Some(shape) => self.path(Table::ACTOR, shape, class),
            None => self.tables.unresolved |= class,
        }
        Some(class)
    }

    /// The longest network that holds an address answers for all that hold it.
    fn finish(mut self) -> PolicyTables {
        let around = self
            .tables
            .networks
            .keys()
            .map(|key| (*key, self.tables.around(key)));
        self.tables.networks = around.collect();
        self.tables
    }
}

impl NetworkEntryKey {
    /// Of table, transport and port in a network.
    #[must_use]
    pub fn of((table, transport, port): (Table, u16, u32), network: IpNet) -> Self {
        let (address, family, before) = match network.network() {
            IpAddr::V4(address) => (address.to_ipv6_mapped(), IPV4, 96),
            IpAddr::V6(address) => (address, 0, 0),
        };
        Self {
            table,
            transport: transport | family,
            port,
            address: address.octets(),
            prefix: u32::from(network.prefix_len()) + before,
        }
    }

    fn holds(&self, inner: &Self) -> bool {
        let same = (self.table, self.transport, self.port) == (inner.table, inner.transport, inner.port);
        let differing = u128::from_be_bytes(self.address) ^ u128::from_be_bytes(inner.address);
        same && self.prefix <= inner.prefix && differing.leading_zeros() >= self.prefix
    }
}

fn transport(protocol: Protocol) -> u16 {
    match protocol {
        Protocol::Tcp => 6,
        Protocol::Udp => 17,
        Protocol::Sctp => 132,
    }
}

fn number(port: Port) -> u32 {
    match port {
        Port::Number(number) => u32::from(number),
        Port::Ephemeral => EPHEMERAL_PORT,
        Port::Any => ANY_PORT,
    }
}
