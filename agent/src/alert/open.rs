//! Alerts whose repeat window is open: repeats are counted, what is new leaves at once as the next revision.

use super::Alert;
use super::draft::{Draft, Rank, Step};
use crate::detect::Finding;
use crate::event::{BootTime, Clock};
use agent_common::behaviour::BehaviourKey;
use std::collections::BTreeSet;

/// Behaviours of one alert whose counts are asked from the kernel at its end; those beyond leave the kernel each time.
const MAX_BEHAVIOURS: usize = 64;
/// Steps of a deed that are listed, each leaving as a revision of its own; further ones are counted.
const MAX_STEPS: usize = 32;
/// Beyond, one step each of programs that have none: who fills the list does not keep others out of it.
const MORE_PROGRAMS: usize = 16;

/// An alert whose window is open or has just closed.
#[derive(Debug)]
pub struct OpenAlert {
    alert: Alert,
    /// Of the alert when its window was opened.
    bytes: usize,
    opened: BootTime,
    behaviours: Vec<BehaviourKey>,
    beyond: Beyond,
    rank: Rank,
    /// The sentence without the count of steps.
    summary: String,
    steps: Vec<Step>,
    /// Records whose step found no room in the list.
    more_steps: u64,
}

/// What the kernel counted of a behaviour.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Occurrences {
    /// The first one included.
    pub count: u64,
    /// When the last one was.
    pub last: BootTime,
}

impl Occurrences {
    /// Of several behaviours.
    #[must_use]
    pub fn sum(all: impl Iterator<Item = Self>) -> Self {
        all.fold(Self::default(), |sum, one| Self {
            count: sum.count.saturating_add(one.count),
            last: sum.last.max(one.last),
        })
    }
}

/// What was seen of behaviours that a window does not keep.
#[derive(Debug, Clone, Copy, Default)]
struct Beyond {
    records: u64,
    /// As the kernel counted them.
    occurrences: u64,
}

impl OpenAlert {
    pub(super) fn new(draft: Draft) -> Self {
        let mut open = Self {
            summary: draft.alert.summary.clone(),
            bytes: serde_json::to_vec(&draft.alert).map_or(0, |line| line.len()),
            alert: draft.alert,
            opened: draft.at,
            behaviours: draft.behaviour.into_iter().collect(),
            beyond: Beyond::default(),
            rank: draft.rank,
            steps: Vec::new(),
            more_steps: 0,
        };
        open.add(draft.steps);
        open.show_steps();
        open
    }

    /// About what it takes of memory.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// As it is now.
    pub(super) fn alert(&self) -> &Alert {
        &self.alert
    }

    pub(super) fn opened(&self) -> BootTime {
        self.opened
    }

    /// Nothing in it says more than that the profile does not know what was done.
    pub(super) fn is_unnamed(&self) -> bool {
        !self.rank.tells
    }

    /// It stands for more than one step.
    pub(super) fn has_steps(&self) -> bool {
        self.steps.len() > 1
    }

    /// True when the finding was told in it, so that another one is a repeat.
    pub(super) fn told(&self, finding: &Finding) -> bool {
        finding.deed.is_none() || self.steps.iter().any(|step| step.is(finding))
    }

    /// What the kernel counts of it: to be forgotten there when the window closes, so that the next occurrence leaves.
    #[must_use]
    pub fn behaviours(&self) -> &[BehaviourKey] {
        &self.behaviours
    }

    /// The last revision. `counted` is the sum of what the kernel counted for [`Self::behaviours`]. `None`: nothing came
    /// after the first occurrence, which has left already.
    #[must_use]
    pub fn close(mut self, counted: Occurrences, clock: Clock) -> Option<Alert> {
        // Records count what left the kernel, the kernel all of it: the larger one is the truth.
        let Beyond { records, occurrences } = self.beyond;
        let kept = self.alert.repeat.count.saturating_sub(records).max(counted.count);
        let count = kept.saturating_add(records.max(occurrences));
        if count <= 1 {
            return None;
        }
        self.alert.repeat.count = count;
        self.alert.repeat.last = self.alert.repeat.last.max(clock.wall(counted.last));
        self.alert.revision += 1;
        Some(self.alert)
    }

