//! Policies: profiles in the kernel's maps, and which slot has which. A policy is written whole before the first slot has it, and never
//! changed: a profile that changes becomes another policy. Only what its images stand for comes and goes: see [`peers`].

mod peers;

use super::error::KernelError;
use super::slots::MapUsage;
use crate::event::SlotKey;
use crate::profile::{CompiledProfile, NetworkEntryKey, PathEntryKey, PolicyTables, sensitive_paths};
use agent_common::limits::{MAX_POLICIES, POLICY_ENTRIES, POLICY_NETWORK_ENTRIES};
use agent_common::policy::{
    ANYBODY, EVERY_POLICY, Form, NEARBY, NetworkKey, OWN, PathHash, PolicyEntry, PolicyKey, Section, Table,
    own_addresses,
};
use aya::Ebpf;
use aya::maps::lpm_trie::{Key, LpmTrie};
use aya::maps::{HashMap, MapData, MapError};
use ipnet::IpNet;
pub(super) use peers::Changed;
use peers::{Entries, Peers};
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::net::IpAddr;
use std::sync::Arc;

const ENTRIES: &str = "POLICIES";
const NETWORKS: &str = "POLICY_NETWORKS";

type Tree = LpmTrie<MapData, NetworkKey, u64>;

/// Policies in the kernel.
pub struct Policies {
    entries: HashMap<MapData, PolicyKey, PolicyEntry>,
    networks: Tree,
    key: [u64; 2],
    enforces: bool,
    loaded: BTreeMap<u16, Loaded>,
    slots: BTreeMap<SlotKey, Assigned>,
    peers: Peers,
}

/// Entries by key, of which a path can have two forms.
#[derive(Default)]
struct Merged(BTreeMap<PolicyKey, PolicyEntry>);

impl Merged {
    fn add(&mut self, key: PolicyKey, form: Form, actors: u64) {
        let entry = self.0.entry(key).or_default();
        *entry = entry.and(form, actors);
    }
}

struct Loaded {
    profile: Arc<CompiledProfile>,
    /// In the map of entries.
    entries: usize,
    slots: usize,
    /// Entries of containers that are there.
    peers: BTreeMap<IpAddr, Entries>,
}

impl Loaded {
    fn is(&self, profile: &Arc<CompiledProfile>) -> bool {
        Arc::ptr_eq(&self.profile, profile) || self.profile == *profile
    }
}

#[derive(Default)]
struct Assigned {
    policy: u16,
    /// What the kernel knows of where it is.
    places: BTreeMap<IpNet, u64>,
}

impl Assigned {
    fn is_near(&self, address: IpAddr) -> bool {
        let mut places = self.places.iter();
        places.any(|(network, whose)| *whose == NEARBY && network.contains(&address))
    }
}

/// What a slot gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Assignment {
    pub(super) policy: u16,
    /// Verdicts that were made before it hold no longer.
    pub(super) renews: bool,
}

impl std::fmt::Debug for Policies {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Policies").finish_non_exhaustive()
    }
}

impl Policies {
    /// `enforces`: profiles that ask for it deny.
    pub(super) fn take(ebpf: &mut Ebpf, key: [u64; 2], enforces: bool) -> Result<Self, KernelError> {
        let mut entries: HashMap<_, PolicyKey, PolicyEntry> = super::map(ebpf, ENTRIES, HashMap::try_from)?;
        let mut sensitive = Merged::default();
        for PathEntryKey { table, form, path } in sensitive_paths() {
            let key = PolicyKey::path(EVERY_POLICY, table, form, PathHash::of(key, &path));
            sensitive.add(key, form, ANYBODY);
        }
        for (key, value) in &sensitive.0 {
            entries.insert(key, value, 0).map_err(of(ENTRIES))?;
        }
        Ok(Self {
            entries,
            networks: super::map(ebpf, NETWORKS, LpmTrie::try_from)?,
            key,
            enforces,
            loaded: BTreeMap::new(),
            slots: BTreeMap::new(),
            peers: Peers::default(),
        })
    }

    /// Policies, and entries of all of them.
    #[must_use]
    pub fn count(&self) -> (usize, usize) {
        let entries = self.tables().map(PolicyTables::len);
        (self.loaded.len(), entries.sum())
    }

    /// Entries of profiles that are left to the daemon, of all of them.
    #[must_use]
    pub fn left_to_daemon(&self) -> usize {
        self.tables().map(|tables| tables.left_to_daemon).sum()
    }

