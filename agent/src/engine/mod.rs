//! The engine: one state machine that owns decode, enrich and detect.
//!
//! Pure: [`Input`]s in, [`Output`]s out; the only thing it asks for is the kernel's maps ([`KernelView`]).
//! No clock (time is the records' and the ticks'), no I/O, no async. So a recording of inputs and answers
//! replays to exactly the same alerts.

mod changes;
mod ended;
mod graph;
mod input;
mod learning;
mod neighbours;
mod pressure;
mod renewal;
mod review;
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
pub use pressure::Pressure;
pub use stats::EngineStats;
pub use tables::Table;
pub use waiting::PATIENCE;

use crate::alert::{Activity, Alert, AlertBuilder, OpenAlert, REPEAT_WINDOW};
use crate::container::{Container, ContainerIndex, Metadata};
use crate::decode::{DecodeError, decode};
use crate::detect::{AnsweredNames, DetectContext, Detectors, Scope, SensorFinding};
use crate::enrich::{Enriched, Enricher};
use crate::event::{BootTime, ContainerId, ContainerOp, EnrichedEvent, Payload};
use crate::host::HostFacts;
use crate::profile::{ProfileSet, RoleSet};
use crate::user_rules::UserRuleSet;
use learning::Learning;
use neighbours::IndexNeighbours;
use review::Reviews;
use std::sync::Arc;
use waiting::{Kept, Waiting};

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
    reviews: Reviews,
    learning: Learning,
    names: AnsweredNames,
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
            reviews: Reviews::default(),
            learning: Learning::default(),
            names: AnsweredNames::default(),
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
            names: &self.names,
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
        let records = self.stats.undecodable(error);
        // What is sent to the port of a protocol is its sender's: that it is none says nothing of the sensor.
        if matches!(error, DecodeError::Unreadable { .. }) {
            return;
        }
        let finding = SensorFinding::RecordsUndecodable {
            records,
            reason: error.reason().to_owned(),
        };
        self.sensor(finding, outputs);
    }

    fn event(&mut self, event: &Arc<EnrichedEvent>, outputs: &mut Vec<Output>) {
        outputs.push(Output::Activity(Arc::clone(event)));
        self.names.observe(event);
        let Some(container) = &event.container else { return };
        let peers = IndexNeighbours {
            index: self.enricher.index(),
            names: &self.names,
            time: self.now,
        };
        self.learning.observe(event, container, &peers);
        let mut kept = Kept::new(event);
        if !matches!(container.metadata, Metadata::Pending) {
            self.judge(&mut kept, Scope::All, outputs);
            return self.review(container, vec![kept]);
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
                names: &self.names,
                time: BootTime(event.raw.header.time_boot_ns),
            },
        };
        if !kept.charted {
            self.graph.observe(&context);
            let named = known.is_some_and(|known| !known.image.reference.is_empty());
            kept.charted = named && scope != Scope::Universal;
        }
        let findings = self.detectors.inspect(&context);
        let alert = self.alerts.raise(&context, findings, &mut kept.said);
        self.emit(alert, outputs);
        self.stats.named(self.alerts.take_named());
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
        self.reviews.expire(self.now);
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
