//! The engine in the words of the control socket and of metrics.

use super::books::counters;
use super::maps::SensorMaps;
use super::{standing, usage};
use crate::container::Container;
use crate::control::protocol::LearnTarget;
use crate::control::{
    ContainerStatus, FailingRule, GraphStatus, QueueStatus, Refusal, RefusalCode, StatusReport,
    UserRulesStatus,
};
use crate::engine::{Engine, LearnError, Pressure, Selector, SessionId};
use crate::event::EnrichedEvent;
use crate::profile::ProfileSet;
use crate::telemetry::Metrics;
use crate::telemetry::metrics::{gauge, set_total};
use crate::user_rules::UserRuleSet;
use std::collections::{BTreeMap, BTreeSet};

/// Begins a session with what its containers are doing now.
pub(super) fn learn(engine: &mut Engine, selector: Selector) -> Result<SessionId, LearnError> {
    let (session, containers) = engine.learn(selector)?;
    for container in containers.iter().take(standing::MAX_CONTAINERS) {
        engine.found(session, container, &standing::of(container));
    }
    Ok(session)
}

/// The profile of a session that ended, as YAML.
pub(super) fn learned(engine: &mut Engine, session: SessionId) -> Result<String, Refusal> {
    let profile = engine.learned(session).map_err(refusal)?;
    serde_saphyr::to_string(&profile).map_err(|error| Refusal {
        code: RefusalCode::Unavailable,
        message: format!("the profile cannot be written as YAML: {error}"),
    })
}

/// A line of `vigia.event/v1` for watchers.
pub(super) fn render(engine: &Engine, event: &EnrichedEvent) -> String {
    // Strings and numbers: serialising them cannot fail.
    serde_json::to_string(&engine.activity(event)).unwrap_or_default()
}

/// Adds containers, profiles, alerts and the daemon's side of the books.
pub(super) fn describe(engine: &Engine, kernel: &mut dyn SensorMaps, report: &mut StatusReport) {
    let (stats, pressure) = (engine.stats(), engine.pressure());
    report.alerts = stats.alerts.values().sum();
    report.containers = engine
        .index()
        .live()
        .map(|container| ContainerStatus {
            events: kernel.container_books(container.key).as_ref().map(counters),
            ..container_status(container, engine.profiles())
        })
        .collect();
    report.graph = GraphStatus::of(engine.graph());
    report.profiles = profiles_by_state(engine.profiles());
    report.user_rules = user_rules(engine.rules());
    report.records.received = stats.received;
    report.records.handled = stats.handled_total();
    for (reason, count) in &stats.undecodable {
        let undecodable = &mut report.records.undecodable;
        undecodable.insert((*reason).to_owned(), *count);
        report
            .problems
            .push(format!("{count} records could not be decoded: {reason}"));
    }
    for (name, table) in usage::tables(engine) {
        report.tables.insert(name.to_owned(), table);
    }
    for (queue, bounded) in queues(&pressure) {
        report.queues.insert(queue.to_owned(), bounded);
    }
}

/// Copies what the engine counts.
pub(super) fn collect(engine: &Engine, metrics: &Metrics) {
    let stats = engine.stats();
    set_total(&metrics.events_received, stats.received);
    set_total(&metrics.ends_lost, stats.ends_lost);
    for (kind, handled) in &stats.handled {
        set_total(
            &metrics.events_handled.with_label_values(&[kind.name()]),
            *handled,
        );
    }
    for (reason, count) in &stats.undecodable {
        set_total(&metrics.events_undecodable.with_label_values(&[reason]), *count);
    }
    let index = engine.index().stats();
    metrics.metadata_pending.set(gauge(index.pending));
    metrics.containers.set(gauge(index.live));
    metrics.graph_edges.set(gauge(engine.graph().len()));
    set_total(&metrics.graph_edges_dropped, engine.graph().dropped());
    metrics.profiles.reset();
    for (state, count) in profiles_by_state(engine.profiles()) {
        metrics.profiles.with_label_values(&[&state]).set(gauge(count));
    }
    metrics.user_rules.set(gauge(engine.rules().len()));
    for rule in engine.rules().iter() {
        // From zero on: a counter that appears with its first increment is invisible to rate().
        let errors = metrics.user_rule_errors.with_label_values(&[rule.rule().id]);
        set_total(&errors, rule.failures().0);
    }
    usage::collect_tables(engine, metrics);
    let pressure = engine.pressure();
    set_total(&metrics.behaviours_rearmed, pressure.behaviours_rearmed);
    for (queue, bounded) in queues(&pressure) {
        collect_queue(metrics, queue, bounded);
    }
}

/// Rules of users that are gone: their figures would stand still for ever. One that was never collected has none, which
/// is no error.
pub(super) fn forget_rules(former: &UserRuleSet, rules: &UserRuleSet, metrics: &Metrics) {
    let stay: BTreeSet<&str> = rules.rules().map(|rule| rule.id).collect();
    for rule in former.rules().filter(|rule| !stay.contains(rule.id)) {
        let _none = metrics.user_rule_errors.remove_label_values(&[rule.id]);
    }
}

/// Copies what a bounded queue holds and dropped.
pub(super) fn collect_queue(metrics: &Metrics, queue: &str, bounded: QueueStatus) {
    let label = &[queue];
    metrics
        .queue_depth
        .with_label_values(label)
        .set(gauge(bounded.depth));
    metrics
        .queue_capacity
        .with_label_values(label)
        .set(gauge(bounded.capacity));
    set_total(&metrics.queue_dropped.with_label_values(label), bounded.dropped);
}

fn queues(pressure: &Pressure) -> [(&'static str, QueueStatus); 5] {
    let waiting = QueueStatus {
        depth: pressure.waiting as u64,
        capacity: Pressure::WAITING as u64,
        dropped: pressure.waiting_overflowed,
    };
    let windows = QueueStatus {
        depth: pressure.open_alerts as u64,
        capacity: Pressure::OPEN_ALERTS as u64,
        dropped: pressure.alerts_overflowed,
    };
    let pairs = QueueStatus {
        depth: pressure.pairs as u64,
        capacity: Pressure::PAIRS as u64,
        dropped: pressure.pairs_dropped,
    };
    let detectors = QueueStatus {
        depth: pressure.detector_state as u64,
        capacity: pressure.detector_capacity as u64,
        dropped: pressure.detector_refused,
    };
    let names = QueueStatus {
        depth: pressure.names as u64,
        capacity: Pressure::NAMES as u64,
        dropped: pressure.names_dropped,
    };
    [
        ("waiting_containers", waiting),
        ("alert_windows", windows),
        ("contacted_pairs", pairs),
        ("detector_state", detectors),
        ("answered_names", names),
    ]
}

pub(super) fn selector(target: &LearnTarget) -> Selector {
    match target {
        LearnTarget::Container(name) => Selector::Container(name.clone()),
        LearnTarget::Image(image) => Selector::Image(image.clone()),
    }
}

pub(super) fn refusal(error: LearnError) -> Refusal {
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

fn user_rules(rules: &UserRuleSet) -> UserRulesStatus {
    let failing = rules.iter().filter_map(|rule| {
        let (events, reason) = rule.failures();
        (events > 0).then(|| (rule.rule().id.to_owned(), FailingRule { events, reason }))
    });
    UserRulesStatus {
        rules: rules.len() as u64,
        failing: failing.collect(),
    }
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
        events: None,
    }
}
