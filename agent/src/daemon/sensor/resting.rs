//! Slots of containers that are gone rest for a while; what is remembered of them goes with their use by another.

use super::super::task::boot_time;
use crate::alert::REPEAT_WINDOW;
use crate::kernel::Slots;
use agent_common::slot::SlotRef;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// How long a slot rests after its container is gone: late records of it still find their container.
const SLOT_REST: Duration = Duration::from_secs(30);
/// How often deviations that nobody asks for are looked for, where no slot was recycled.
const SWEEP: Duration = Duration::from_secs(10);
/// A window that was opened so long ago is closed, also when the daemon was late.
const CLOSED_AFTER_NS: u64 = 2 * REPEAT_WINDOW.as_secs() * 1_000_000_000;

/// Slots at rest, oldest first.
#[derive(Debug, Default)]
pub(super) struct Resting {
    slots: VecDeque<(SlotRef, Instant)>,
    swept: Option<Instant>,
}

impl Resting {
    pub(super) fn add(&mut self, slot: SlotRef, now: Instant) {
        self.slots.push_back((slot, now));
    }

    pub(super) fn slots(&self) -> impl Iterator<Item = SlotRef> + '_ {
        self.slots.iter().map(|(slot, _)| *slot)
    }

    /// Frees those that have rested, and takes out deviations of which no alert counts the repeats. To be called about once a second.
    pub(super) fn recycle(&mut self, slots: &mut Slots, now: Instant) {
        while let Some((slot, _)) = self
            .slots
            .pop_front_if(|(_, since)| now.duration_since(*since) >= SLOT_REST)
        {
            if let Err(error) = slots.recycle(slot) {
                tracing::warn!(%error, "a slot stays out of use");
            }
        }
        let is_due = self.swept.is_none_or(|last| now.duration_since(last) >= SWEEP);
        if is_due || slots.is_to_be_swept() {
            self.swept = Some(now);
            if let Err(error) = slots.sweep(boot_time().0.saturating_sub(CLOSED_AFTER_NS)) {
                tracing::warn!(%error, "deviations of containers that are gone take room");
            }
        }
    }
}
