//! Listeners and contacts.

use super::actor::own_classes;
use super::{ANY_CLASS, NOT_KNOWN, conclude, entry, info, needs_actor};
use crate::global::setting;
use crate::maps::POLICY_NETWORKS;
use crate::scratch;
use crate::socket;
use agent_common::event::{EventKind, NetEvent, RecordFlags, SocketAddress};
use agent_common::policy::{
    ANY_PORT, ANYBODY, EPHEMERAL_PORT, IPV4, KNOWN_ADDRESSES, NEARBY, NetworkKey, OWN, PolicyKey, Section,
    Table, Verdict, own_addresses, transport,
};
use aya_ebpf::btf_maps::lpm_trie::Key;
use core::ptr::addr_of;

#[unsafe(no_mangle)]
#[inline(never)]
pub(super) extern "C" fn judge_net(buffer: u32, policy: u32) -> u32 {
    let Some(scratch) = scratch::taken(buffer) else {
        return Verdict::NONE.0;
    };
    let record: *const NetEvent = scratch::record(scratch).cast();
    // SAFETY: scratch memory that this program took.
    let kind = unsafe { (*record).header.kind };
    let listens = kind == EventKind::LISTEN || kind == EventKind::BIND;
    let section = if listens {
        Section::LISTEN
    } else {
        Section::CONNECT
    };
    let info = info(policy, section);
    if info == 0 {
        return Verdict::NONE.0;
    }
    let allowed = if listens {
        listeners(record, policy, info)
    } else {
        contacts(record, policy)
    };
    if allowed == OUT_OF_SCOPE {
        return Verdict::NONE.0;
    }
    let images = !listens && allowed & ANYBODY == 0 && Section::CONNECT.has(info, Section::IMAGES);
    let possible = if images { strangers(buffer, policy) } else { 0 };
    let actor = if needs_actor(allowed) || needs_actor(possible) {
        own_classes(buffer, policy)
    } else {
        0
    };
    let info = info | left_open(policy, possible, actor);
    conclude(policy, info, section, allowed, actor)
}

/// The bit for a contact that the daemon has to judge: with a stranger whom `possible` may contact there, if it is of the right image.
#[inline(always)]
fn left_open(policy: u32, possible: u64, actor: u64) -> u64 {
    if possible == 0 {
        return 0;
    }
    let who = if actor == NOT_KNOWN {
        ANY_CLASS
    } else {
        actor | entry(&PolicyKey::single(policy, Table::UNRESOLVED))
    };
    if possible & (who | ANYBODY) == 0 {
        0
    } else {
        Section::CONNECT.bits(Section::DAEMONS)
    }
}

/// No section is about it.
const OUT_OF_SCOPE: u64 = u64::MAX;
/// Who may listen there.
#[inline(always)]
fn listeners(record: *const NetEvent, policy: u32, info: u64) -> u64 {
    // SAFETY: the caller's.
    let (protocol, kind) = unsafe { ((*record).protocol, (*record).header.kind) };
    // SAFETY: as above.
    let local = Address::read(unsafe { addr_of!((*record).local) });
    let transport = transport(protocol);
    let loopback = local.is_loopback();
    if transport == 0 || kind == EventKind::BIND && !makes_listener(record, transport, loopback) {
        return OUT_OF_SCOPE;
    }
    let (protocol, port) = (u32::from(transport), u32::from(local.port));
    let mut allowed = port_entries(policy, u32::from(Table::LISTEN.0), protocol, port);
    if loopback {
        allowed |= port_entries(policy, u32::from(Table::LISTEN_LOOPBACK.0), protocol, port);
    }
    if Section::LISTEN.has(info, Section::NETWORKS) {
        allowed |= network_entries(policy, Table::LISTEN_NETWORK, transport, &local);
    }
    allowed
}

/// Of a bind. A datagram socket serves with it, but a client's: with a port that the kernel gives out, or for the container itself. Others
/// serve when they listen; where only the bind can be denied it stands for that.
#[inline(always)]
fn makes_listener(record: *const NetEvent, transport: u16, loopback: bool) -> bool {
    // SAFETY: the caller's.
    let (port, flags) = unsafe { ((*record).local.port, (*record).header.flags.0) };
    let asked = flags >> RecordFlags::BACKEND_SHIFT & 3 == RecordFlags::CGROUP_BACKEND;
    let serves = if transport == socket::IPPROTO_UDP {
        !loopback && !is_ephemeral(port)
    } else {
        asked
    };
    port != 0 && serves
}

/// Who may contact it.
#[inline(always)]
fn contacts(record: *const NetEvent, policy: u32) -> u64 {
    // SAFETY: the caller's.
    let (protocol, slot) = unsafe { ((*record).protocol, (*record).header.slot) };
    // SAFETY: as above.
    let remote = Address::read(unsafe { addr_of!((*record).remote) });
    let transport = transport(protocol);
    // Servers answer to ports that clients were given; a datagram socket without a port sorts addresses.
    let answers = transport == socket::IPPROTO_UDP && (remote.port == 0 || is_ephemeral(remote.port));
    if transport == 0 || answers || remote.is_nobody() {
        return OUT_OF_SCOPE;
    }
    if network_entry(own_addresses(slot), WHOSE, remote.high, remote.low) == OWN {
        return OUT_OF_SCOPE;
    }
    network_entries(policy, Table::CONNECT, transport, &remote)
}

