//! What the engine's task is asked: status, the graph, learning, other profiles.

use super::State;
use crate::control::protocol::LearnTarget;
use crate::control::{ControlRequest, GraphReport, Refusal, RefusalCode};
use crate::daemon::view;
use crate::engine::{Input, Selector, SessionId};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// Where a learned profile goes.
type Reply = oneshot::Sender<Result<String, Refusal>>;

/// A learning session that a client waits for.
pub(super) struct Session {
    id: SessionId,
    pub(super) selector: Selector,
    ends: Instant,
    reply: Reply,
}

impl State {
    pub(super) fn serve(&mut self, request: ControlRequest) {
        match request {
            ControlRequest::Status { reply } => {
                let mut report = self.task.links.status();
                self.task.kernel.describe(&mut report);
                view::describe(&self.task.engine, &mut *self.task.kernel, &mut report);
                let mismatches = self.audit.mismatches().iter().map(ToString::to_string);
                report.records.mismatches = mismatches.collect();
                report.node.clone_from(&self.task.host.node);
                // The client may be gone: then nobody wants the answer. So with all replies here.
                let _unwanted = reply.send(Box::new(report));
            }
            ControlRequest::Graph { reply } => {
                let report = GraphReport::of(self.task.engine.graph(), &self.task.host.node);
                let _unwanted = reply.send(Box::new(report));
            }
            ControlRequest::Learn {
                target,
                duration,
                reply,
            } => self.learn(&target, duration, reply),
            ControlRequest::Adopt {
                profiles,
                rules,
                sockets,
                reply,
            } => {
                self.task.host_sources.sockets = sockets;
                self.handle(Input::Profiles(profiles));
                if rules.as_ref() != self.task.engine.rules() {
                    view::forget_rules(self.task.engine.rules(), &rules, &self.task.links.metrics);
                    self.handle(Input::Rules(rules));
                }
                self.read_host(Instant::now());
                let _unwanted = reply.send(());
            }
        }
    }

    fn learn(&mut self, target: &LearnTarget, duration: Duration, reply: Reply) {
        let selector = view::selector(target);
        match view::learn(&mut self.task.engine, selector.clone()) {
            Ok(id) => self.sessions.push(Session {
                id,
                selector,
                ends: Instant::now() + duration,
                reply,
            }),
            Err(error) => {
                let _unwanted = reply.send(Err(view::refusal(error)));
            }
        }
    }

    /// Sessions end in time, or when their client went away.
    pub(super) fn end_sessions(&mut self, now: Instant) {
        let ended = self
            .sessions
            .extract_if(.., |session| now >= session.ends || session.reply.is_closed());
        for session in ended {
            let profile = view::learned(&mut self.task.engine, session.id);
            let _unwanted = session.reply.send(profile);
        }
    }

    /// Nothing more is learned: the agent stops.
    pub(super) fn refuse_sessions(self) {
        for session in self.sessions {
            let _unwanted = session.reply.send(Err(unavailable("the agent stops")));
        }
    }
}

fn unavailable(message: &str) -> Refusal {
    Refusal {
        code: RefusalCode::Unavailable,
        message: message.to_owned(),
    }
}
