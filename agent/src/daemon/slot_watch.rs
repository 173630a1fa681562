//! Whether the slots of containers that run are still theirs. Their states cannot be closed to others: the daemon changes them too.

use crate::container::{Container, SlotReader};
use crate::detect::SensorFinding;
use crate::event::SlotKey;
use agent_common::event::Namespaces;
use agent_common::slot::{SlotFlags, SlotState};
use std::collections::{HashMap, HashSet};

/// Slots that were changed, each told once.
#[derive(Debug, Default)]
pub(super) struct SlotWatch {
    changed: HashSet<SlotKey>,
    /// With which namespaces each container began: programs tell by them whether it gains some of the host's.
    began: HashMap<SlotKey, Began>,
}

/// Namespaces that were read alike so often. A program may just be writing them when they are read for the first time.
#[derive(Debug, Clone, Copy)]
struct Began {
    namespaces: Namespaces,
    readings: u32,
}

impl Began {
    /// With another reading; false when what was certain has changed.
    fn read(self, now: Namespaces) -> (Self, bool) {
        let certain = self.readings > 1 && self.namespaces != Namespaces::default();
        if now == self.namespaces {
            let readings = self.readings.saturating_add(1);
            (Self { readings, ..self }, true)
        } else if certain {
            (self, false)
        } else {
            let first = Self {
                namespaces: now,
                readings: 1,
            };
            (first, true)
        }
    }
}

impl SlotWatch {
    /// What was not told before. `containers`: those that run.
    pub(super) fn look<'a>(
        &mut self,
        containers: impl Iterator<Item = &'a Container>,
        slots: &mut dyn SlotReader,
    ) -> Vec<SensorFinding> {
        let before = std::mem::take(&mut self.began);
        let mut changed = Vec::new();
        for container in containers {
            let key = container.key;
            let Some(state) = slots.slot(key.slot) else {
                continue;
            };
            let began = before.get(&key).copied().unwrap_or(Began {
                namespaces: state.namespaces,
                readings: 0,
            });
            let (began, same) = began.read(state.namespaces);
            if !is_of(&state, key) || !same {
                changed.push(container);
            }
            self.began.insert(key, began);
        }
        let new = changed
            .iter()
            .filter(|container| !self.changed.contains(&container.key));
        let findings = new.map(|container| tampered(container)).collect();
        self.changed = changed.iter().map(|container| container.key).collect();
        findings
    }

    pub(super) fn is_empty(&self) -> bool {
        self.changed.is_empty()
    }
}

/// It says what it must say while the container runs: programs would take its tasks for the host's otherwise.
fn is_of(state: &SlotState, key: SlotKey) -> bool {
    const KINDS: u32 = SlotFlags::CANDIDATE | SlotFlags::LIVE;
    state.generation == key.generation && state.flags.0 & KINDS != SlotFlags::CANDIDATE
}

fn tampered(container: &Container) -> SensorFinding {
    SensorFinding::Tampered {
        part: "map".to_owned(),
        name: "SLOT_STATE".to_owned(),
        container: Some(container.id.to_string()),
        obstacle: Some("restart the container, or the agent".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::container::Metadata;
    use crate::event::{BootTime, ContainerId};
    use zerocopy::FromZeros;

    struct Slots(SlotState);

    impl SlotReader for Slots {
        fn slot(&mut self, _: u32) -> Option<SlotState> {
            Some(self.0)
        }
    }

    fn state(generation: u32, flags: u32) -> SlotState {
        SlotState {
            generation,
            flags: SlotFlags(flags),
            ..SlotState::new_zeroed()
        }
    }

    fn container() -> Container {
        Container {
            key: SlotKey {
                slot: 7,
                generation: 2,
            },
            id: ContainerId::from("aa"),
            cgroup: String::new(),
            first_seen: BootTime(0),
            metadata: Metadata::Pending,
        }
    }

    #[test]
    fn namespaces_that_a_container_began_with_stay() {
        let (container, mut watch) = (container(), SlotWatch::default());
        let mut look = |mnt| {
            let namespaces = Namespaces {
                mnt,
                ..Namespaces::default()
            };
            let state = SlotState {
                namespaces,
                ..state(2, SlotFlags::LIVE)
            };
            watch.look([&container].into_iter(), &mut Slots(state)).len()
        };
        for unknown in [0, 0, 4] {
            assert_eq!(look(unknown), 0, "it executes its first program");
        }
        assert_eq!(look(5), 0, "all of it is written");
        assert_eq!(look(5), 0);
        assert_eq!(look(1), 1, "the host's, so that none is gained");
        assert_eq!(look(1), 0, "told");
        assert_eq!(look(5), 0);
    }

    #[test]
    fn a_slot_that_others_changed_is_told_once() {
        let container = container();
        let mut watch = SlotWatch::default();
        let mut look = |state| watch.look([&container].into_iter(), &mut Slots(state)).len();
        assert_eq!(look(state(2, SlotFlags::LIVE)), 0);
        assert_eq!(look(state(2, 0)), 0, "the runtime still makes it");
        assert_eq!(look(state(2, SlotFlags::CANDIDATE)), 1);
        assert_eq!(look(state(2, SlotFlags::CANDIDATE)), 0, "told");
        assert_eq!(look(state(2, SlotFlags::LIVE)), 0);
        assert_eq!(look(state(0, 0)), 1, "zeroed");
    }
}
