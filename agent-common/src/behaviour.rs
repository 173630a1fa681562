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
    pub recent: Recent,
}
const _: () = assert!(size_of::<BehaviourValue>() == 32);

/// Repeats that follow each other so fast that they leave the kernel nevertheless.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Burst {
    /// Each so many occurrences are one.
    pub size: u32,
    /// Occurrences that are looked at, within one span.
    pub most: u32,
    /// The span, from one of the occurrences; in units of 2^30 ns.
    pub within: u32,
}

impl Burst {
    /// Connections: five within a minute, as those who guess passwords make them; three times at most.
    pub const CONNECTIONS: Self = Self {
        size: 5,
        most: 15,
        within: 56,
    };
    /// Executions of one program by one other: a flood.
    pub const EXECUTIONS: Self = Self {
        size: 1000,
        most: 1000,
        within: 4,
    };

    /// What is one, of this kind.
    #[must_use]
    pub const fn of(kind: EventKind) -> Option<Self> {
        match kind {
            EventKind::CONNECT => Some(Self::CONNECTIONS),
            EventKind::EXEC => Some(Self::EXECUTIONS),
            _ => None,
        }
    }
}

/// How often a behaviour occurred within the current span: its first second (boot clock, units of 2^30 ns) above, the
/// count in the low half. Two CPUs at once may count one for two.
#[repr(transparent)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct Recent(pub u32);

impl Recent {
    const HALF: u32 = 0xffff;

    /// The first occurrence.
    #[must_use]
    pub const fn first(boot_ns: u64) -> Self {
        Self(Self::second(boot_ns) << 16 | 1)
    }

    /// The next occurrence.
    #[must_use]
    pub const fn next(self, boot_ns: u64, burst: Burst) -> Self {
        let age = Self::second(boot_ns).wrapping_sub(self.0 >> 16) & Self::HALF;
        if age > burst.within {
            Self::first(boot_ns)
        } else if self.0 & Self::HALF > burst.most {
            self
        } else {
            Self(self.0 + 1)
        }
    }

    /// True when this occurrence completes a burst.
    #[must_use]
    pub const fn completes(self, burst: Burst) -> bool {
        let count = self.0 & Self::HALF;
        count <= burst.most && count.is_multiple_of(burst.size)
    }

    const fn second(boot_ns: u64) -> u32 {
        (boot_ns >> 30 & 0xffff) as u32
    }
}

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

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;
    use std::vec::Vec;

    const SECOND: u64 = 1_000_000_000;

    fn bursts(kind: EventKind, times: impl Iterator<Item = u64>) -> Vec<usize> {
        let burst = Burst::of(kind).unwrap();
        let mut recent: Option<Recent> = None;
        let mut found = Vec::new();
        for (number, time) in times.enumerate() {
            let next = recent.map_or(Recent::first(time), |recent| recent.next(time, burst));
            if next.completes(burst) {
                found.push(number + 1);
            }
            recent = Some(next);
        }
        found
    }

    #[test]
    fn each_five_connections_of_a_minute_are_a_burst_up_to_three() {
        let found = |times: &mut dyn Iterator<Item = u64>| bursts(EventKind::CONNECT, times);
        let start = 500 * SECOND;
        assert_eq!(found(&mut (0..1000).map(|number| start + number)), [5, 10, 15]);
        assert_eq!(found(&mut (0..4).map(|number| start + number)), [0_usize; 0]);
        // One in sixteen seconds never makes five.
        let mut slow = (0..100).map(|number| start + number * 16 * SECOND);
        assert_eq!(found(&mut slow), [0_usize; 0]);
        // A new minute counts anew.
        let mut again = (0..20).map(|number| start + (number / 10) * 70 * SECOND);
        assert_eq!(found(&mut again), [5, 10, 15, 20]);
    }

    #[test]
    fn a_thousand_executions_at_once_are_a_flood() {
        let at = |per_second: u64| {
            let times = (0..5000_u64).map(|number| number * SECOND / per_second);
            bursts(EventKind::EXEC, times).len()
        };
        assert_eq!(at(100), 0);
        assert!(at(500) > 1, "once in each span");
        assert_eq!(Burst::of(EventKind::FILE_OPEN), None);
    }
}
