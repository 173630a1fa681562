//! What is counted behind the engine, copied into the metrics at each scrape.

use super::delivery::SinkHandles;
use super::links::EngineLinks;
use super::view::collect_queue;
use crate::control::{QueueStatus, SinkStatus};
use crate::spool::Spool;
use crate::telemetry::Metrics;
use crate::telemetry::metrics::{gauge, set_seconds, set_total};

pub(super) fn start(links: &EngineLinks, spool: Spool) {
    let (taps, sinks) = (links.taps.clone(), links.sinks.clone());
    let (readiness, started) = (links.readiness.clone(), links.started);
    let runtimes = links.runtime_counts.clone();
    links
        .metrics
        .build_info
        .with_label_values(&[
            env!("CARGO_PKG_VERSION"),
            &agent_common::ABI_VERSION.to_string(),
            &kernel_release(),
        ])
        .set(1);
    links.metrics.on_scrape(Box::new(move |metrics| {
        metrics.uptime.set(started.elapsed().as_secs_f64());
        metrics.ready.set(i64::from(readiness.is_ready()));
        metrics.taps.set(gauge(taps.len()));
        set_total(&metrics.taps_missed, taps.missed_total());
        let queue = QueueStatus {
            depth: spool.queue_depth() as u64,
            capacity: Spool::QUEUE as u64,
            dropped: spool.stats().dropped_total().map(|(_, count)| count).sum(),
        };
        collect_queue(metrics, "spool", queue);
        collect_spool(metrics, &spool);
        collect_sinks(metrics, &sinks, &spool);
        runtimes.collect(metrics);
    }));
}

fn collect_spool(metrics: &Metrics, spool: &Spool) {
    let stats = spool.stats();
    let (bytes, segments) = stats.disk();
    let (commits, took) = stats.commits_total();
    metrics.spool_bytes.set(gauge(bytes));
    metrics.spool_segments.set(gauge(segments));
    set_total(&metrics.spool_appended, stats.appended_total());
    set_total(&metrics.spool_commits, commits);
    set_seconds(&metrics.spool_commit_seconds, took);
    set_total(&metrics.spool_damaged_bytes, stats.damaged_total().0);
    set_total(&metrics.spool_errors, stats.errors_total());
    metrics.spool_degraded.set(i64::from(stats.degraded()));
    for (severity, dropped) in stats.dropped_total() {
        set_total(
            &metrics.spool_dropped.with_label_values(&[severity.name()]),
            dropped,
        );
    }
}

fn collect_sinks(metrics: &Metrics, sinks: &SinkHandles, spool: &Spool) {
    for sink in sinks.list() {
        let sink = SinkStatus::of(&sink.name, &sink.stats, spool);
        let label = &[sink.name.as_str()];
        set_total(&metrics.sink_delivered.with_label_values(label), sink.delivered);
        set_total(&metrics.sink_retries.with_label_values(label), sink.retries);
        set_total(&metrics.sink_rejected.with_label_values(label), sink.rejected);
        set_total(&metrics.sink_filtered.with_label_values(label), sink.filtered);
        metrics
            .sink_pending
            .with_label_values(label)
            .set(gauge(sink.pending));
        metrics
            .sink_oldest
            .with_label_values(label)
            .set(sink.oldest_undelivered_seconds);
    }
}

/// A sink that is gone: its figures would stand still for ever. One that never counted has none, which is no error.
pub(super) fn forget_sink(metrics: &Metrics, sink: &str) {
    let label = &[sink];
    for counter in [
        &metrics.sink_delivered,
        &metrics.sink_retries,
        &metrics.sink_rejected,
        &metrics.sink_filtered,
    ] {
        let _none = counter.remove_label_values(label);
    }
    let _none = metrics.sink_pending.remove_label_values(label);
    let _none = metrics.sink_oldest.remove_label_values(label);
}

fn kernel_release() -> String {
    rustix::system::uname().release().to_string_lossy().into_owned()
}
