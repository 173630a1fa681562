//! Containers that are gone: what is told of their end, and what is kept.

use super::{ContainerOp, Engine, Output};
use crate::event::SlotKey;
use crate::event::{KernelString, Lifecycle};
use agent_common::slot::SlotFlags;

impl Engine {
    pub(super) fn is_live(&self, container: SlotKey) -> bool {
        let now = self.enricher.index().by_slot(container.slot);
        now.is_some_and(|found| found.key == container)
    }

    /// Nothing more is kept of a container, but for what is to be judged again. Once at its end, and once more when late records cannot
    /// name it any longer: they may have been kept meanwhile.
    pub(super) fn forget(&mut self, container: SlotKey) {
        self.detectors.forget(container);
        self.learning.forget(container);
        self.names.forget(container);
        self.waiting.forget(container);
    }

    /// The end that no record told: as if it had come.
    pub(super) fn ended(&mut self, slot: SlotKey, outputs: &mut Vec<Output>) {
        self.stats.ends_lost += 1;
        let end = Lifecycle {
            op: ContainerOp::GONE,
            slot_flags: SlotFlags::GONE,
            id: KernelString::default(),
            cgroup: KernelString::default(),
        };
        let index = self.enricher.index_mut();
        index.observe_lifecycle(slot, self.now, &end);
        outputs.push(Output::Released(slot));
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Run, found, listens};
    use super::*;
    use crate::engine::Input;

    const SLOT: SlotKey = SlotKey {
        slot: 3,
        generation: 1,
    };

    #[test]
    fn a_container_whose_end_was_lost_is_judged_and_released_as_at_its_end() {
        let mut run = Run::pending();
        run.feed(listens(9999, 1)).feed(Input::Ended(SLOT));
        assert_eq!(run.rules()[0], ("listener.unexpected", 0));
        assert_eq!(run.released, [SLOT]);
        assert_eq!(run.engine.index().live().count(), 0);
        assert_eq!(run.engine.stats().ends_lost, 1);
    }

    #[test]
    fn the_slot_of_a_container_that_nobody_knows_is_released_too() {
        let mut run = Run::new();
        run.feed(Input::Ended(SLOT));
        assert_eq!(run.released, [SLOT]);
    }

    #[test]
    fn the_end_of_a_former_owner_does_not_end_the_present_one() {
        let mut run = Run::new();
        run.feed(found(SlotFlags::LIVE)).feed(Input::Ended(SlotKey {
            generation: 0,
            ..SLOT
        }));
        assert_eq!(run.engine.index().live().count(), 1);
    }
}
