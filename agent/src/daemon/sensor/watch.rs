//! What the daemon does to notice that it is being blinded: programs are called, what others may change is looked at, runs that the
//! kernel skipped are counted.

use super::Live;
use super::heartbeat::Heartbeat;
use crate::detect::SensorFinding;
use crate::kernel::{Backend, Change, ProgramStats, Sensor};
use crate::telemetry::Metrics;
use crate::telemetry::http::Ready;
use crate::telemetry::metrics::{set_seconds, set_total};
use std::collections::HashMap;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// How often what others may change is looked at: a file per link, and one array.
const LOOK: Duration = Duration::from_secs(5);
/// How often programs' figures are read: a file per program.
const FIGURES: Duration = Duration::from_secs(10);

/// State of the watch.
pub(super) struct Watch {
    heartbeat: Heartbeat,
    /// Unix time of the last answer; `None`: there was none yet.
    answered: Option<Duration>,
    looked: Option<Instant>,
    /// Changes by others that could not be put right.
    broken: Vec<Change>,
    read: Option<Instant>,
    figures: Vec<ProgramStats>,
}

impl Watch {
    pub(super) fn of(sensor: &Sensor) -> Self {
        Self {
            heartbeat: Heartbeat::new(sensor.answering().into_iter().map(Backend::name)),
            answered: None,
            looked: None,
            broken: Vec::new(),
            read: None,
            figures: Vec::new(),
        }
    }

    /// What is wrong now, one sentence each; that nothing answers is said by [`Self::ready`].
    pub(super) fn problems(&self) -> Vec<String> {
        let broken = self.broken.iter().map(|change| {
            let obstacle = change.obstacle.as_deref().unwrap_or_default();
            format!(
                "somebody changed the {} {}, and it could not be put right: {obstacle}",
                change.part.name(),
                change.name
            )
        });
        broken.collect()
    }

    pub(super) fn ready(&self) -> Ready {
        match (self.heartbeat.is_silent(), self.broken.is_empty()) {
            (true, _) => Ready::Silent,
            (false, false) => Ready::Blind,
            (false, true) => Ready::Yes,
        }
    }

    pub(super) fn collect(&self, metrics: &Metrics) {
        metrics
            .heartbeat
            .set(self.answered.unwrap_or_default().as_secs_f64());
        for stats in &self.figures {
            let label = [stats.program.as_str()];
            set_seconds(
                &metrics.program_seconds.with_label_values(&label),
                Duration::from_nanos(stats.run_ns),
            );
            set_total(&metrics.program_runs.with_label_values(&label), stats.runs);
            set_total(
                &metrics.program_skipped.with_label_values(&label),
                stats.recursion_misses,
            );
        }
    }

    /// Changes that were not told before: what could not be put right is found again each time.
    fn news(&mut self, changes: Vec<Change>) -> Vec<Change> {
        let is_broken = |change: &Change| change.obstacle.is_some();
        let before = std::mem::take(&mut self.broken);
        self.broken = changes
            .iter()
            .filter(|change| is_broken(change))
            .cloned()
            .collect();
        let told = |change: &Change| {
            let same = |old: &Change| (old.part, &old.name) == (change.part, &change.name);
            is_broken(change) && before.iter().any(same)
        };
        changes.into_iter().filter(|change| !told(change)).collect()
    }
}

impl Live {
    pub(super) fn inspect(&mut self, now: Instant) -> Vec<SensorFinding> {
        let mut findings = Vec::new();
        findings.extend(self.call(now));
        if is_due(&mut self.watch.looked, LOOK, now) {
            let changes = self.sensor.inspect();
            match self.sensor.retire() {
                0 => {}
                runs => tracing::info!(runs, "what agents before this one left denying is released"),
            }
            findings.extend(self.watch.news(changes).into_iter().map(tampered));
        }
        if is_due(&mut self.watch.read, FIGURES, now) {
            let figures = self.sensor.program_stats();
            findings.extend(skipped(&self.watch.figures, &figures));
            self.watch.figures = figures;
        }
        findings
    }

