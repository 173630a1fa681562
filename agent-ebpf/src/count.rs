//! The books: outcomes of hook invocations, and errors inside programs.

use crate::atomic;
use crate::maps::{COUNTERS, ERRORS};
use agent_common::counter::{KernelError, Outcome, counter_index};
use agent_common::event::EventKind;

/// Books one outcome.
#[inline(always)]
pub fn outcome(kind: EventKind, outcome: Outcome) {
    if let Some(value) = COUNTERS.get_ptr_mut(counter_index(kind, outcome)) {
        // SAFETY: a live map value of this CPU. Interrupted increments are possible only between programs of one
        // CPU that preempt each other; the addition is one atomic instruction against them.
        unsafe { atomic::add(value, 1) };
    }
}

/// Counts an internal error. Errors allow.
#[inline(always)]
pub fn error(error: KernelError) {
    if let Some(value) = ERRORS.get_ptr_mut(error.0) {
        // SAFETY: as above.
        unsafe { atomic::add(value, 1) };
    }
}
