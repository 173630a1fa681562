//! Learning sessions: which containers, since when, what was seen.

use super::Engine;
use super::startup::Startups;
use crate::container::{Container, ImageRef};
use crate::detect::Neighbours;
use crate::event::{ContainerId, EnrichedEvent, SlotKey, Timestamp, peer_address};
use crate::host::PortRange;
use crate::profile::{Contacted, Learner, Profile, Standing};
use std::net::IpAddr;
use std::sync::Arc;

/// Sessions at once: each watches every event of its containers.
const MAX_SESSIONS: usize = 16;

/// Whose behaviour is learned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selector {
    /// A container by name, id or the beginning of its id (12 characters or more).
    Container(String),
    /// Every container of an image: reference, id or digest.
    Image(String),
}

impl Selector {
    /// True when the container is meant.
    #[must_use]
    pub fn selects(&self, container: &Container) -> bool {
        match self {
            Self::Container(wanted) => {
                let by_id = |id: &ContainerId| {
                    id.as_str() == wanted || (wanted.len() >= 12 && id.as_str().starts_with(wanted.as_str()))
                };
                by_id(&container.id) || container.known().is_some_and(|known| known.name == *wanted)
            }
            Self::Image(wanted) => container.known().is_some_and(|known| {
                let image = &known.image;
                image.reference == *wanted
                    || image.id.as_deref() == Some(wanted)
                    || image.digest.as_deref() == Some(wanted)
            }),
        }
    }
}

/// Names a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionId(u64);

/// Why a session cannot start or end.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LearnError {
    #[error("{MAX_SESSIONS} profiles are being learned already; wait for one to end")]
    TooMany,
    #[error("no running container matches {0:?}; `agent status` lists them")]
    NoContainer(Selector),
    #[error("the learning session ended already")]
    Ended,
}

/// Sessions that run.
#[derive(Debug, Default)]
pub(super) struct Learning {
    sessions: Vec<Session>,
    startups: Startups,
    next: u64,
}

#[derive(Debug)]
struct Session {
    id: SessionId,
    selector: Selector,
    learner: Learner,
}

impl Learning {
    /// Starts a session for a profile called `name`.
    ///
    /// # Errors
    /// [`LearnError::TooMany`].
    pub(super) fn start(
        &mut self,
        selector: Selector,
        name: &str,
        image: ImageRef,
        ephemeral: PortRange,
    ) -> Result<SessionId, LearnError> {
        if self.sessions.len() >= MAX_SESSIONS {
            return Err(LearnError::TooMany);
        }
        let id = SessionId(self.next);
        self.next += 1;
        self.sessions.push(Session {
            id,
            selector,
            learner: Learner::new(name.to_owned(), image, ephemeral),
        });
        Ok(id)
    }

    /// Takes in what a container was doing when the session began, and what it executed when it started.
    pub(super) fn found(
        &mut self,
        id: SessionId,
        container: &Container,
        (standing, time): (&Standing, Timestamp),
    ) {
        let Some(session) = self.sessions.iter_mut().find(|session| session.id == id) else {
            return;
        };
        session.learner.found(container, standing, time);
        if let Some(startup) = self.startups.of(container.key) {
            for ((exe, parent), time) in &startup.programs {
                let started = (exe.as_slice(), parent.as_deref());
                session.learner.executed(started, *time, container.key);
            }
            session.learner.left_out(startup.left_out);
        }
    }

    /// Containers whose start is remembered.
    pub(super) fn startups(&self) -> usize {
        self.startups.len()
    }

    /// The container is gone.
    pub(super) fn forget(&mut self, container: SlotKey) {
        self.startups.forget(container);
    }

    /// Takes in an event of a container.
    pub(super) fn observe(
        &mut self,
        event: &EnrichedEvent,
        container: &Arc<Container>,
        neighbours: &dyn Neighbours,
    ) {
        self.startups.observe(event, container);
        for session in &mut self.sessions {
            if session.selector.selects(container) {
                let address = contacted(event);
                let peer = address.and_then(|address| neighbours.by_address(address));
                let names = address.map_or_else(Vec::new, |address| neighbours.names(container.key, address));
                let contacted = Contacted {
                    container: peer.as_deref(),
                    name: names.last(),
                };
                session.learner.observe(event, container, contacted);
            }
        }
    }

    /// Ends a session: what was learned.
    ///
    /// # Errors
    /// [`LearnError::Ended`].
    pub(super) fn finish(&mut self, id: SessionId) -> Result<Profile, LearnError> {
        let at = self
            .sessions
            .iter()
            .position(|session| session.id == id)
            .ok_or(LearnError::Ended)?;
        Ok(self.sessions.swap_remove(at).learner.profile())
    }
}

impl Engine {
    /// Begins to learn a profile; the containers that are meant and run already.
    ///
    /// # Errors
    /// See [`LearnError`].
    pub fn learn(&mut self, selector: Selector) -> Result<(SessionId, Vec<Arc<Container>>), LearnError> {
        let selected: Vec<_> = self
            .index()
            .live()
            .filter(|container| selector.selects(container))
            .cloned()
            .collect();
        let Some(first) = selected.first() else {
            return Err(LearnError::NoContainer(selector));
        };
        let image = first.known().map(|known| known.image.clone()).unwrap_or_default();
        let id = self
            .learning
            .start(selector, first.display_name(), image, self.host.ephemeral_ports)?;
        Ok((id, selected))
    }

    /// Takes what a container was doing when a session began: whoever may read procfs knows.
    pub fn found(&mut self, session: SessionId, container: &Container, standing: &Standing) {
        let time = self.host.clock.wall(self.now);
        self.learning.found(session, container, (standing, time));
    }

    /// Ends a learning session.
    ///
    /// # Errors
    /// See [`LearnError`].
    pub fn learned(&mut self, id: SessionId) -> Result<Profile, LearnError> {
        self.learning.finish(id)
    }
}

/// The address that a contact goes to.
fn contacted(event: &EnrichedEvent) -> Option<IpAddr> {
    peer_address(&event.raw.contact()?.remote)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::testing::{SECOND, scene};
    use crate::event::Payload;

    #[test]
    fn a_session_knows_what_the_container_executed_when_it_started() {
        let mut scene = scene("nginx:1.25", "/usr/bin/find").below(&["/bin/sh"]);
        scene.now_ns = SECOND;
        let event = scene.event(Payload::Exec(scene.exec()));
        let container = event.container.clone().unwrap();
        let mut learning = Learning::default();
        scene.with_context(&event, |context| {
            learning.observe(&event, &container, context.neighbours);
        });
        let selector = Selector::Container("web".to_owned());
        let session = learning.start(selector, "web", ImageRef::default(), PortRange::default());
        let session = session.unwrap();
        learning.found(session, &container, (&Standing::default(), event.time));
        let profile = learning.finish(session).unwrap();
        let entry = &profile.exec[0];
        assert_eq!(entry.path.as_str(), "/usr/bin/find");
        assert_eq!(entry.parents[0].as_str(), "/bin/sh");
    }
}
