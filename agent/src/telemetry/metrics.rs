//! Every metric, declared once: name, help, labels. Labels come from closed sets: never a pid, path or container id.
//!
//! What lives elsewhere (the kernel's counters, the spool's) is copied by collectors when somebody scrapes.

use prometheus::{
    Counter, CounterVec, Gauge, GaugeVec, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge,
    IntGaugeVec, Opts, Registry, TextEncoder,
};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Upper bounds of latency buckets, seconds: around the budget of 20 ms at the median, 150 ms at the 99th percentile.
const LATENCY_BUCKETS: [f64; 10] = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.15, 0.5, 2.0];

/// Copies figures into the metrics at each scrape.
pub type Collector = Box<dyn Fn(&Metrics) + Send + Sync>;

macro_rules! metrics {
    ($($(#[$doc:meta])* $field:ident: $kind:ident = $name:literal $help:literal $([$($label:literal),*])?;)*) => {
        /// Handles of all metrics. Cheap to update from any task.
        pub struct Metrics {
            registry: Registry,
            collectors: Mutex<Vec<Collector>>,
            $($(#[$doc])* #[doc = $help] pub $field: $kind,)*
        }

        impl Metrics {
            /// Registers every metric.
            ///
            /// # Errors
            /// When two metrics have the same name: a mistake in this file, caught by its test.
            pub fn new() -> Result<Self, prometheus::Error> {
                let registry = Registry::new();
                $(
                    let $field = $kind::declare($name, $help, &[$($($label),*)?])?;
                    registry.register(Box::new($field.clone()))?;
                )*
                Ok(Self { registry, collectors: Mutex::default(), $($field),* })
            }

            /// Name, help and labels of every metric, for the documentation.
            #[must_use]
            pub fn declared() -> Vec<(&'static str, &'static str, &'static [&'static str])> {
                vec![$(($name, $help, &[$($($label),*)?])),*]
            }
        }
    };
}

metrics! {
    events_seen: IntCounterVec = "vigia_events_seen_total" "Hook invocations for tasks of containers." ["kind"];
    events_repeated: IntCounterVec = "vigia_events_repeated_total" "Invocations whose behaviour had left the kernel before." ["kind"];
    events_sent: IntCounterVec = "vigia_events_sent_total" "Records that the kernel submitted." ["kind"];
    events_suppressed: IntCounterVec = "vigia_events_suppressed_total" "Invocations that are of no interest, by reason." ["kind", "reason"];
    events_lost: IntCounterVec = "vigia_events_lost_total" "Invocations whose record could not be submitted, by reason." ["kind", "reason"];
    kernel_errors: IntCounterVec = "vigia_kernel_errors_total" "Errors inside kernel programs, by cause; errors allow." ["cause"];
    events_received: IntCounter = "vigia_events_received_total" "Records that the daemon read from the rings.";
    events_handled: IntCounterVec = "vigia_events_handled_total" "Records that were decoded and judged." ["kind"];
    events_undecodable: IntCounterVec = "vigia_events_undecodable_total" "Records that could not be decoded, by reason." ["reason"];
    accounting_mismatch: IntCounterVec = "vigia_accounting_mismatch_total" "Times that the books did not balance, by equation." ["equation"];
    alerts: IntCounterVec = "vigia_alerts_total" "Alerts raised; of later revisions of one only that is counted which first says what was done outside a profile." ["rule", "severity"];
    behaviours_rearmed: IntCounter = "vigia_behaviours_rearmed_total" "Behaviours that found no room in an alert's window: each of their occurrences leaves the kernel.";
    containers: IntGauge = "vigia_containers" "Containers that are known now.";
    ends_lost: IntCounter = "vigia_container_ends_lost_total" "Containers whose end was found by looking, because its record was lost.";
    graph_edges: IntGauge = "vigia_graph_edges" "Edges of the service graph: an image that contacts another, the host or an outside, at a port.";
    graph_edges_dropped: IntCounter = "vigia_graph_edges_dropped_total" "Edges of the service graph that were forgotten for lack of room.";
    profiles: IntGaugeVec = "vigia_profiles" "Profiles by state." ["state"];
    user_rules: IntGauge = "vigia_user_rules" "Rules of users that are in force.";
    user_rule_errors: IntCounterVec = "vigia_user_rule_errors_total" "Events on which the condition of a user's rule could not be evaluated." ["rule"];
    metadata_pending: IntGauge = "vigia_containers_metadata_pending" "Containers whose runtime has not answered yet.";
    runtime_up: IntGaugeVec = "vigia_runtime_up" "1 when the container runtime's API answers." ["runtime"];
    runtime_missed: IntCounterVec = "vigia_runtime_missed_total" "Events of the container runtime, and lines of its lists, that were not taken: too many at once, or without a usable id." ["runtime"];
    decision_seconds: HistogramVec = "vigia_decision_seconds" "Time from the kernel's record to the alert handed to the spool." ["severity"];
    sink_delivered: IntCounterVec = "vigia_sink_delivered_total" "Alerts that the sink's receiver has." ["sink"];
    sink_retries: IntCounterVec = "vigia_sink_retries_total" "Deliveries that failed and are tried again." ["sink"];
    sink_rejected: IntCounterVec = "vigia_sink_rejected_total" "Alerts that the sink's receiver will never take." ["sink"];
    sink_filtered: IntCounterVec = "vigia_sink_filtered_total" "Alerts that the sink's filters keep from it." ["sink"];
    sink_pending: IntGaugeVec = "vigia_sink_pending" "Alerts in the spool that the sink has not acknowledged." ["sink"];
    sink_oldest: GaugeVec = "vigia_sink_oldest_undelivered_seconds" "Age of the oldest alert that the sink has not taken; 0 when there is none." ["sink"];
    spool_bytes: IntGauge = "vigia_spool_bytes" "Size of the spool on disk.";
    spool_segments: IntGauge = "vigia_spool_segments" "Files of the spool.";
    spool_appended: IntCounter = "vigia_spool_appended_total" "Alerts committed to disk.";
    spool_commits: IntCounter = "vigia_spool_commits_total" "Commits to disk.";
    spool_commit_seconds: Counter = "vigia_spool_commit_seconds_total" "Time spent in commits.";
    spool_dropped: IntCounterVec = "vigia_spool_dropped_total" "Alerts dropped undelivered because the spool was full." ["severity"];
    spool_damaged_bytes: IntCounter = "vigia_spool_damaged_bytes_total" "Bytes found at start that belong to no valid record.";
    spool_errors: IntCounter = "vigia_spool_errors_total" "Writes that the disk refused.";
    spool_degraded: IntGauge = "vigia_spool_degraded" "1 while alerts are kept in memory only.";
    program_seconds: CounterVec = "vigia_bpf_program_run_seconds_total" "Run time of a kernel program while kernel.bpf_stats_enabled is 1." ["program"];
    program_runs: IntCounterVec = "vigia_bpf_program_runs_total" "Runs of a kernel program while kernel.bpf_stats_enabled is 1." ["program"];
    program_skipped: IntCounterVec = "vigia_bpf_program_skipped_total" "Runs of a kernel program that the kernel skipped, because it was running on that CPU already." ["program"];
    heartbeat: Gauge = "vigia_sensor_heartbeat_timestamp_seconds" "Unix time at which the kernel programs last answered the daemon; 0 before they ever did.";
    capability: IntGaugeVec = "vigia_capability" "1 for the backend that serves a capability; `blind` when none does." ["capability", "backend"];
    ready: IntGauge = "vigia_ready" "1 while every required capability (identity, exec, file_open) is attached, programs answer and nothing of the sensor is changed by others.";
    queue_depth: IntGaugeVec = "vigia_queue_depth" "Entries in a bounded queue." ["queue"];
    queue_capacity: IntGaugeVec = "vigia_queue_capacity" "Size of a bounded queue." ["queue"];
    queue_dropped: IntCounterVec = "vigia_queue_dropped_total" "Entries that found no room in a bounded queue, or events in bounded state, as of detectors (`detector_state`)." ["queue"];
    map_entries: IntGaugeVec = "vigia_kernel_map_entries" "Entries of a kernel map that grows and shrinks with containers." ["map"];
    map_capacity: IntGaugeVec = "vigia_kernel_map_capacity" "Entries that the kernel map can hold." ["map"];
    table_entries: IntGaugeVec = "vigia_table_entries" "Entries of a table of the daemon that grows and shrinks with containers." ["table"];
    table_capacity: IntGaugeVec = "vigia_table_capacity" "Entries that the table can hold." ["table"];
    taps: IntGauge = "vigia_watchers" "Clients of the control socket that watch.";
    taps_missed: IntCounter = "vigia_watchers_missed_total" "Lines that slow watchers missed.";
    config_reload_successful: IntGauge = "vigia_config_reload_successful" "1 when the configuration and the profiles as they were read last are in force, 0 when they were refused.";
    config_reload_timestamp: Gauge = "vigia_config_reload_success_timestamp_seconds" "Unix time at which a configuration last came into force.";
    config_reload_failures: IntCounter = "vigia_config_reload_failures_total" "Reloads that were refused: what ran before stayed in force.";
    uptime: Gauge = "vigia_uptime_seconds" "Time since the agent started.";
    build_info: IntGaugeVec = "vigia_build_info" "Always 1." ["version", "abi", "kernel"];
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

impl Metrics {
    /// `collector` runs at each scrape, before the figures are read. It must not block.
    pub fn on_scrape(&self, collector: Collector) {
        self.collectors
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(collector);
    }

    /// Everything in Prometheus' text format.
    ///
    /// # Errors
    /// When a metric has no samples' shape the encoder knows; does not happen with the kinds used here.
    pub fn render(&self) -> Result<String, prometheus::Error> {
        // One scrape at a time: collectors add differences.
        let collectors = self.collectors.lock().unwrap_or_else(PoisonError::into_inner);
        for collector in collectors.iter() {
            collector(self);
        }
        TextEncoder::new().encode_to_string(&self.registry.gather())
    }
}

/// Moves `counter` up to a total that is counted elsewhere. A total that fell (a source started anew) is kept.
pub fn set_total(counter: &IntCounter, total: u64) {
    counter.inc_by(total.saturating_sub(counter.get()));
}

/// As [`set_total`], for time.
pub fn set_seconds(counter: &Counter, total: Duration) {
    counter.inc_by((total.as_secs_f64() - counter.get()).max(0.0));
}

/// A gauge's value from an unsigned figure.
#[must_use]
pub fn gauge(value: impl TryInto<i64>) -> i64 {
    value.try_into().unwrap_or(i64::MAX)
}

trait Declare: Sized {
    fn declare(name: &str, help: &str, labels: &[&str]) -> Result<Self, prometheus::Error>;
}

macro_rules! declare {
    ($($kind:ident),*; $($vec:ident),*) => {
        $(impl Declare for $kind {
            fn declare(name: &str, help: &str, _: &[&str]) -> Result<Self, prometheus::Error> {
                Self::with_opts(Opts::new(name, help))
            }
        })*
        $(impl Declare for $vec {
            fn declare(name: &str, help: &str, labels: &[&str]) -> Result<Self, prometheus::Error> {
                Self::new(Opts::new(name, help), labels)
            }
        })*
    };
}
declare!(Counter, IntCounter, IntGauge, Gauge; CounterVec, IntCounterVec, IntGaugeVec, GaugeVec);

impl Declare for HistogramVec {
    fn declare(name: &str, help: &str, labels: &[&str]) -> Result<Self, prometheus::Error> {
        Self::new(
            HistogramOpts::new(name, help).buckets(LATENCY_BUCKETS.to_vec()),
            labels,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_follow_the_convention() {
        let metrics = Metrics::new().unwrap();
        for (name, help, _) in Metrics::declared() {
            assert!(
                name.starts_with("vigia_") && help.ends_with('.'),
                "{name}: {help}"
            );
        }
        metrics
            .alerts
            .with_label_values(&["escape.core_pattern", "critical"])
            .inc();
        let text = metrics.render().unwrap();
        assert!(
            text.contains("vigia_alerts_total{rule=\"escape.core_pattern\",severity=\"critical\"} 1"),
            "{text}"
        );
    }

    #[test]
    fn collectors_run_at_each_scrape_and_totals_never_fall() {
        let metrics = Metrics::new().unwrap();
        metrics.on_scrape(Box::new(|metrics| set_total(&metrics.events_received, 7)));
        metrics.render().unwrap();
        assert!(
            metrics
                .render()
                .unwrap()
                .contains("vigia_events_received_total 7")
        );
        set_total(&metrics.events_received, 3);
        assert_eq!(metrics.events_received.get(), 7);
    }
}
