//! The books: outcomes of hook invocations, and errors inside programs.

use crate::atomic;
use crate::maps::{COUNTERS, ERRORS, SLOT_BOOKS};
use agent_common::counter::{COUNTER_KINDS, KernelError, Outcome, SlotBooks, counter_index};
use agent_common::event::EventKind;
use agent_common::slot::SlotRef;
use core::ptr::addr_of_mut;

/// Books one outcome, in the totals and for the container.
#[inline(always)]
pub fn outcome(kind: EventKind, outcome: Outcome, slot: SlotRef) {
    if let Some(value) = COUNTERS.get_ptr_mut(counter_index(kind, outcome)) {
        // SAFETY: a live map value of this CPU. Interrupted increments are possible only between programs of one
        // CPU that preempt each other; the addition is one atomic instruction against them.
        unsafe { atomic::add(value, 1) };
    }
    if let Some(books) = SLOT_BOOKS.get_ptr_mut(slot.slot) {
        // SAFETY: a live map value, and a row and a column of it.
        unsafe {
            if (*books).generation == slot.generation {
                atomic::add(place(books, kind, outcome), 1);
            }
        }
    }
}

/// Where a container's books hold the outcome.
#[inline(always)]
unsafe fn place(books: *mut SlotBooks, kind: EventKind, outcome: Outcome) -> *mut u64 {
    // SAFETY: the caller's; kinds out of range share a row, and outcomes are this program's own.
    unsafe {
        if outcome == Outcome::SEEN {
            let row = kind.0 as usize & (COUNTER_KINDS as usize - 1);
            addr_of_mut!((*books).seen).cast::<u64>().add(row)
        } else {
            addr_of_mut!((*books).outcomes)
                .cast::<u64>()
                .add(outcome.0 as usize)
        }
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
