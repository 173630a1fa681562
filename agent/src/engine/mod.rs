//! The engine: one state machine that owns decode, enrich and detect.
//!
//! Pure: [`Input`]s in, [`Output`]s out; the only thing it asks for is the kernel's maps ([`KernelView`]).
//! No clock (time is the records' and the ticks'), no I/O, no async. So a recording of inputs and answers
//! replays to exactly the same alerts.

use crate::alert::Alert;
use crate::container::RuntimeEvent;
use crate::enrich::KernelTables;
use crate::event::{BootTime, EnrichedEvent};
use agent_common::behaviour::BehaviourKey;
use std::sync::Arc;

/// What the engine is fed, in the order in which it must see it.
#[derive(Debug, Clone, PartialEq)]
pub enum Input {
    /// Bytes from a ring.
    Record(Vec<u8>),
    /// What a runtime told.
    Runtime(RuntimeEvent),
    /// Time passes: windows close, waiting ends. At least once a second.
    Tick(BootTime),
}

/// What comes out.
#[derive(Debug, Clone)]
pub enum Output {
    /// To the spool.
    Alert(Box<Alert>),
    /// To whoever watches.
    Activity(Arc<EnrichedEvent>),
}

/// What the engine reads from the kernel's maps (or from a recording of what they answered).
pub trait KernelView: KernelTables {
    /// Removes a behaviour from the kernel's cache, so that its next occurrence leaves again; the number of its
    /// occurrences so far, or `None` when it was not there any more.
    fn forget(&mut self, behaviour: &BehaviourKey) -> Option<u64>;
}
