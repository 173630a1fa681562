//! Debug messages to the agent's log, in builds with the feature `debug-log`; in others neither the messages nor their
//! arguments are compiled.
//!
//! A message takes stack and instructions: those of busy places are functions of their own.

use agent_common::counter::Outcome;
use agent_common::event::EventKind;

/// A message at level debug: a literal with `{}`, and numbers.
macro_rules! debug {
    ($($message:tt)+) => {{
        #[cfg(feature = "debug-log")]
        aya_log_ebpf::debug!((), $($message)+);
    }};
}

pub(crate) use debug;

/// A record was lost.
#[cfg(feature = "debug-log")]
#[inline(never)]
pub fn lost(kind: EventKind, reason: Outcome, slot: u32) -> u32 {
    match reason {
        Outcome::LOST_RING_FULL => debug!(
            "a record of kind {} of slot {} is lost: its ring is full",
            kind.0, slot
        ),
        Outcome::LOST_SCRATCH_BUSY => debug!(
            "a record of kind {} of slot {} is lost: no scratch memory",
            kind.0, slot
        ),
        Outcome::LOST_QUOTA => debug!(
            "a record of kind {} of slot {} is lost: over its quota",
            kind.0, slot
        ),
        _ => debug!(
            "a record of kind {} of slot {} is lost: its object cannot be read",
            kind.0, slot
        ),
    }
    0
}

#[cfg(not(feature = "debug-log"))]
#[inline(always)]
pub fn lost(_kind: EventKind, _reason: Outcome, _slot: u32) -> u32 {
    0
}
