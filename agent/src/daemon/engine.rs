use super::machine::Machine;
use crate::container::Container;
use crate::control::protocol::{LearnTarget, Reloaded};
use crate::control::{ContainerStatus, Refusal, RefusalCode, StatusReport};
use crate::engine::{Engine, Input, KernelView, LearnError, Output, Selector, SessionId};
use crate::event::EnrichedEvent;
use crate::host::HostFacts;
use crate::profile::ProfileSet;
use crate::telemetry::Metrics;
use crate::telemetry::metrics::{gauge, set_total};
use std::collections::BTreeMap;
use std::sync::Arc;

impl Machine for Engine {
    type Profiles = Arc<ProfileSet>;
    type Session = SessionId;

    fn handle(&mut self, input: Input, kernel: &mut dyn KernelView, outputs: &mut Vec<Output>) {
        Self::handle(self, input, kernel, outputs);
    }

    fn finish(&mut self, kernel: &mut dyn KernelView, outputs: &mut Vec<Output>) {
        Self::finish(self, kernel, outputs);
    }

    fn set_profiles(&mut self, profiles: Arc<ProfileSet>) -> Reloaded {
        let reloaded = Reloaded {
            profiles: profiles.len(),
        };
        Self::set_profiles(self, profiles);
        reloaded
    }

    fn set_host(&mut self, host: HostFacts) {
        Self::set_host(self, host);
    }

    fn learn(&mut self, target: &LearnTarget) -> Result<SessionId, Refusal> {
        let started = Self::learn(self, selector(target));
        started.map(|(session, _)| session).map_err(refusal)
    }

    fn learned(&mut self, session: SessionId) -> Result<String, Refusal> {
        let profile = Self::learned(self, session).map_err(refusal)?;
        serde_saphyr::to_string(&profile).map_err(|error| Refusal {
            code: RefusalCode::Unavailable,
            message: format!("the profile cannot be written as YAML: {error}"),
        })
    }

    fn selects(&self, target: &LearnTarget, container: &Container) -> bool {
        selector(target).selects(container)
    }

    fn render(&self, event: &EnrichedEvent) -> String {
        // Strings and numbers: serialising them cannot fail.
        serde_json::to_string(&self.activity(event)).unwrap_or_default()
    }

    fn containers(&self) -> Vec<Arc<Container>> {
        self.index().live().cloned().collect()
    }

    fn describe(&self, report: &mut StatusReport) {
        report.alerts = self.stats().alerts.values().sum();
        report.containers = self
            .index()
            .live()
            .map(|container| container_status(container, self.profiles()))
            .collect();
        report.profiles = profiles_by_state(self.profiles());
        for (reason, count) in &self.stats().undecodable {
            report
                .problems
                .push(format!("{count} records could not be decoded: {reason}"));
        }
    }

    fn collect(&self, metrics: &Metrics) {
        let stats = self.stats();
        set_total(&metrics.events_received, stats.received);
        for (kind, handled) in &stats.handled {
            set_total(
                &metrics.events_handled.with_label_values(&[kind.name()]),
                *handled,
            );
        }
        for (reason, count) in &stats.undecodable {
            set_total(&metrics.events_undecodable.with_label_values(&[reason]), *count);
        }
        let pending = self
            .index()
            .live()
            .filter(|container| matches!(container.metadata, crate::container::Metadata::Pending));
        metrics.metadata_pending.set(gauge(pending.count()));
        metrics.containers.set(gauge(self.index().live().count()));
        metrics.profiles.reset();
        for (state, count) in profiles_by_state(self.profiles()) {
            metrics.profiles.with_label_values(&[&state]).set(gauge(count));
        }
    }
}

fn selector(target: &LearnTarget) -> Selector {
    match target {
        LearnTarget::Container(name) => Selector::Container(name.clone()),
        LearnTarget::Image(image) => Selector::Image(image.clone()),
    }
}

fn refusal(error: LearnError) -> Refusal {
    let code = match error {
        LearnError::TooMany => RefusalCode::Unavailable,
        LearnError::NoContainer(_) | LearnError::Ended => RefusalCode::NotFound,
    };
    Refusal {
        code,
        message: error.to_string(),
    }
}

fn profiles_by_state(profiles: &ProfileSet) -> BTreeMap<String, u64> {
    let mut states = BTreeMap::new();
    for profile in profiles.iter() {
        *states.entry(profile.state().word().to_owned()).or_default() += 1;
    }
    states
}

fn container_status(container: &Container, profiles: &ProfileSet) -> ContainerStatus {
    let known = container.known();
    ContainerStatus {
        id: container.id.to_string(),
        name: known.map(|known| known.name.clone()),
        image: known.map(|known| known.image.reference.clone()),
        runtime: container.runtime().map(str::to_owned),
        metadata: container.metadata.word().to_owned(),
        profile_state: profiles
            .of_container(container)
            .map_or("none", |profile| profile.state().word())
            .to_owned(),
    }
}
