//! The engine: one state machine that owns decode, enrich and detect.
//!
//! Pure: [`Input`]s in, [`Output`]s out; the only thing it asks for is the kernel's maps ([`KernelView`]).
//! No clock (time is the records' and the ticks'), no I/O, no async. So a recording of inputs and answers
//! replays to exactly the same alerts.

mod ended;
mod graph;
mod input;
mod learning;
mod neighbours;
mod renewal;
mod startup;
mod stats;
mod tables;
#[cfg(test)]
mod tests;
mod waiting;

pub use crate::alert::Occurrences;
pub use graph::{Edge, Expectation, Graph, Node, Target};
pub use input::{Input, KernelView, Output, RunningContainer};
pub use learning::{LearnError, Selector, SessionId};
pub use stats::EngineStats;
pub use tables::Table;
pub use waiting::PATIENCE;

use crate::alert::{Activity, Alert, AlertBuilder, OpenAlert, REPEAT_WINDOW};
use crate::container::{Container, ContainerIndex, IndexChange, Metadata};
use crate::decode::{DecodeError, decode};
use crate::detect::{DetectContext, Detectors, Scope, SensorFinding};
use crate::enrich::{Enriched, Enricher};
use crate::event::{BootTime, ContainerId, ContainerOp, EnrichedEvent, Payload};
use crate::host::HostFacts;
use crate::profile::{Profile, ProfileSet, RoleSet, Standing};
use crate::user_rules::UserRuleSet;
use learning::Learning;
use neighbours::IndexNeighbours;
use std::sync::Arc;
use waiting::{Kept, Waiting};

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
    /// Pairs of containers whose contact is remembered.
    pub pairs: usize,
    /// Pairs that were forgotten for lack of room: their contact is told again.
    pub pairs_dropped: u64,
    /// Behaviours that found no room in a window.
    pub behaviours_rearmed: u64,
}

impl Pressure {
    /// Bound of [`Self::waiting`].
    pub const WAITING: usize = waiting::MAX_CONTAINERS;
    /// Bound of [`Self::open_alerts`].
    pub const OPEN_ALERTS: usize = crate::alert::MAX_OPEN;
    /// Bound of [`Self::pairs`].
    pub const PAIRS: usize = crate::alert::MAX_PAIRS;
}

/// The state machine. See the module's documentation.
#[derive(Debug)]
pub struct Engine {
    host: HostFacts,
    enricher: Enricher,
    profiles: Arc<ProfileSet>,
    rules: Arc<UserRuleSet>,
    roles: RoleSet,
    detectors: Detectors,
    alerts: AlertBuilder,
    waiting: Waiting,
    learning: Learning,
    graph: Graph,
    stats: EngineStats,
    now: BootTime,
    /// Alerts without a window when that was last told, and when.
    overflow_told: (u64, BootTime),
}

impl Engine {
    /// An engine that has seen nothing yet.
    #[must_use]
    pub fn new(host: HostFacts, roles: RoleSet, alerts: AlertBuilder) -> Self {
        Self {
            enricher: Enricher::new(host.clock),
            host,
            profiles: Arc::default(),
            rules: Arc::default(),
            roles,
            detectors: Detectors::default(),
            alerts,
            waiting: Waiting::default(),
            learning: Learning::default(),
            graph: Graph::default(),
            stats: EngineStats::default(),
            now: BootTime::default(),
            overflow_told: (0, BootTime::default()),
        }
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

    /// Rules of users that are in force.
    #[must_use]
    pub fn rules(&self) -> &UserRuleSet {
        &self.rules
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
            Input::Running(found) => {
                let lifecycle = found.lifecycle();
                self.enricher
                    .index_mut()
                    .observe_lifecycle(found.key, found.created, &lifecycle);
            }
            Input::Ended(slot) => self.ended(slot, outputs),
            Input::Sensor(finding) => self.sensor(finding, outputs),
            Input::Host(host) => {
                self.enricher.set_clock(host.clock);
                self.host = *host;
            }
            Input::Profiles(profiles) => {
                let renewed = self.set_profiles(profiles);
                outputs.extend(self.policies(&renewed));
                outputs.extend(renewed.into_iter().map(Output::Renew));
            }
            Input::Rules(rules) => {
                let renewed = self.set_rules(rules);
                outputs.extend(renewed.into_iter().map(Output::Renew));
            }
            Input::Tick(time) => self.tick(time, kernel, outputs),
            Input::End => self.end(kernel, outputs),
        }
        self.settle(kernel, outputs);
        self.alerts.rearm(|behaviour| kernel.forget(behaviour));
    }

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

    /// What the engine's bounds did, by name, for status and metrics.
    #[must_use]
    pub fn pressure(&self) -> Pressure {
        Pressure {
            waiting: self.waiting.len(),
            waiting_overflowed: self.waiting.overflowed(),
            open_alerts: self.alerts.open(),
            alerts_overflowed: self.alerts.overflowed(),
            pairs: self.alerts.pairs(),
            pairs_dropped: self.alerts.pairs_dropped(),
            behaviours_rearmed: self.alerts.rearmed(),
        }
    }

