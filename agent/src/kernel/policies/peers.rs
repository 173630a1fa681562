//! Images that policies name, in the kernel: the entries of the addresses that their containers have now, and the addresses of which is
//! known whose they are. A contact with any other, near the container, may be with one that nobody knows yet.

use super::{KernelError, Loaded, NETWORKS, Policies, Tree, absent, network_key, of, whose_key};
use crate::event::{SlotKey, canonical};
use crate::profile::{ImageName, NetworkEntryKey, PolicyTables};
use agent_common::policy::{KNOWN_ADDRESSES, OWN};
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// Entries of one address in one policy.
pub(super) type Entries = BTreeMap<NetworkEntryKey, u64>;

/// Who has which address. The last one who was told to have it has it.
#[derive(Debug, Default)]
pub(super) struct Peers {
    addresses: BTreeMap<IpAddr, Peer>,
    host: BTreeSet<IpAddr>,
    /// Addresses that the kernel knows.
    written: BTreeSet<IpAddr>,
}

#[derive(Debug, PartialEq, Eq)]
struct Peer {
    container: SlotKey,
    image: Option<ImageName>,
}

/// What follows from a change.
#[derive(Debug, Default)]
pub(in crate::kernel) struct Changed {
    /// Slots whose verdicts hold no longer.
    pub(in crate::kernel) slots: BTreeSet<SlotKey>,
    /// The first entry that the kernel did not take.
    pub(in crate::kernel) refused: Option<KernelError>,
}

impl Peers {
    /// Entries that say of an address that it is known.
    pub(super) fn len(&self) -> usize {
        self.written.len()
    }

    /// What the policy allows for the containers that are there.
    pub(super) fn entries(&self, tables: &PolicyTables) -> BTreeMap<IpAddr, Entries> {
        if tables.peers.is_empty() {
            return BTreeMap::new();
        }
        let of = |address: &IpAddr| (*address, self.entries_of(*address, tables));
        let all = self.addresses.keys().map(of);
        all.filter(|(_, entries)| !entries.is_empty()).collect()
    }

    fn entries_of(&self, address: IpAddr, tables: &PolicyTables) -> Entries {
        let peer = self.addresses.get(&address);
        let image = peer.and_then(|peer| peer.image.as_ref());
        image.map_or_else(Entries::new, |image| tables.of_peer(address, image))
    }

    fn is_known(&self, address: IpAddr) -> bool {
        self.addresses.contains_key(&address) || self.host.contains(&address)
    }

    /// Addresses that are another's now, or other images'.
    fn set(
        &mut self,
        container: SlotKey,
        image: Option<&ImageName>,
        addresses: &BTreeSet<IpAddr>,
    ) -> Vec<IpAddr> {
        let own = self
            .addresses
            .iter()
            .filter(|(_, peer)| peer.container == container);
        let mut changed: Vec<IpAddr> = own
            .map(|(address, _)| *address)
            .filter(|address| !addresses.contains(address))
            .collect();
        for address in &changed {
            self.addresses.remove(address);
        }
        for address in addresses {
            let peer = Peer {
                container,
                image: image.cloned(),
            };
            if self.addresses.get(address) != Some(&peer) {
                self.addresses.insert(*address, peer);
                changed.push(*address);
            }
        }
        changed
    }

    fn set_host(&mut self, addresses: BTreeSet<IpAddr>) -> Vec<IpAddr> {
        let changed = self.host.symmetric_difference(&addresses).copied().collect();
        self.host = addresses;
        changed
    }
}

impl Policies {
    /// A container of `image` has these addresses and no others; none: it is gone.
    pub(in crate::kernel) fn peer(
        &mut self,
        container: SlotKey,
        image: Option<&ImageName>,
        addresses: &[IpAddr],
    ) -> Changed {
        let addresses = addresses.iter().copied().map(canonical).collect();
        let others = self.peers.set(container, image, &addresses);
        self.follow(others)
    }

    /// The host has these addresses: no container will have them.
    pub(in crate::kernel) fn host(&mut self, addresses: &[IpAddr]) -> Changed {
        let addresses = addresses.iter().copied().map(canonical).collect();
        let others = self.peers.set_host(addresses);
        self.follow(others)
    }

    fn follow(&mut self, addresses: Vec<IpAddr>) -> Changed {
        let mut changed = Changed::default();
        for address in addresses {
            if let Err(error) = self.follow_one(address, &mut changed.slots) {
                changed.refused.get_or_insert(error);
            }
        }
        changed
    }

