//! Tells as alerts that the spool drops alerts or cannot store them.
//!
//! The alert that says so goes to the same spool and may push another one out of it, which is news again: so each kind of
//! news is told once in a while, with the sum.

use crate::detect::SensorFinding;
use crate::spool::SpoolStats;
use std::time::{Duration, Instant};

/// Shortest time between two alerts about the same trouble.
const INTERVAL: Duration = Duration::from_secs(60);

/// What was told.
#[derive(Debug, Default)]
pub(super) struct SpoolWatch {
    dropped: u64,
    dropped_told: Option<Instant>,
    degraded: bool,
    degraded_told: Option<Instant>,
}

impl SpoolWatch {
    /// What is news of the spool at `now`.
    pub(super) fn read(&mut self, stats: &SpoolStats, now: Instant) -> Vec<SensorFinding> {
        let dropped = stats.dropped_total().map(|(_, count)| count).sum();
        let news = [self.dropped(dropped, now), self.degraded(stats.degraded(), now)];
        news.into_iter().flatten().collect()
    }

    fn dropped(&mut self, alerts: u64, now: Instant) -> Option<SensorFinding> {
        if alerts == self.dropped || !is_due(self.dropped_told, now) {
            return None;
        }
        self.dropped = alerts;
        self.dropped_told = Some(now);
        Some(SensorFinding::AlertsDropped { alerts })
    }

    /// A disk that still refuses when the time is over was told; one that failed again is told then.
    fn degraded(&mut self, degraded: bool, now: Instant) -> Option<SensorFinding> {
        if !degraded {
            self.degraded = false;
        }
        if !degraded || self.degraded || !is_due(self.degraded_told, now) {
            return None;
        }
        self.degraded = true;
        self.degraded_told = Some(now);
        Some(SensorFinding::SpoolDegraded)
    }
}

fn is_due(told: Option<Instant>, now: Instant) -> bool {
    told.is_none_or(|told| now.duration_since(told) >= INTERVAL)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drops_are_told_at_once_and_then_once_in_a_while_with_the_sum() {
        let (mut watch, start) = (SpoolWatch::default(), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        let told = |alerts| Some(SensorFinding::AlertsDropped { alerts });
        assert_eq!(watch.dropped(0, at(0)), None);
        assert_eq!(watch.dropped(3, at(1)), told(3));
        // The alert itself pushed one out, and so on: none of that is told at once.
        for second in 2..61 {
            assert_eq!(watch.dropped(2 + second, at(second)), None);
        }
        assert_eq!(watch.dropped(70, at(61)), told(70));
        assert_eq!(watch.dropped(70, at(500)), None, "nothing was dropped since");
    }

    #[test]
    fn a_disk_that_refuses_is_told_once_and_again_when_it_failed_again() {
        let (mut watch, start) = (SpoolWatch::default(), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(watch.degraded(true, at(0)), Some(SensorFinding::SpoolDegraded));
        assert_eq!(watch.degraded(true, at(100)), None, "it is the same failure");
        assert_eq!(watch.degraded(false, at(101)), None);
        assert_eq!(watch.degraded(true, at(102)), Some(SensorFinding::SpoolDegraded));
        assert_eq!(watch.degraded(false, at(103)), None);
        assert_eq!(watch.degraded(true, at(104)), None, "a disk that flutters");
        assert_eq!(watch.degraded(true, at(162)), Some(SensorFinding::SpoolDegraded));
    }
}
