//! Whose turn it is: several operations, one at a time, each at its own pace.

use std::time::Duration;

/// When an operation is due for the first time, and how often from then on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pace {
    pub(super) first: Duration,
    pub(super) every: Duration,
}

impl Pace {
    /// Of seconds; `every` is one at least.
    pub(super) const fn seconds(first: u64, every: u64) -> Self {
        assert!(every > 0, "nothing is due all the time");
        Self {
            first: Duration::from_secs(first),
            every: Duration::from_secs(every),
        }
    }
}

/// The turns of one operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Turns {
    every: Duration,
    due: Duration,
    pub(super) done: u64,
    /// Those whose time had passed before others were done.
    pub(super) left_out: u64,
}

/// Times are counted from the beginning of the run.
#[derive(Debug)]
pub(super) struct Schedule {
    turns: Vec<Turns>,
}

impl Schedule {
    pub(super) fn new(paces: impl IntoIterator<Item = Pace>) -> Self {
        let turns = paces.into_iter().map(|pace| Turns {
            every: pace.every,
            due: pace.first,
            done: 0,
            left_out: 0,
        });
        Self {
            turns: turns.collect(),
        }
    }

    /// The place of the operation that is due next, and when; of those that are due together the first.
    pub(super) fn due(&self) -> Option<(usize, Duration)> {
        let turns = self.turns.iter().map(|turns| turns.due).enumerate();
        turns.min_by_key(|(_, due)| *due)
    }

    /// Its turn is over at `now`. What became due meanwhile is left out: nobody reloads twice because he is late.
    pub(super) fn over(&mut self, place: usize, now: Duration) {
        let Some(turns) = self.turns.get_mut(place) else {
            return;
        };
        turns.done += 1;
        turns.due += turns.every;
        while turns.due < now {
            turns.due += turns.every;
            turns.left_out += 1;
        }
    }

    /// In the order of the operations.
    pub(super) fn turns(&self) -> &[Turns] {
        &self.turns
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: fn(u64) -> Duration = Duration::from_secs;

    #[test]
    fn the_earliest_is_next_and_of_equals_the_first() {
        let mut schedule = Schedule::new([Pace::seconds(5, 10), Pace::seconds(3, 2), Pace::seconds(5, 1)]);
        let mut order = Vec::new();
        while order.len() < 5 {
            let (place, due) = schedule.due().expect("there are operations");
            order.push((place, due));
            schedule.over(place, due);
        }
        assert_eq!(order, [(1, S(3)), (0, S(5)), (1, S(5)), (2, S(5)), (2, S(6))]);
        assert_eq!(Schedule::new([]).due(), None);
    }

    #[test]
    fn who_is_late_is_not_hurried() {
        let mut schedule = Schedule::new([Pace::seconds(10, 10)]);
        schedule.over(0, S(35));
        let turns = schedule.turns()[0];
        assert_eq!((turns.done, turns.left_out, turns.due), (1, 2, S(40)));
        schedule.over(0, S(41));
        let turns = schedule.turns()[0];
        assert_eq!((turns.done, turns.left_out, turns.due), (2, 2, S(50)));
    }
}