    /// An address whose entries the kernel does not take is not known to it: who contacts it is not denied.
    fn follow_one(&mut self, address: IpAddr, slots: &mut BTreeSet<SlotKey>) -> Result<(), KernelError> {
        let (known, before) = (
            self.peers.is_known(address),
            self.peers.written.contains(&address),
        );
        if before && !known {
            self.set_known(address, false)?;
        }
        let mut touched = BTreeSet::new();
        for (policy, loaded) in &mut self.loaded {
            let entries = self.peers.entries_of(address, loaded.profile.tables());
            if loaded.has(address, &entries) {
                continue;
            }
            touched.insert(*policy);
            loaded.replace(&mut self.networks, (*policy).into(), address, entries)?;
        }
        if known && !before {
            self.set_known(address, true)?;
        }
        for (slot, assigned) in &self.slots {
            let near = known != before && assigned.is_near(address);
            if self.denies(assigned.policy) && (near || touched.contains(&assigned.policy)) {
                slots.insert(*slot);
            }
        }
        Ok(())
    }

    fn set_known(&mut self, address: IpAddr, known: bool) -> Result<(), KernelError> {
        let key = whose_key(KNOWN_ADDRESSES, address.into());
        if known {
            self.networks.insert(&key, OWN, 0).map_err(of(NETWORKS))?;
            self.peers.written.insert(address);
        } else {
            absent(self.networks.remove(&key)).map_err(of(NETWORKS))?;
            self.peers.written.remove(&address);
        }
        Ok(())
    }
}

impl Loaded {
    fn has(&self, address: IpAddr, entries: &Entries) -> bool {
        let present = self.peers.get(&address);
        present.map_or(entries.is_empty(), |present| present == entries)
    }

    /// What the profile says of the address alone comes back when no container has it.
    fn replace(
        &mut self,
        networks: &mut Tree,
        policy: u32,
        address: IpAddr,
        entries: Entries,
    ) -> Result<(), KernelError> {
        for (key, actors) in &entries {
            networks
                .insert(&network_key(policy, key), actors, 0)
                .map_err(of(NETWORKS))?;
        }
        let before = self.peers.remove(&address).unwrap_or_default();
        for key in before.keys().filter(|key| !entries.contains_key(key)) {
            let written = network_key(policy, key);
            let outcome = match self.profile.tables().networks.get(key) {
                Some(actors) => networks.insert(&written, actors, 0),
                None => absent(networks.remove(&written)),
            };
            outcome.map_err(of(NETWORKS))?;
        }
        if !entries.is_empty() {
            self.peers.insert(address, entries);
        }
        Ok(())
    }
}

/// Networks in which containers may appear that the container at `own` can reach: its own. Everywhere, where they are not known (no runtime
/// told, or it has the host's network).
pub(super) fn nearby(own: &[IpNet]) -> BTreeSet<IpNet> {
    let network = |own: &&IpNet| own.prefix_len() < own.max_prefix_len();
    let networks: BTreeSet<IpNet> = own.iter().filter(network).map(IpNet::trunc).collect();
    if networks.is_empty() {
        let everywhere: [IpNet; 2] = [Ipv4Net::default().into(), Ipv6Net::default().into()];
        return everywhere.into();
    }
    networks
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn container(slot: u32) -> SlotKey {
        SlotKey { slot, generation: 1 }
    }

    fn addresses(texts: &[&str]) -> BTreeSet<IpAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    fn image(text: &str) -> Option<ImageName> {
        ImageName::parse(text)
    }

    #[test]
    fn the_last_container_that_is_told_has_an_address_and_a_former_owner_does_not_free_it() {
        let mut peers = Peers::default();
        let shared = addresses(&["172.17.0.2"]);
        assert_eq!(peers.set(container(1), image("db").as_ref(), &shared).len(), 1);
        assert!(peers.set(container(1), image("db").as_ref(), &shared).is_empty());
        assert_eq!(peers.set(container(2), image("web").as_ref(), &shared).len(), 1);
        assert_eq!(peers.set(container(1), None, &BTreeSet::new()).len(), 0);
        assert!(peers.is_known("172.17.0.2".parse().unwrap()));
        assert_eq!(peers.set(container(2), None, &BTreeSet::new()).len(), 1);
        assert!(!peers.is_known("172.17.0.2".parse().unwrap()));
    }

    #[test]
    fn what_the_host_has_is_known_until_it_has_it_no_longer() {
        let mut peers = Peers::default();
        assert_eq!(peers.set_host(addresses(&["172.17.0.1", "10.0.0.9"])).len(), 2);
        assert_eq!(peers.set_host(addresses(&["10.0.0.9"])).len(), 1);
        assert!(!peers.is_known("172.17.0.1".parse().unwrap()));
    }

    #[test]
    fn strangers_are_expected_in_the_containers_networks_or_anywhere_if_those_are_not_known() {
        let networks =
            |texts: &[&str]| -> Vec<IpNet> { texts.iter().map(|text| text.parse().unwrap()).collect() };
        let near = nearby(&networks(&["172.18.0.5/16", "fd00::5/64"]));
        assert_eq!(
            near,
            networks(&["172.18.0.0/16", "fd00::/64"]).into_iter().collect()
        );
        let everywhere = networks(&["0.0.0.0/0", "::/0"]).into_iter().collect();
        assert_eq!(nearby(&[]), everywhere);
        assert_eq!(nearby(&networks(&["172.18.0.5/32"])), everywhere);
    }
}
