//! Of rules of class `sensor`: what an agent says of itself, others say in metrics and logs.

use super::Entry;

pub(super) static ALL: &[Entry] = &[
    ("sensor.events_lost", &[]),
    ("sensor.events_skipped", &[]),
    ("sensor.tampered", &[]),
    ("sensor.blind", &[]),
    ("sensor.books_unbalanced", &[]),
    ("sensor.capability_degraded", &[]),
    ("sensor.slots_exhausted", &[]),
    ("sensor.records_undecodable", &[]),
    ("sensor.windows_exhausted", &[]),
    ("sensor.alerts_dropped", &[]),
    ("sensor.sink_test", &[]),
];
