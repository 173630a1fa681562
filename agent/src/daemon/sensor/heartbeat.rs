//! Is the sensor blind? The daemon calls its kernel programs now and then; their answers come as every record does.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// How often the programs are called.
const PERIOD: Duration = Duration::from_secs(5);
/// Calls in a row without all answers: blindness.
const SILENT: u32 = 2;

/// Calls and answers.
#[derive(Debug)]
pub(super) struct Heartbeat {
    /// Backends whose programs answer; none: nobody can be called.
    expected: BTreeSet<&'static str>,
    missing: BTreeSet<&'static str>,
    called: Option<Instant>,
    silent: u32,
}

impl Heartbeat {
    pub(super) fn new(expected: impl IntoIterator<Item = &'static str>) -> Self {
        Self {
            expected: expected.into_iter().collect(),
            missing: BTreeSet::new(),
            called: None,
            silent: 0,
        }
    }

    /// An answer came. True when it was the last that was missing of a call.
    pub(super) fn answered(&mut self, backend: &'static str) -> bool {
        let complete = self.missing.remove(backend) && self.missing.is_empty();
        if complete {
            self.silent = 0;
        }
        complete
    }

    /// True when the programs are to be called again.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        let due = self.called.is_none_or(|last| now.duration_since(last) >= PERIOD);
        due && !self.expected.is_empty()
    }

    /// The programs are called. Who has not answered the calls before, when that has just become too much.
    pub(super) fn call(&mut self, now: Instant) -> Option<Vec<String>> {
        let missing = std::mem::replace(&mut self.missing, self.expected.clone());
        self.called = Some(now);
        self.silent += u32::from(!missing.is_empty());
        let lost = self.silent == SILENT && !missing.is_empty();
        lost.then(|| missing.into_iter().map(str::to_owned).collect())
    }

    /// Answers fail to come.
    pub(super) fn is_silent(&self) -> bool {
        self.silent >= SILENT
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_that_fail_to_come_twice_are_told_once() {
        let (mut heartbeat, now) = (Heartbeat::new(["lsm", "tracepoint"]), Instant::now());
        assert!(heartbeat.is_due(now));
        assert_eq!(heartbeat.call(now), None);
        assert!(!heartbeat.is_due(now) && heartbeat.is_due(now + PERIOD));
        assert!(!heartbeat.answered("tracepoint"));
        assert_eq!(heartbeat.call(now), None, "once may be late");
        assert!(!heartbeat.answered("tracepoint") && !heartbeat.is_silent());
        assert_eq!(heartbeat.call(now), Some(vec!["lsm".to_owned()]));
        assert!(heartbeat.is_silent());
        assert_eq!(heartbeat.call(now), None, "it was told");
    }

    #[test]
    fn who_answers_sees_again() {
        let (mut heartbeat, now) = (Heartbeat::new(["tracepoint"]), Instant::now());
        for _ in 0..4 {
            heartbeat.call(now);
        }
        assert!(heartbeat.is_silent());
        assert!(heartbeat.answered("tracepoint"));
        assert!(!heartbeat.is_silent());
        assert!(!heartbeat.answered("tracepoint"), "of no call");
        assert_eq!(heartbeat.call(now), None);
    }

    #[test]
    fn nobody_is_called_who_cannot_answer() {
        assert!(!Heartbeat::new([]).is_due(Instant::now()));
    }
}
