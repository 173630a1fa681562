//! What a container was doing when learning began. A server that has listened for a week neither starts nor listens
//! again while it is learned, and its next restart is no deviation.

use super::declared::Declared;
use super::{Learner, scope};
use crate::container::Container;
use crate::event::Timestamp;
use crate::profile::{Protocol, Standing, StandingListener, generalise};

impl Learner {
    /// Takes what `container` does at `time`, the session's begin, and what its image declares.
    pub fn found(&mut self, container: &Container, standing: &Standing, time: Timestamp) {
        self.note_container(container.key);
        if let Some(known) = container.known() {
            self.declared = Declared::of(known);
        }
        for exe in &standing.programs {
            match self.started(&exe.bytes) {
                Some(started) => {
                    started.before = true;
                    started.seen.at(time, container.key);
                }
                None => self.overflow(),
            }
        }
        for listener in &standing.listeners {
            if !self.may_be_client(listener) {
                let listener = (
                    listener.proto,
                    self.port(listener.port),
                    scope(Some(listener.address)),
                    generalise::path(&listener.exe.bytes),
                );
                self.note_listener(listener, time, container.key);
            }
        }
    }

    /// A UDP socket on a port that the kernel gives out: nothing tells a server's from that of a client that waits for
    /// its answer.
    fn may_be_client(&self, listener: &StandingListener) -> bool {
        listener.proto == Protocol::Udp && self.ephemeral.contains(listener.port)
    }
}
