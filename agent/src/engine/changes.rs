//! What follows from changes of the index: containers appear, are named, and go.

use super::review::REVIEWED_FOR;
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
                    self.judge_again(&container, outputs);
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
                    match self.waiting.gone(container.key) {
                        (Scope::Again, judged) => self.review(&container, judged),
                        (scope, events) => self.judge_kept(&container, events, scope, outputs),
                    }
                    self.forget(container.key);
                    outputs.push(Self::no_peer(container.key));
                    for open in self.alerts.ended(&container.id) {
                        self.close(open, kernel, outputs);
                    }
                }
                IndexChange::Forgotten(container) => {
                    self.forget(container.key);
                    self.reviews.take(container.key);
                }
                IndexChange::Updated(container) => {
                    self.place(&container, outputs);
                    self.judge_again(&container, outputs);
                }
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
        mut events: Vec<Kept>,
        scope: Scope,
        outputs: &mut Vec<Output>,
    ) {
        for kept in &mut events {
            kept.name(container);
            self.judge(kept, scope, outputs);
        }
        self.review(container, events);
    }

    /// The same of what was judged with less.
    fn judge_again(&mut self, container: &Arc<Container>, outputs: &mut Vec<Output>) {
        let judged = self.reviews.take(container.key);
        self.judge_kept(container, judged, Scope::Again, outputs);
    }

    /// Keeps what was judged while its container's runtime is still to say more.
    pub(super) fn review(&mut self, container: &Container, judged: Vec<Kept>) {
        let young = self.now.since(container.first_seen) < REVIEWED_FOR;
        if young && container.is_described_in_part() {
            self.reviews.keep(container.key, judged, self.now);
        }
    }
}
