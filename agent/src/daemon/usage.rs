//! How full the kernel's maps and the daemon's tables are, in the words of the control socket and of metrics.

use crate::control::TableStatus;
use crate::engine::Engine;
use crate::kernel::MapUsage;
use crate::telemetry::Metrics;
use crate::telemetry::metrics::gauge;

/// The engine's tables.
pub(super) fn tables(engine: &Engine) -> impl Iterator<Item = (&'static str, TableStatus)> {
    engine.tables().into_iter().map(|table| {
        let status = TableStatus {
            entries: table.entries as u64,
            capacity: table.capacity as u64,
        };
        (table.name, status)
    })
}

pub(super) fn collect_tables(engine: &Engine, metrics: &Metrics) {
    for (name, table) in tables(engine) {
        let (entries, capacity) = (&metrics.table_entries, &metrics.table_capacity);
        entries.with_label_values(&[name]).set(gauge(table.entries));
        capacity.with_label_values(&[name]).set(gauge(table.capacity));
    }
}

/// The kernel's maps.
pub(super) fn maps(usage: &[MapUsage]) -> impl Iterator<Item = (&'static str, TableStatus)> + '_ {
    usage.iter().map(|usage| {
        let status = TableStatus {
            entries: usage.entries,
            capacity: usage.capacity,
        };
        (usage.map, status)
    })
}

pub(super) fn collect_maps(usage: &[MapUsage], metrics: &Metrics) {
    for (name, map) in maps(usage) {
        let (entries, capacity) = (&metrics.map_entries, &metrics.map_capacity);
        entries.with_label_values(&[name]).set(gauge(map.entries));
        capacity.with_label_values(&[name]).set(gauge(map.capacity));
    }
}