    pub(super) fn key(&self) -> (BootTime, u32, uuid::Uuid) {
        (self.opened, self.alert.revision, self.alert.id)
    }

    /// Keeps a behaviour for the window's end; gives it back when there is no room.
    pub(super) fn keep(&mut self, behaviour: BehaviourKey) -> Option<BehaviourKey> {
        if self.behaviours.contains(&behaviour) {
            return None;
        }
        if self.behaviours.len() < MAX_BEHAVIOURS {
            self.behaviours.push(behaviour);
            return None;
        }
        self.beyond.records += 1;
        Some(behaviour)
    }

    /// What the kernel counted of a behaviour that was given back.
    pub(super) fn count_beyond(&mut self, occurrences: u64) {
        self.beyond.occurrences += occurrences;
    }

    /// Another record of it: counted; the next revision when it says something new.
    pub(super) fn repeat(&mut self, again: Draft) -> Option<Alert> {
        self.alert.repeat.count += 1;
        self.alert.repeat.last = self.alert.repeat.last.max(again.alert.time);
        self.alert.lossy |= again.alert.lossy;
        self.improve(again)
    }

    /// Takes over what is worse or new, or says more; `None` when nothing does.
    pub(super) fn improve(&mut self, draft: Draft) -> Option<Alert> {
        let (rules, steps) = (self.alert.also.len(), self.steps.len());
        let severity = self.alert.severity.max(draft.alert.severity);
        let worse = severity > self.alert.severity || draft.rank > self.rank;
        let mut all: BTreeSet<String> = self.alert.also.iter().chain(&draft.alert.also).cloned().collect();
        all.extend([self.alert.rule.clone(), draft.alert.rule.clone()]);
        self.add(draft.steps);
        let draft_action = draft.alert.action;
        if draft.rank > self.rank {
            self.rank = draft.rank;
            self.summary.clone_from(&draft.alert.summary);
            self.replace(draft.alert);
        } else {
            self.name(draft.alert);
        }
        // Saying more makes it no less severe.
        self.alert.severity = severity;
        all.remove(&self.alert.rule);
        self.alert.also = all.into_iter().collect();
        self.show_steps();
        let acted = draft_action > self.alert.action;
        if acted {
            self.alert.action = draft_action;
        }
        if !worse && !acted && self.alert.also.len() == rules && self.steps.len() == steps {
            return None;
        }
        self.alert.revision += 1;
        Some(self.alert.clone())
    }

    fn replace(&mut self, worse: Alert) {
        self.alert = Alert {
            id: self.alert.id,
            revision: self.alert.revision,
            lossy: self.alert.lossy,
            action: self.alert.action,
            repeat: self.alert.repeat.clone(),
            ..worse
        };
    }

    /// Names may have come since.
    fn name(&mut self, again: Alert) {
        (self.alert.container, self.alert.metadata) = (again.container, again.metadata);
        if self.alert.class == again.class {
            self.alert.profile = again.profile;
        }
    }

    fn add(&mut self, steps: Vec<Step>) {
        for step in steps {
            let known = |known: &Step| (known.rule, &known.object) == (step.rule, &step.object);
            if self.steps.iter().any(known) {
                continue;
            }
            let stranger = self.steps.iter().all(|listed| listed.by != step.by);
            let room = MAX_STEPS + if stranger { MORE_PROGRAMS } else { 0 };
            if self.steps.len() < room {
                self.steps.push(step);
            } else {
                self.more_steps += 1;
            }
        }
    }

    /// A deed of one step is said by its summary.
    fn show_steps(&mut self) {
        let listed = u64::try_from(self.steps.len()).unwrap_or(u64::MAX);
        let all = listed.saturating_add(self.more_steps);
        if all < 2 {
            return;
        }
        self.alert.summary = format!("{}; {all} steps in all", self.summary);
        let steps = self.steps.iter().map(Step::to_value).collect::<Vec<_>>();
        self.alert.evidence.insert("steps".to_owned(), steps.into());
        self.alert.evidence.insert("step_count".to_owned(), all.into());
    }
}
