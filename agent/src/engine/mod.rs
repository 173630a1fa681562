//! The engine: one state machine that owns decode, enrich and detect.
//!
//! Pure: [`Input`]s in, [`Output`]s out; the only thing it asks for is the kernel's maps ([`KernelView`]).
//! No clock (time is the records' and the ticks'), no I/O, no async. So a recording of inputs and answers
//! replays to exactly the same alerts.

mod learning;
mod neighbours;
mod stats;
#[cfg(test)]
mod tests;
mod waiting;

pub use learning::{LearnError, Selector, SessionId};
pub use stats::EngineStats;
pub use waiting::PATIENCE;

use crate::alert::{Activity, Alert, AlertBuilder, OpenAlert};
use crate::container::{Container, ContainerIndex, IndexChange, Metadata, RuntimeEvent};
use crate::decode::decode;
use crate::detect::{DetectContext, Detectors, Finding, SensorFinding, needs_image};
use crate::enrich::{Enriched, Enricher, KernelTables};
use crate::event::{BootTime, ContainerOp, EnrichedEvent, Payload, SlotKey};
use crate::host::HostFacts;
use crate::profile::{Profile, ProfileSet, RoleSet};
use agent_common::behaviour::BehaviourKey;
use learning::Learning;
use neighbours::IndexNeighbours;
use std::sync::Arc;
use waiting::{Verdict, Waiting};

/// What the engine is fed, in the order in which it must see it.
#[derive(Debug, Clone, PartialEq)]
pub enum Input {
    /// Bytes from a ring.
    Record(Vec<u8>),
    /// What a runtime told.
    Runtime(RuntimeEvent),
    /// Something about the sensor itself.
    Sensor(SensorFinding),
    /// Time passes: windows close, waiting ends. At least once a second.
    Tick(BootTime),
}

/// What comes out.
#[derive(Debug, Clone)]
pub enum Output {
    /// To the spool.
    Alert(Box<Alert>),
    /// To whoever watches.
    Activity(Arc<EnrichedEvent>),
    /// The last cgroup of the slot is gone: it can be used again, once what is still on its way has arrived.
    Released(SlotKey),
}

/// What the engine reads from the kernel's maps (or from a recording of what they answered).
pub trait KernelView: KernelTables {
    /// Removes a behaviour from the kernel's cache, so that its next occurrence leaves again; the number of its
    /// occurrences so far, or `None` when it was not there any more.
    fn forget(&mut self, behaviour: &BehaviourKey) -> Option<u64>;
}

/// Which findings of an event count now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Judgement {
    All,
    /// The image is not known yet: only what holds for every image.
    Universal,
    /// The universal ones were raised before.
    ByImage,
}

impl Judgement {
    fn admits(self, finding: &Finding) -> bool {
        match self {
            Self::All => true,
            Self::Universal => !needs_image(finding.rule),
            Self::ByImage => needs_image(finding.rule),
        }
    }
}

/// Bounded state and what found no room in it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Pressure {
    /// Containers whose events wait for their image.
    pub waiting: usize,
    /// Events that were judged at once because nothing more could be kept.
    pub waiting_overflowed: u64,
    /// Repeat windows.
    pub open_alerts: usize,
    /// Alerts that found no window.
    pub alerts_overflowed: u64,
}

/// Whether rules had anything to say of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Found,
    Nothing,
}

/// The state machine. See the module's documentation.
#[derive(Debug)]
pub struct Engine {
    host: HostFacts,
    enricher: Enricher,
    profiles: Arc<ProfileSet>,
    roles: RoleSet,
    detectors: Detectors,
    alerts: AlertBuilder,
    waiting: Waiting,
    learning: Learning,
    stats: EngineStats,
    now: BootTime,
}

impl Engine {
    /// An engine that has seen nothing yet.
    #[must_use]
    pub fn new(host: HostFacts, roles: RoleSet, alerts: AlertBuilder) -> Self {
        Self {
            enricher: Enricher::new(host.clock),
            host,
            profiles: Arc::default(),
            roles,
            detectors: Detectors::default(),
            alerts,
            waiting: Waiting::default(),
            learning: Learning::default(),
            stats: EngineStats::default(),
            now: BootTime::default(),
        }
    }

