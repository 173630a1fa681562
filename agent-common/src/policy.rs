//! What profiles are in the kernel: entries of one hash map and one tree of networks, and how they are looked up. Both sides
//! compute keys and verdicts here.
//!
//! Entries answer with the *actors* that may do a thing, as a set of up to 63 classes: each class stands for one pattern of executables that
//! the profile names. Where a profile does not say who, [`ANYBODY`] may.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Every actor.
pub const ANYBODY: u64 = 1 << 63;
/// Classes of actors that one policy can have.
pub const MAX_CLASSES: usize = 63;
/// Longest path that an entry can name, bytes. Of longer ones the kernel knows the folders that lie within this.
pub const MAX_POLICY_PATH: usize = 511;
/// Longest folder of [`Form::WITHIN`]: with the longest name in it, it is a path that is looked at whole.
pub const MAX_POLICY_FOLDER: usize = MAX_POLICY_PATH - 256;
/// A port that stands for those that the kernel gives out.
pub const EPHEMERAL_PORT: u32 = 0x1_0000;
/// A port that stands for all.
pub const ANY_PORT: u32 = 0x1_0001;

/// Which question an entry answers.
#[repr(transparent)]
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
pub struct Table(pub u16);

impl Table {
    /// What the policy says at all: bits of [`Section`].
    pub const INFO: Self = Self(0);
    /// Classes whose pattern only the daemon can match.
    pub const UNRESOLVED: Self = Self(1);
    /// Of an executable: the classes that it is of.
    pub const ACTOR: Self = Self(2);
    /// Of a program: who may execute it.
    pub const EXEC: Self = Self(3);
    /// Of a file: who may write it.
    pub const WRITE: Self = Self(4);
    /// Of a protocol and a port on every address: who may listen there.
    pub const LISTEN: Self = Self(5);
    /// The same for loopback addresses.
    pub const LISTEN_LOOPBACK: Self = Self(6);
    /// The same by network.
    pub const LISTEN_NETWORK: Self = Self(7);
    /// Of a network, a protocol and a port: who may contact it.
    pub const CONNECT: Self = Self(8);
    /// Of a protocol and a port: who may contact containers of some image there.
    pub const PEER: Self = Self(9);
    /// Of a file: who may read it.
    pub const READ: Self = Self(10);
    /// Of a file, in [`EVERY_POLICY`]: reading it is judged.
    pub const SENSITIVE: Self = Self(11);
    /// Capabilities that may be used, a bit each.
    pub const CAPABILITIES: Self = Self(12);
}

/// How an entry's path stands for others.
#[repr(transparent)]
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
pub struct Form(pub u16);

impl Form {
    /// For itself.
    pub const EXACT: Self = Self(0);
    /// For everything below it.
    pub const BELOW: Self = Self(1);
    /// For what lies in it.
    pub const WITHIN: Self = Self(2);
}

/// Key of the map of entries.
#[repr(C)]
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
pub struct PolicyKey {
    /// Which policy; 0 is none.
    pub policy: u32,
    pub table: Table,
    /// A [`Form`], or a [`transport`].
    pub variant: u16,
    /// [`PathHash`] of a path, or a port.
    pub object: u64,
}
const _: () = assert!(size_of::<PolicyKey>() == 16);

impl PolicyKey {
    /// Of the one entry that such a table has.
    #[must_use]
    #[inline(always)]
    pub const fn single(policy: u32, table: Table) -> Self {
        Self {
            policy,
            table,
            variant: 0,
            object: 0,
        }
    }

    /// Of a path. What stands for it and what stands for all below it is one entry.
    #[must_use]
    #[inline(always)]
    pub const fn path(policy: u32, table: Table, form: Form, hash: u64) -> Self {
        Self {
            policy,
            table,
            variant: if form.0 == Form::BELOW.0 {
                Form::EXACT.0
            } else {
                form.0
            },
            object: hash,
        }
    }

