//! What follows from changes of the index: containers appear, are named, and go.

use super::waiting::Kept;
use super::{Engine, KernelView, Output};
use crate::container::{Container, IndexChange};
use crate::detect::Scope;
use std::sync::Arc;

impl Engine {
    /// Whatever changed since the last time.
    pub(super) fn settle(&mut self, kernel: &mut dyn KernelView, outputs: &mut Vec<Output>) {
        for change in self.enricher.index_mut().take_changes() {
            match change {
                IndexChange::Resolved(container) => {
                    self.place(&container, outputs);
                    let (scope, events) = self.waiting.resolved(container.key);
                    self.judge_kept(&container, events, scope, outputs);
                    if self.waiting.catches_up(container.key) {
                        outputs.push(Output::Renew(container.key));
                    }
                }
                IndexChange::Unavailable(container) => {
                    let (scope, events) = if self.is_live(container.key) {
                        self.waiting.unavailable(container.key)
                    } else {
                        // Whoever names it later has nothing to judge again.
                        self.waiting.resolved(container.key)
                    };
                    self.judge_kept(&container, events, scope, outputs);
                }
                IndexChange::Gone(container) => {
                    let events = self.waiting.gone(container.key);
                    self.judge_kept(&container, events, Scope::All, outputs);
                    self.forget(container.key);
                    outputs.push(Self::no_peer(container.key));
                    for open in self.alerts.ended(&container.id) {
                        self.close(open, kernel, outputs);
                    }
                }
                IndexChange::Forgotten(container) => self.forget(container.key),
                IndexChange::Updated(container) => self.place(&container, outputs),
                // Most have one only by their image.
                IndexChange::Appeared(container) if self.profiles.of_container(&container).is_some() => {
                    outputs.push(self.policy(&container));
                }
                IndexChange::Appeared(_) | IndexChange::Live(_) => {}
            }
        }
    }

    /// What the kernel is to know of a container whose names are known.
    fn place(&self, container: &Container, outputs: &mut Vec<Output>) {
        outputs.push(self.policy(container));
        // Names may come after the end.
        if self.is_live(container.key) {
            outputs.push(Self::peer(container));
        }
    }

    /// Judges kept events with what is known of their container now.
    fn judge_kept(
        &mut self,
        container: &Arc<Container>,
        events: Vec<Kept>,
        scope: Scope,
        outputs: &mut Vec<Output>,
    ) {
        for mut kept in events {
            kept.name(container);
            self.judge(&mut kept, scope, outputs);
        }
    }
}