    /// How full the maps are.
    #[must_use]
    pub fn usage(&self) -> [MapUsage; 2] {
        let own: usize = self.slots.values().map(|assigned| assigned.places.len()).sum();
        let peers = self.loaded.values().flat_map(|loaded| loaded.peers.values());
        let peers: usize = peers.map(BTreeMap::len).sum::<usize>() + self.peers.len();
        let entries: usize = self.loaded.values().map(|loaded| loaded.entries).sum();
        let networks: usize = self.tables().map(|tables| tables.networks.len()).sum();
        let usage = |map, entries: usize, capacity: u32| MapUsage {
            map,
            entries: entries as u64,
            capacity: capacity.into(),
        };
        [
            usage("policies", entries + sensitive_paths().count(), POLICY_ENTRIES),
            usage("policy_networks", networks + own + peers, POLICY_NETWORK_ENTRIES),
        ]
    }

    fn tables(&self) -> impl Iterator<Item = &PolicyTables> {
        self.loaded.values().map(|loaded| loaded.profile.tables())
    }

    /// The number of the policy that the profile is; `None`: no container has it.
    pub(super) fn number(&self, profile: &Arc<CompiledProfile>) -> Option<u16> {
        let mut loaded = self.loaded.iter();
        loaded
            .find(|(_, loaded)| loaded.is(profile))
            .map(|(policy, _)| *policy)
    }

    /// Sections that some container's policy denies by.
    pub fn enforced(&self) -> impl Iterator<Item = Section> + '_ {
        let all = self.judged();
        Section::ALL
            .into_iter()
            .filter(move |section| section.has(all, Section::ENFORCES))
    }

    /// Whether some container's policy says anything of the section.
    pub(super) fn judges(&self, section: Section) -> bool {
        section.has(self.judged(), Section::JUDGES)
    }

    /// What all policies say together.
    fn judged(&self) -> u64 {
        let info = self
            .loaded
            .values()
            .map(|loaded| self.info(loaded.profile.tables()));
        info.fold(0, |all, info| all | info)
    }

    /// Writes what `container` needs; `None`: it has no profile. `own`: its addresses, in their networks. To be followed by
    /// [`Self::settle`], when the slot has it.
    pub(super) fn assign(
        &mut self,
        container: SlotKey,
        profile: Option<&Arc<CompiledProfile>>,
        own: &[IpNet],
    ) -> Result<Assignment, KernelError> {
        let before = self.slots.get(&container).map_or(0, |assigned| assigned.policy);
        let policy = profile.map_or(Ok(0), |profile| self.policy(profile))?;
        let places = profile.map_or_else(BTreeMap::new, |profile| places(own, profile.tables()));
        let others = self.place(container, places)?;
        let renews = (before != policy || others) && (self.denies(before) || self.denies(policy));
        if before != policy {
            if let Some(loaded) = self.loaded.get_mut(&policy) {
                loaded.slots += 1;
            }
            if let Some(loaded) = self.loaded.get_mut(&before) {
                loaded.slots = loaded.slots.saturating_sub(1);
            }
        }
        if let Some(assigned) = self.slots.get_mut(&container) {
            assigned.policy = policy;
        }
        Ok(Assignment { policy, renews })
    }

    /// Takes out what no slot has.
    pub(super) fn settle(&mut self) -> Result<(), KernelError> {
        self.slots.retain(|_, assigned| assigned.policy != 0);
        let unused: Vec<u16> = self
            .loaded
            .iter()
            .filter(|(_, loaded)| loaded.slots == 0)
            .map(|(policy, _)| *policy)
            .collect();
        for policy in unused {
            if let Some(loaded) = self.loaded.remove(&policy) {
                self.remove(policy, loaded.profile.tables(), &loaded.peers)?;
            }
        }
        Ok(())
    }

    fn denies(&self, policy: u16) -> bool {
        let info = self
            .loaded
            .get(&policy)
            .map_or(0, |loaded| self.info(loaded.profile.tables()));
        Section::ALL
            .iter()
            .any(|section| section.has(info, Section::ENFORCES))
    }

    fn info(&self, tables: &PolicyTables) -> u64 {
        let denying = Section::ALL
            .iter()
            .fold(0, |bits, section| bits | section.bits(Section::ENFORCES));
        if self.enforces {
            tables.info
        } else {
            tables.info & !denying
        }
    }

    /// The policy that the profile is, which is written if it is not there yet.
    fn policy(&mut self, profile: &Arc<CompiledProfile>) -> Result<u16, KernelError> {
        if let Some(policy) = self.number(profile) {
            return Ok(policy);
        }
        let free = (1..MAX_POLICIES).find(|policy| !self.loaded.contains_key(policy));
        let policy = free.ok_or(KernelError::TooManyPolicies(MAX_POLICIES))?;
        let peers = self.peers.entries(profile.tables());
        let entries = match self.write(policy, profile.tables(), &peers) {
            Ok(entries) => entries,
            Err(error) => {
                // Half a policy would call much a deviation.
                self.remove(policy, profile.tables(), &peers)?;
                return Err(error);
            }
        };
        let loaded = Loaded {
            profile: Arc::clone(profile),
            entries,
            slots: 0,
            peers,
        };
        self.loaded.insert(policy, loaded);
        Ok(policy)
    }

    /// How many entries they are, beside networks.
    fn write(
        &mut self,
        policy: u16,
        tables: &PolicyTables,
        peers: &BTreeMap<IpAddr, Entries>,
    ) -> Result<usize, KernelError> {
        let entries = self.entries_of(policy, tables);
        for (key, value) in &entries {
            self.entries.insert(key, value, 0).map_err(of(ENTRIES))?;
        }
        for (key, actors) in tables.networks.iter().chain(peers.values().flatten()) {
            let key = network_key(u32::from(policy), key);
            self.networks.insert(&key, actors, 0).map_err(of(NETWORKS))?;
        }
        Ok(entries.len())
    }

    fn remove(
        &mut self,
        policy: u16,
        tables: &PolicyTables,
        peers: &BTreeMap<IpAddr, Entries>,
    ) -> Result<(), KernelError> {
        for key in self.entries_of(policy, tables).into_keys() {
            absent(self.entries.remove(&key)).map_err(of(ENTRIES))?;
        }
        let peers = peers.values().flat_map(BTreeMap::keys);
        for key in tables.networks.keys().chain(peers) {
            absent(self.networks.remove(&network_key(u32::from(policy), key))).map_err(of(NETWORKS))?;
        }
        Ok(())
    }

    fn entries_of(&self, policy: u16, tables: &PolicyTables) -> BTreeMap<PolicyKey, PolicyEntry> {
        let policy = u32::from(policy);
        let single = [
            (Table::UNRESOLVED, tables.unresolved),
            (Table::CAPABILITIES, tables.capabilities),
            (Table::INFO, self.info(tables)),
        ];
        let mut entries = Merged::default();
        for (PathEntryKey { table, form, path }, actors) in &tables.paths {
            let hash = PathHash::of(self.key, path);
            entries.add(PolicyKey::path(policy, *table, *form, hash), *form, *actors);
        }
        for (key, actors) in &tables.ports {
            let key = PolicyKey::port(policy, key.table, key.transport, key.port);
            entries.add(key, Form::EXACT, *actors);
        }
        for (table, value) in single {
            entries.add(PolicyKey::single(policy, table), Form::EXACT, value);
        }
        entries.0
    }

    /// Notes where the container is; true when that is elsewhere than before.
    fn place(&mut self, container: SlotKey, places: BTreeMap<IpNet, u64>) -> Result<bool, KernelError> {
        let assigned = self.slots.entry(container).or_default();
        let policy = own_addresses(container.slot);
        for place in assigned.places.keys().filter(|place| !places.contains_key(place)) {
            absent(self.networks.remove(&whose_key(policy, *place))).map_err(of(NETWORKS))?;
        }
        for (place, whose) in &places {
            if assigned.places.get(place) != Some(whose) {
                let written = self.networks.insert(&whose_key(policy, *place), whose, 0);
                written.map_err(of(NETWORKS))?;
            }
        }
        let others = assigned.places != places;
        assigned.places = places;
        Ok(others)
    }
}