    /// Of a port.
    #[must_use]
    #[inline(always)]
    pub const fn port(policy: u32, table: Table, transport: u16, port: u32) -> Self {
        Self {
            policy,
            table,
            variant: transport,
            object: port as u64,
        }
    }
}

/// Value of the map of entries: who may.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct PolicyEntry {
    pub actors: u64,
    /// Of a path: for what lies below it.
    pub below: u64,
}
const _: () = assert!(size_of::<PolicyEntry>() == 16);

impl PolicyEntry {
    /// Where a form's actors are in it.
    #[must_use]
    #[inline(always)]
    pub const fn of(&self, form: Form) -> u64 {
        if form.0 == Form::BELOW.0 {
            self.below
        } else {
            self.actors
        }
    }

    /// Both of two entries of one key.
    #[must_use]
    pub const fn and(self, form: Form, actors: u64) -> Self {
        if form.0 == Form::BELOW.0 {
            Self {
                below: self.below | actors,
                ..self
            }
        } else {
            Self {
                actors: self.actors | actors,
                ..self
            }
        }
    }
}

/// Key of the tree of networks: all but the address counts whole.
#[repr(C)]
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
pub struct NetworkKey {
    pub policy: u32,
    pub table: Table,
    /// A [`transport`], with [`IPV4`] for mapped addresses.
    pub transport: u16,
    pub port: u32,
    pub reserved: u32,
    /// IPv4 as `::ffff:a.b.c.d`.
    pub address: [u8; 16],
}
const _: () = assert!(size_of::<NetworkKey>() == 32);

impl NetworkKey {
    /// Bits before the address.
    pub const HEAD_BITS: u32 = 128;
    /// Bits of a whole key.
    pub const BITS: u32 = Self::HEAD_BITS + 128;
}

/// In a transport: the address is one of IPv4.
pub const IPV4: u16 = 0x100;

/// One number for `IPPROTO_*` that are one protocol to a profile; 0: no protocol with ports.
#[must_use]
#[inline(always)]
pub const fn transport(protocol: u16) -> u16 {
    match protocol {
        6 | 262 => 6,
        17 | 136 => 17,
        132 => 132,
        _ => 0,
    }
}

/// A part of a profile, as a bit position in the entry of [`Table::INFO`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Section(u32);

impl Section {
    pub const EXEC: Self = Self(0);
    pub const WRITE: Self = Self(8);
    pub const LISTEN: Self = Self(16);
    pub const CONNECT: Self = Self(24);
    pub const READ: Self = Self(32);
    pub const CAPABILITIES: Self = Self(40);
    pub const ALL: [Self; 6] = [
        Self::EXEC,
        Self::WRITE,
        Self::READ,
        Self::LISTEN,
        Self::CONNECT,
        Self::CAPABILITIES,
    ];

    /// What it does not name is a deviation.
    pub const JUDGES: u64 = 1;
    /// Deviations are denied.
    pub const ENFORCES: u64 = 2;
    /// Some entries only the daemon can match.
    pub const DAEMONS: u64 = 4;
    /// Some entries are networks.
    pub const NETWORKS: u64 = 8;
    /// Some entries are images of containers.
    pub const IMAGES: u64 = 16;

    /// Name in status and in `agent check`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::EXEC => "exec",
            Self::WRITE => "write",
            Self::READ => "read",
            Self::LISTEN => "listen",
            Self::CAPABILITIES => "capabilities",
            _ => "connect",
        }
    }

    /// The section's bits, where they stand.
    #[must_use]
    #[inline(always)]
    pub const fn bits(self, bits: u64) -> u64 {
        bits << self.0
    }

    /// Whether all of `bits` are set for the section.
    #[must_use]
    #[inline(always)]
    pub const fn has(self, info: u64, bits: u64) -> bool {
        info >> self.0 & bits == bits
    }
}

/// What a policy says of a deed.
#[repr(transparent)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct Verdict(pub u32);

