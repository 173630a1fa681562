//! What the engine's task is asked: status, learning, reloading.

use super::State;
use crate::control::protocol::{LearnTarget, Reloaded};
use crate::control::{ControlRequest, Refusal, RefusalCode};
use crate::daemon::view;
use crate::engine::{Input, Selector, SessionId};
use crate::profile::ProfileSet;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// Where a learned profile goes.
type Reply = oneshot::Sender<Result<String, Refusal>>;

/// A learning session that a client waits for.
pub(super) struct Session {
    id: SessionId,
    pub(super) selector: Selector,
    ends: Instant,
    reply: Reply,
}

pub(super) struct Reloading {
    loading: JoinHandle<Result<Arc<ProfileSet>, Refusal>>,
    reply: oneshot::Sender<Result<Reloaded, Refusal>>,
}

impl State {
    pub(super) fn serve(&mut self, request: ControlRequest) {
        match request {
            ControlRequest::Status { reply } => {
                let mut report = self.task.links.status();
                self.task.kernel.describe(&mut report);
                view::describe(&self.task.engine, &mut report);
                let mismatches = self.audit.mismatches().iter().map(ToString::to_string);
                report.records.mismatches = mismatches.collect();
                report.node.clone_from(&self.task.host.node);
                // The client may be gone: then nobody wants the answer. So with all replies here.
                let _unwanted = reply.send(Box::new(report));
            }
            ControlRequest::Learn {
                target,
                duration,
                reply,
            } => self.learn(&target, duration, reply),
            ControlRequest::Reload { reply } if self.reloading.is_some() => {
                let _unwanted = reply.send(Err(unavailable("a reload is under way")));
            }
            ControlRequest::Reload { reply } => {
                let load = Arc::clone(&self.task.load_profiles);
                let loading = tokio::task::spawn_blocking(move || load());
                self.reloading = Some(Reloading { loading, reply });
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

    /// Broken profiles change nothing: what was in force stays.
    pub(super) fn loaded(&mut self, loaded: Result<Arc<ProfileSet>, Refusal>) {
        let answer = loaded.map(|set| {
            let profiles = set.len();
            self.handle(Input::Profiles(set));
            Reloaded { profiles }
        });
        let outcome = if answer.is_ok() { "ok" } else { "refused" };
        let reloads = &self.task.links.metrics.config_reloads;
        reloads.with_label_values(&[outcome]).inc();
        if let Some(Reloading { reply, .. }) = self.reloading.take() {
            let _unwanted = reply.send(answer);
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

pub(super) async fn loaded(reloading: Option<&mut Reloading>) -> Result<Arc<ProfileSet>, Refusal> {
    match reloading {
        None => std::future::pending().await,
        Some(reloading) => (&mut reloading.loading)
            .await
            .unwrap_or_else(|_| Err(unavailable("reading the profiles failed"))),
    }
}

fn unavailable(message: &str) -> Refusal {
    Refusal {
        code: RefusalCode::Unavailable,
        message: message.to_owned(),
    }
}