/// What the kernel is to know of where a container is.
fn places(own: &[IpNet], tables: &PolicyTables) -> BTreeMap<IpNet, u64> {
    let near = if tables.peers.is_empty() {
        BTreeMap::new()
    } else {
        peers::nearby(own)
            .into_iter()
            .map(|network| (network, NEARBY))
            .collect()
    };
    let single = |own: &IpNet| (crate::event::canonical(own.addr()).into(), OWN);
    near.into_iter().chain(own.iter().map(single)).collect()
}

fn network_key(policy: u32, entry: &NetworkEntryKey) -> Key<NetworkKey> {
    let key = NetworkKey {
        policy,
        table: entry.table,
        transport: entry.transport,
        port: entry.port,
        reserved: 0,
        address: entry.address,
    };
    Key::new(NetworkKey::HEAD_BITS + entry.prefix, key)
}

fn whose_key(policy: u32, place: IpNet) -> Key<NetworkKey> {
    network_key(policy, &NetworkEntryKey::of((Table::CONNECT, 0, 0), place))
}

/// What is to be taken out may be gone.
fn absent(removed: Result<(), MapError>) -> Result<(), MapError> {
    match removed {
        Err(MapError::KeyNotFound) => Ok(()),
        Err(MapError::SyscallError(error)) if error.io_error.kind() == ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

fn of(map: &'static str) -> impl Fn(MapError) -> KernelError {
    move |source| KernelError::Map { map, source }
}