impl Verdict {
    /// Nothing: no policy, or not about this.
    pub const NONE: Self = Self(0);
    pub const EXPECTED: Self = Self(1);
    pub const DEVIATION: Self = Self(2);
    /// Only the daemon can tell.
    pub const UNDECIDED: Self = Self(4);
    /// One of [`crate::escape`], where those are denied: no policy was asked.
    pub const ESCAPE: Self = Self(8 | Self::DENY);
    /// Beside others: it is to be denied.
    pub const DENY: u32 = 0x100;
}

/// The verdict of a section. `allowed`: who may, all entries that apply together; `actor`: the classes of who does.
#[must_use]
#[inline(always)]
pub const fn decide(info: u64, section: Section, allowed: u64, actor: u64, unresolved: u64) -> Verdict {
    if !section.has(info, Section::JUDGES) {
        return Verdict::NONE;
    }
    if allowed & (actor | ANYBODY) != 0 {
        return Verdict::EXPECTED;
    }
    if section.has(info, Section::DAEMONS) || allowed & unresolved != 0 {
        return Verdict::UNDECIDED;
    }
    if section.has(info, Section::ENFORCES) {
        Verdict(Verdict::DEVIATION.0 | Verdict::DENY)
    } else {
        Verdict::DEVIATION
    }
}

/// 2^31 - 1: remainders of it are a shift and an addition.
const PRIME: u64 = (1 << 31) - 1;

/// Hash of a path, a byte at a time, so that the hashes of all folders above it are had on the way. Two polynomials over a prime field, at
/// points that are secret: who does not know them finds two paths of 511 bytes with one hash with a probability of 2^-42.
#[derive(Debug, Clone, Copy)]
pub struct PathHash {
    points: [u64; 2],
    values: [u64; 2],
}

impl PathHash {
    /// Of no bytes. `key` is drawn at each start.
    #[must_use]
    #[inline(always)]
    pub const fn new(key: [u64; 2]) -> Self {
        Self {
            points: [key[0] & (PRIME >> 1) | 0x100, key[1] & (PRIME >> 1) | 0x100],
            values: [1, 1],
        }
    }

    /// Takes a byte in.
    #[must_use]
    #[inline(always)]
    pub const fn with(self, byte: u8) -> Self {
        let [a, b] = self.values;
        let [x, y] = self.points;
        Self {
            points: self.points,
            values: [fold(a * x + byte as u64), fold(b * y + byte as u64)],
        }
    }

    #[must_use]
    #[inline(always)]
    pub const fn finish(self) -> u64 {
        self.values[0] << 32 | self.values[1]
    }

    /// Of a path as a whole.
    #[must_use]
    pub const fn of(key: [u64; 2], path: &[u8]) -> u64 {
        let mut hash = Self::new(key);
        let mut index = 0;
        while index < path.len() {
            hash = hash.with(path[index]);
            index += 1;
        }
        hash.finish()
    }
}

/// A number below 2^62 to one of the same remainder below 2^31 + 1.
#[inline(always)]
const fn fold(value: u64) -> u64 {
    let once = (value & PRIME) + (value >> 31);
    (once & PRIME) + (once >> 31)
}

/// Policy of the addresses that are a container's own, which no profile needs to name ([`OWN`]), and of the networks in which it is
/// ([`NEARBY`]).
#[must_use]
#[inline(always)]
pub const fn own_addresses(slot: u32) -> u32 {
    slot | 1 << 31
}

/// In place of a policy's number, in keys of what holds for all of them.
pub const EVERY_POLICY: u32 = 0;
/// The container itself.
pub const OWN: u64 = 1;
/// Where containers may appear that nobody knows yet.
pub const NEARBY: u64 = 2;
/// Policy of the addresses of which is known whose they are: a container's here, or the host's. No slot has this number.
pub const KNOWN_ADDRESSES: u32 = u32::MAX;