    fn call(&mut self, now: Instant) -> Option<SensorFinding> {
        let heartbeat = &mut self.watch.heartbeat;
        for answer in self.sensor.rings.take_answers() {
            if heartbeat.answered(answer.backend()) {
                self.watch.answered = SystemTime::now().duration_since(UNIX_EPOCH).ok();
            }
        }
        if !heartbeat.is_due(now) {
            return None;
        }
        let silent = heartbeat.call(now);
        self.sensor.call();
        silent.map(|backends| SensorFinding::Blind { backends })
    }
}

fn is_due(last: &mut Option<Instant>, period: Duration, now: Instant) -> bool {
    let due = last.is_none_or(|last| now.duration_since(last) >= period);
    if due {
        *last = Some(now);
    }
    due
}

fn tampered(change: Change) -> SensorFinding {
    SensorFinding::Tampered {
        part: change.part.name().to_owned(),
        name: change.name,
        container: None,
        obstacle: change.obstacle,
    }
}

/// Programs of which the kernel skipped runs between two readings.
fn skipped(before: &[ProgramStats], now: &[ProgramStats]) -> Vec<SensorFinding> {
    let before: HashMap<&str, u64> = before
        .iter()
        .map(|stats| (stats.program.as_str(), stats.recursion_misses))
        .collect();
    let skipped = |stats: &ProgramStats| {
        let past = before.get(stats.program.as_str()).copied().unwrap_or(0);
        let skipped = stats.recursion_misses.saturating_sub(past);
        (skipped > 0).then(|| SensorFinding::EventsSkipped {
            program: stats.program.clone(),
            skipped,
        })
    };
    now.iter().filter_map(skipped).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::Part;

    #[test]
    fn what_cannot_be_put_right_is_told_once_and_shown_until_it_is() {
        let mut watch = Watch {
            heartbeat: Heartbeat::new([]),
            answered: None,
            looked: None,
            broken: Vec::new(),
            read: None,
            figures: Vec::new(),
        };
        let change = |obstacle: Option<&str>| Change {
            part: Part::Link,
            name: "sendmsg4".to_owned(),
            obstacle: obstacle.map(str::to_owned),
        };
        assert_eq!(watch.news(vec![change(None)]).len(), 1);
        assert_eq!(watch.ready(), Ready::Yes, "it was put right");
        assert_eq!(watch.news(vec![change(Some("refused"))]).len(), 1);
        assert_eq!(watch.news(vec![change(Some("refused"))]), [], "told");
        assert_eq!(watch.ready(), Ready::Blind);
        let problems = watch.problems();
        assert!(
            problems[0].contains("link sendmsg4") && problems[0].contains("refused"),
            "{problems:?}"
        );
        assert_eq!(watch.news(vec![change(None)]).len(), 1, "at last");
        assert_eq!(watch.ready(), Ready::Yes);
        watch.heartbeat = Heartbeat::new(["tracepoint"]);
        for _ in 0..3 {
            watch.heartbeat.call(Instant::now());
        }
        assert_eq!(watch.ready(), Ready::Silent);
    }

    fn stats(program: &str, recursion_misses: u64) -> ProgramStats {
        ProgramStats {
            program: program.to_owned(),
            run_ns: 0,
            runs: 0,
            recursion_misses,
            verified_instructions: None,
            machine_code_bytes: 0,
            memory_bytes: 0,
        }
    }

    #[test]
    fn skipped_runs_are_told_when_there_are_more() {
        let (first, then) = ([stats("a", 2), stats("b", 0)], [stats("a", 2), stats("b", 3)]);
        let told = |program: &str, skipped| SensorFinding::EventsSkipped {
            program: program.to_owned(),
            skipped,
        };
        assert_eq!(skipped(&[], &first), [told("a", 2)]);
        assert_eq!(skipped(&first, &then), [told("b", 3)]);
        assert_eq!(skipped(&then, &then), []);
    }
}