/// Whose an address is: no port is asked about.
const WHOSE: u64 = (Table::CONNECT.0 as u64) << 48;

/// Who may contact containers of some image at this port, where the address is that of a container which nobody knows yet, for all that is
/// known: near the container, and nobody's.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn strangers(buffer: u32, policy: u32) -> u64 {
    let Some(scratch) = scratch::taken(buffer) else {
        return 0;
    };
    let record: *const NetEvent = scratch::record(scratch).cast();
    // SAFETY: scratch memory that this program took.
    let (protocol, slot) = unsafe { ((*record).protocol, (*record).header.slot) };
    // SAFETY: as above.
    let remote = Address::read(unsafe { addr_of!((*record).remote) });
    let is = |policy: u32| network_entry(policy, WHOSE, remote.high, remote.low);
    if is(own_addresses(slot)) != NEARBY || is(KNOWN_ADDRESSES) != 0 {
        return 0;
    }
    let transport = u32::from(transport(protocol));
    port_entries(
        policy,
        u32::from(Table::PEER.0),
        transport,
        u32::from(remote.port),
    )
}

#[inline(always)]
fn is_ephemeral(port: u16) -> bool {
    let port = u32::from(port);
    port >= setting!(ephemeral_low) && port <= setting!(ephemeral_high)
}

/// Entries of a port, by all names that it has.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn port_entries(policy: u32, table: u32, transport: u32, port: u32) -> u64 {
    let (table, transport) = (Table(table as u16), transport as u16);
    let mut entries = entry(&PolicyKey::port(policy, table, transport, port));
    entries |= entry(&PolicyKey::port(policy, table, transport, ANY_PORT));
    if is_ephemeral(port as u16) {
        entries |= entry(&PolicyKey::port(policy, table, transport, EPHEMERAL_PORT));
    }
    entries
}

/// The same of a port in networks.
#[inline(always)]
fn network_entries(policy: u32, table: Table, transport: u16, address: &Address) -> u64 {
    let of = |port: u32| {
        let question = u64::from(table.0) << 48 | u64::from(transport) << 32 | u64::from(port);
        network_entry(policy, question, address.high, address.low)
    };
    let mut entries = of(u32::from(address.port)) | of(ANY_PORT);
    if is_ephemeral(address.port) {
        entries |= of(EPHEMERAL_PORT);
    }
    entries
}

/// Entry of the smallest network that holds the address. `question`: table, transport and port, 16, 16 and 32 bits; the address in two
/// words as it is on the wire.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn network_entry(policy: u32, question: u64, high: u64, low: u64) -> u64 {
    let family = if is_mapped(high, low) { IPV4 } else { 0 };
    let key = NetworkKey {
        policy,
        table: Table((question >> 48) as u16),
        transport: (question >> 32) as u16 | family,
        port: question as u32,
        reserved: 0,
        // SAFETY: sixteen bytes either way.
        address: unsafe { core::mem::transmute::<[u64; 2], [u8; 16]>([high, low]) },
    };
    let key = Key::new(NetworkKey::BITS, key);
    POLICY_NETWORKS.get(&key).copied().unwrap_or(0)
}

/// An address in two words as it is on the wire, IPv4 mapped.
#[derive(Clone, Copy)]
struct Address {
    high: u64,
    low: u64,
    port: u16,
}

/// `::ffff:0.0.0.0/96` and `64:ff9b::/96`, the latter being IPv4 as networks of IPv6 alone reach it.
const MAPPED: u64 = 0xffff << 32;
const NAT64: u64 = 0x0064_ff9b << 32;

impl Address {
    #[inline(always)]
    fn read(address: *const SocketAddress) -> Self {
        let words: *const u64 = address.cast();
        // SAFETY: the caller's. A record's addresses are at multiples of four.
        let (high, low, port) = unsafe {
            (
                words.read_unaligned(),
                words.add(1).read_unaligned(),
                (*address).port,
            )
        };
        // Without a branch: the verifier would follow both.
        let nat64 = u64::from(core::hint::black_box(
            u64::from_be(high) == NAT64 && u64::from_be(low) >> 32 == 0,
        ))
        .wrapping_neg();
        Self {
            high: high & !nat64,
            low: low | MAPPED.to_be() & nat64,
            port,
        }
    }

    #[inline(always)]
    fn is_v4(&self) -> bool {
        is_mapped(self.high, self.low)
    }

    #[inline(always)]
    fn is_loopback(&self) -> bool {
        let low = u64::from_be(self.low);
        self.high == 0 && (low == 1 || low >> 24 == MAPPED >> 24 | 127)
    }

    /// Addresses that are nobody else: loopback, unspecified, to groups, broadcast.
    #[inline(always)]
    fn is_nobody(&self) -> bool {
        let low = u64::from_be(self.low);
        let group = if self.is_v4() {
            low as u32 >> 28 == 0xe || low as u32 == u32::MAX
        } else {
            u64::from_be(self.high) >> 56 == 0xff
        };
        let unspecified = self.high == 0 && (low == 0 || low == MAPPED);
        self.is_loopback() || unspecified || group
    }
}

#[inline(always)]
fn is_mapped(high: u64, low: u64) -> bool {
    high == 0 && u64::from_be(low) >> 32 == MAPPED >> 32
}