    /// Puts newer facts of the host in force: a runtime that started again has another socket.
    pub fn set_host(&mut self, host: HostFacts) {
        self.host = host;
    }

    /// Puts other profiles in force.
    pub fn set_profiles(&mut self, profiles: Arc<ProfileSet>) {
        self.profiles = profiles;
    }

    /// Containers as they are known now.
    #[must_use]
    pub fn index(&self) -> &ContainerIndex {
        self.enricher.index()
    }

    /// Profiles in force.
    #[must_use]
    pub fn profiles(&self) -> &ProfileSet {
        &self.profiles
    }

    /// The line that watchers see of an event.
    #[must_use]
    pub fn activity(&self, event: &EnrichedEvent) -> Activity {
        Activity::of(event, &self.host, &self.neighbours())
    }

    /// The daemon's side of the books.
    #[must_use]
    pub fn stats(&self) -> &EngineStats {
        &self.stats
    }

    /// Handles one input.
    pub fn handle(&mut self, input: Input, kernel: &mut dyn KernelView, outputs: &mut Vec<Output>) {
        match input {
            Input::Record(bytes) => self.record(&bytes, kernel, outputs),
            Input::Runtime(event) => {
                let now = self.now;
                self.enricher.index_mut().apply(event, now);
            }
            Input::Sensor(finding) => {
                let alert = self
                    .alerts
                    .raise_sensor(finding.into_finding(), None, self.now, &self.host);
                self.emit(alert, outputs);
            }
            Input::Tick(time) => self.tick(time, kernel, outputs),
        }
        self.settle(kernel, outputs);
    }

    /// Begins to learn a profile.
    ///
    /// # Errors
    /// See [`LearnError`].
    pub fn learn(&mut self, selector: Selector) -> Result<(SessionId, Vec<SlotKey>), LearnError> {
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
        Ok((id, selected.iter().map(|container| container.key).collect()))
    }

    /// Ends a learning session.
    ///
    /// # Errors
    /// See [`LearnError`].
    pub fn learned(&mut self, id: SessionId) -> Result<Profile, LearnError> {
        self.learning.finish(id)
    }

    /// Closes every open window: the last revisions before the agent stops.
    pub fn finish(&mut self, kernel: &mut dyn KernelView, outputs: &mut Vec<Output>) {
        for event in self.waiting.drain() {
            self.judge(&event, Judgement::ByImage, outputs);
        }
        for open in self.alerts.drain() {
            self.close(open, kernel, outputs);
        }
    }

    /// What the engine's bounds did, by name, for status and metrics.
    #[must_use]
    pub fn pressure(&self) -> Pressure {
        Pressure {
            waiting: self.waiting.len(),
            waiting_overflowed: self.waiting.overflowed(),
            open_alerts: self.alerts.open(),
            alerts_overflowed: self.alerts.overflowed(),
        }
    }