    fn end(&mut self, kernel: &mut dyn KernelView, outputs: &mut Vec<Output>) {
        for mut kept in self.waiting.drain() {
            self.judge(&mut kept, Scope::All, outputs);
        }
        for open in self.alerts.drain() {
            self.close(open, kernel, outputs);
        }
    }

    fn sensor(&mut self, finding: SensorFinding, outputs: &mut Vec<Output>) {
        let container = finding
            .container()
            .and_then(|id| self.enricher.index().by_id(&ContainerId::from(id)));
        let container = container.map(Arc::clone);
        let alert =
            self.alerts
                .raise_sensor(finding.into_finding(), container.as_deref(), self.now, &self.host);
        self.emit(alert, outputs);
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
            Err(error) => return self.undecodable(&error, outputs),
        };
        self.stats.handled(raw.header.kind);
        self.now = self.now.max(BootTime(raw.header.time_boot_ns));
        let enriched = self.enricher.enrich(raw, kernel);
        let unattributed = matches!(enriched, Enriched::Unattributed(_));
        self.stats.unattributed += u64::from(unattributed);
        let event = Arc::new(enriched.into_event());
        if let (Some(slot), Payload::Container(lifecycle)) = (event.raw.slot(), &event.raw.payload)
            && lifecycle.op == ContainerOp::GONE
        {
            outputs.push(Output::Released(slot));
        }
        self.settle(kernel, outputs);
        self.event(&event, outputs);
        if unattributed {
            self.judge(&mut Kept::new(&event), Scope::Universal, outputs);
        }
    }

    fn undecodable(&mut self, error: &DecodeError, outputs: &mut Vec<Output>) {
        let finding = SensorFinding::RecordsUndecodable {
            records: self.stats.undecodable(error),
            reason: error.reason().to_owned(),
        };
        self.sensor(finding, outputs);
    }

    fn event(&mut self, event: &Arc<EnrichedEvent>, outputs: &mut Vec<Output>) {
        outputs.push(Output::Activity(Arc::clone(event)));
        let Some(container) = &event.container else { return };
        let peers = IndexNeighbours {
            index: self.enricher.index(),
            time: self.now,
        };
        self.learning.observe(event, container, &peers);
        let mut kept = Kept::new(event);
        if !matches!(container.metadata, Metadata::Pending) {
            return self.judge(&mut kept, Scope::All, outputs);
        }
        let (key, now) = (container.key, self.now);
        let scope = self.waiting.scope(key, now);
        self.judge(&mut kept, scope, outputs);
        self.waiting.keep(key, kept, now);
    }

    /// Says of an event what was not said of it before.
    fn judge(&mut self, kept: &mut Kept, scope: Scope, outputs: &mut Vec<Output>) {
        let event = &*kept.event;
        if self.host.is_agent(event.raw.header.tgid) {
            return;
        }
        let container = event.container.as_deref();
        let profile = container.and_then(|container| self.profiles.of_container(container));
        let known = container.and_then(Container::known);
        let context = DetectContext {
            event,
            scope,
            host: &self.host,
            profile: profile.map(AsRef::as_ref),
            role: known.and_then(|known| self.roles.of(known)),
            neighbours: &IndexNeighbours {
                index: self.enricher.index(),
                time: BootTime(event.raw.header.time_boot_ns),
            },
        };
        self.graph.observe(&context);
        let findings = self.detectors.inspect(&context);
        let alert = self.alerts.raise(&context, findings, &mut kept.said);
        self.emit(alert, outputs);
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
        for (container, mut events) in self.waiting.expired(self.now) {
            for kept in &mut events {
                self.judge(kept, Scope::All, outputs);
            }
            self.waiting.restore(container, events);
        }
        for open in self.alerts.due(self.now) {
            self.close(open, kernel, outputs);
        }
        self.report_overflow(outputs);
    }

    /// Says once per window's length that alerts find no window: the alert that says so may find none either.
    fn report_overflow(&mut self, outputs: &mut Vec<Output>) {
        let alerts = self.alerts.overflowed();
        let (told, at) = self.overflow_told;
        if alerts > told && (told == 0 || self.now.since(at) >= REPEAT_WINDOW) {
            self.sensor(SensorFinding::WindowsExhausted { alerts }, outputs);
            self.overflow_told = (self.alerts.overflowed(), self.now);
        }
    }

    /// What follows from changes of the index.
    fn settle(&mut self, kernel: &mut dyn KernelView, outputs: &mut Vec<Output>) {
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

    /// Closes a repeat window: takes the kernel's counts, and the behaviours may leave it again.
    fn close(&mut self, open: OpenAlert, kernel: &mut dyn KernelView, outputs: &mut Vec<Output>) {
        let forgotten = open
            .behaviours()
            .iter()
            .filter_map(|behaviour| kernel.forget(behaviour));
        let counted = Occurrences::sum(forgotten);
        let alert = open.close(counted, self.host.clock);
        self.emit(alert, outputs);
    }
}
