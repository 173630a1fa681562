//! Key and value of the behaviour cache: each distinct behaviour leaves the kernel once.

use crate::event::EventKind;
use crate::policy::Verdict;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// A behaviour: who (slot, executable) does what (kind, access) to which object.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct BehaviourKey {
    /// Container; its epoch makes a new profile, a reused slot or a renewal start afresh.
    pub slot: u32,
    pub epoch: u32,
    pub kind: EventKind,
    /// Kind-specific: read/write intent, protocol, request.
    pub access: u16,
    /// Device of the acting executable.
    pub exe_dev: u32,
    /// Identity of the acting executable on its device: inode number, and generation in the upper half, for numbers are
    /// used again.
    pub exe_id: u64,
    /// Object: (identity, device) of the real file; address; namespace; target.
    pub object: [u64; 2],
    /// Port (ephemeral ones generalised to 0), device, command.
    pub detail: u64,
}
const _: () = assert!(size_of::<BehaviourKey>() == 48);

/// What is known of a behaviour.
#[repr(C)]
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct BehaviourValue {
    /// Occurrences, the first included.
    pub count: u64,
    pub first_boot_ns: u64,
    pub last_boot_ns: u64,
    /// What the policy of the key's epoch says of it.
    pub verdict: Verdict,
    pub reserved: u32,
}
const _: () = assert!(size_of::<BehaviourValue>() == 32);

impl BehaviourValue {
    /// In the count of a deviation: who alerts has taken it. What occurs from then on is a first occurrence again.
    pub const TAKEN: u64 = 1 << 63;

    /// Occurrences that nobody has taken.
    #[must_use]
    pub const fn occurrences(&self) -> u64 {
        if self.count & Self::TAKEN == 0 {
            self.count
        } else {
            0
        }
    }
}