    fn neighbours(&self) -> IndexNeighbours<'_> {
        IndexNeighbours {
            index: self.enricher.index(),
            time: self.now,
        }
    }

    fn record(&mut self, bytes: &[u8], kernel: &mut dyn KernelView, outputs: &mut Vec<Output>) {
        self.stats.received += 1;
        let raw = match decode(bytes) {
            Ok(raw) => raw,
            Err(error) => return self.stats.undecodable(&error),
        };
        self.stats.handled(raw.header.kind);
        self.now = self.now.max(BootTime(raw.header.time_boot_ns));
        let event = match self.enricher.enrich(raw, kernel) {
            Enriched::Container(event) | Enriched::Host(event) => event,
            Enriched::Unattributed(event) => {
                self.stats.unattributed += 1;
                event
            }
        };
        if let (Some(slot), Payload::Container(lifecycle)) = (event.raw.slot(), &event.raw.payload)
            && lifecycle.op == ContainerOp::GONE
        {
            outputs.push(Output::Released(slot));
        }
        self.settle(kernel, outputs);
        self.event(&Arc::new(event), outputs);
    }

    fn event(&mut self, event: &Arc<EnrichedEvent>, outputs: &mut Vec<Output>) {
        outputs.push(Output::Activity(Arc::clone(event)));
        let Some(container) = &event.container else { return };
        let peers = IndexNeighbours {
            index: self.enricher.index(),
            time: self.now,
        };
        self.learning.observe(event, container, &peers);
        if !matches!(container.metadata, Metadata::Pending) {
            self.judge(event, Judgement::All, outputs);
            return;
        }
        // What a universal rule says of a record is said; the image could only add to it.
        if self.judge(event, Judgement::Universal, outputs) == Outcome::Nothing
            && self.waiting.keep(container.key, event, self.now) == Verdict::JudgeNow
        {
            self.judge(event, Judgement::ByImage, outputs);
        }
    }

    fn judge(&mut self, event: &EnrichedEvent, judgement: Judgement, outputs: &mut Vec<Output>) -> Outcome {
        let known = event.container.as_ref().and_then(|container| container.known());
        let profile = event
            .container
            .as_ref()
            .and_then(|container| self.profiles.of_container(container));
        let context = DetectContext {
            event,
            host: &self.host,
            profile: profile.map(AsRef::as_ref),
            role: known.and_then(|known| self.roles.of(known)),
            neighbours: &IndexNeighbours {
                index: self.enricher.index(),
                time: self.now,
            },
        };
        let mut findings = self.detectors.inspect(&context);
        findings.retain(|finding| judgement.admits(finding));
        let outcome = if findings.is_empty() {
            Outcome::Nothing
        } else {
            Outcome::Found
        };
        let alert = self.alerts.raise(&context, findings);
        self.emit(alert, outputs);
        outcome
    }

    fn emit(&mut self, alert: Option<Alert>, outputs: &mut Vec<Output>) {
        if let Some(alert) = alert {
            self.stats.alert(&alert);
            outputs.push(Output::Alert(Box::new(alert)));
        }
    }

    fn tick(&mut self, time: BootTime, kernel: &mut dyn KernelView, outputs: &mut Vec<Output>) {
        self.now = self.now.max(time);
        self.enricher.index_mut().tick(self.now);
        for event in self.waiting.expired(self.now) {
            self.judge(&event, Judgement::ByImage, outputs);
        }
        for open in self.alerts.due(self.now) {
            self.close(open, kernel, outputs);
        }
    }

    /// What follows from changes of the index.
    fn settle(&mut self, kernel: &mut dyn KernelView, outputs: &mut Vec<Output>) {
        for change in self.enricher.index_mut().take_changes() {
            match change {
                IndexChange::Resolved(container) | IndexChange::Unavailable(container) => {
                    let kept = self.waiting.resolved(container.key);
                    self.judge_again(&container, kept, outputs);
                }
                IndexChange::Gone(container) => {
                    let kept = self.waiting.gone(container.key);
                    self.judge_again(&container, kept, outputs);
                    self.detectors.forget(container.key);
                    for open in self.alerts.ended(&container.id) {
                        self.close(open, kernel, outputs);
                    }
                }
                IndexChange::Appeared(_) | IndexChange::Live(_) | IndexChange::Updated(_) => {}
            }
        }
    }

    /// Judges kept events with what is known of their container now.
    fn judge_again(
        &mut self,
        container: &Arc<Container>,
        kept: Vec<Arc<EnrichedEvent>>,
        outputs: &mut Vec<Output>,
    ) {
        for event in kept {
            let event = EnrichedEvent {
                container: Some(Arc::clone(container)),
                ..(*event).clone()
            };
            self.judge(&event, Judgement::ByImage, outputs);
        }
    }

    /// Closes a repeat window: takes the kernel's counts, and the behaviours may leave it again.
    fn close(&mut self, open: OpenAlert, kernel: &mut dyn KernelView, outputs: &mut Vec<Output>) {
        let count = open
            .behaviours()
            .iter()
            .filter_map(|behaviour| kernel.forget(behaviour))
            .sum();
        let alert = open.close(count);
        self.emit(alert, outputs);
    }
}
