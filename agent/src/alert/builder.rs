//! Findings → alerts, each behaviour once, with its count.

use super::draft::Draft;
use super::open::{Occurrences, OpenAlert};
use super::pairs::Pairs;
use super::said::Said;
use super::{Alert, AlertIds};
use crate::container::Container;
use crate::detect::{DetectContext, Finding, Severity, is_outside};
use crate::event::{BootTime, ContainerId};
use crate::host::HostFacts;
use agent_common::behaviour::BehaviourKey;
use std::collections::HashMap;
use std::time::Duration;

/// How long repeats are folded into one alert, in time of the events.
pub const REPEAT_WINDOW: Duration = Duration::from_secs(60);
/// Windows that may be open at once; alerts beyond leave singly.
pub const MAX_OPEN: usize = 2048;
/// Bytes of their alerts, as they are sent. An ordinary one has two thousand; a container can make its arguments long.
const MAX_OPEN_BYTES: usize = 4 << 20;
/// What identifies an alert: container, rule and object; without a rule the object is a deed.
pub(super) type Key = (Option<ContainerId>, Option<&'static str>, String);

/// Makes alerts of findings.
#[derive(Debug)]
pub struct AlertBuilder {
    ids: AlertIds,
    open: HashMap<Key, OpenAlert>,
    /// Of all of them.
    open_bytes: usize,
    pairs: Pairs,
    /// Windows of what containers do outside their profiles.
    outside: HashMap<ContainerId, Key>,
    /// Windows whose alert got its name after it was sent first.
    named: Vec<Key>,
    /// Behaviours that no window keeps, with the window that they belong to.
    unkept: Vec<(Key, BehaviourKey)>,
    overflowed: u64,
    rearmed: u64,
}

impl AlertBuilder {
    /// Without open windows.
    #[must_use]
    pub fn new(ids: AlertIds) -> Self {
        Self {
            ids,
            open: HashMap::new(),
            open_bytes: 0,
            pairs: Pairs::default(),
            outside: HashMap::new(),
            named: Vec::new(),
            unkept: Vec::new(),
            overflowed: 0,
            rearmed: 0,
        }
    }

    /// The alert of one record's findings; `None` when there are none, or it repeats an open one. A repeat that is more
    /// severe than what was said, or says something new, leaves at once, as the next revision.
    ///
    /// A record that is judged again adds to its alert what was not `said` of it, and is not counted again. Where that
    /// alert's window has closed, what is new is an alert of its own.
    pub fn raise(
        &mut self,
        context: &DetectContext<'_>,
        mut findings: Vec<Finding>,
        said: &mut Said,
    ) -> Option<Alert> {
        let owner = context.event.container.as_ref().map(|container| &container.id);
        findings.retain(|finding| !self.is_told(owner, finding));
        if findings.iter().all(|finding| said.covers(finding)) {
            return None;
        }
        self.note_pairs(owner, &findings);
        // Among equals the first: detectors put the more specific rule first.
        let top = findings.iter().rev().max_by_key(|finding| finding.severity)?;
        let (mut key, mut draft) = (key(owner, top), Draft::of_record(context, top, &findings));
        if let Some(owner) = owner
            && is_outside(context, &findings)
        {
            draft.add_step(context, top);
            key = self.join(owner, key, top);
        }
        match said.note(&key, &findings) {
            Some(before) => self.amend(&before, key, draft),
            None => self.admit(key, draft),
        }
    }

    /// An alert about the agent itself, or about what it lost of a container.
    pub fn raise_sensor(
        &mut self,
        finding: Finding,
        container: Option<&Container>,
        now: BootTime,
        host: &HostFacts,
    ) -> Option<Alert> {
        let key = key(container.map(|container| &container.id), &finding);
        self.admit(key, Draft::of_sensor(finding, container, now, host))
    }

    /// Said before, and no window is open that would count it.
    fn is_told(&mut self, owner: Option<&ContainerId>, finding: &Finding) -> bool {
        let (Some(own), Some(peer)) = (owner, &finding.once_with) else {
            return false;
        };
        let counted = || {
            self.open
                .get(&key(owner, finding))
                .is_some_and(|open| open.told(finding))
        };
        self.pairs.knows(own, peer) && !counted()
    }

    fn note_pairs(&mut self, owner: Option<&ContainerId>, findings: &[Finding]) {
        for finding in findings {
            if let (Some(own), Some(peer)) = (owner, &finding.once_with) {
                self.pairs.insert(own, peer);
            }
        }
    }

    /// The alert of something that a container does outside its profile. All of that is one deed: its alert is named by the first finding
    /// that says what was done; a later one that says something else has an alert of its own.
    fn join(&mut self, owner: &ContainerId, key: Key, top: &Finding) -> Key {
        let open = |known: &&Key| self.open.contains_key(*known);
        let Some(known) = self.outside.get(owner).filter(open).cloned() else {
            self.outside.insert(owner.clone(), key.clone());
            return key;
        };
        if top.is_outside_profile() {
            return known;
        }
        let unnamed = self.open.get(&known).is_some_and(OpenAlert::is_unnamed);
        if unnamed && self.rekey(&known, &key) {
            self.named.push(key.clone());
        }
        key
    }

    /// The record's alert is known better now, perhaps by another name. One of which the record is but a step keeps its own.
    fn amend(&mut self, before: &Key, key: Key, draft: Draft) -> Option<Alert> {
        let shared = self.is_of_outside(before) && self.open.get(before).is_some_and(OpenAlert::has_steps);
        if !shared {
            self.rekey(before, &key);
        }
        match self.open.get_mut(&key) {
            Some(open) => open.improve(draft),
            None => self.admit(key, draft),
        }
    }

    /// Puts a window under another key, unless there is one; true when it was done.
    fn rekey(&mut self, before: &Key, key: &Key) -> bool {
        if self.open.contains_key(key) {
            return false;
        }
        let Some(open) = self.open.remove(before) else {
            return false;
        };
        if self.is_of_outside(before)
            && let Some(owner) = &key.0
        {
            self.outside.insert(owner.clone(), key.clone());
        }
        self.open.insert(key.clone(), open);
        true
    }

    /// It is that of what the container does outside its profile.
    fn is_of_outside(&self, key: &Key) -> bool {
        let owner = key.0.as_ref();
        owner.and_then(|owner| self.outside.get(owner)) == Some(key)
    }

    fn admit(&mut self, key: Key, mut draft: Draft) -> Option<Alert> {
        if let Some(open) = self.open.get_mut(&key) {
            if let Some(behaviour) = draft.behaviour.and_then(|behaviour| open.keep(behaviour)) {
                self.unkept.push((key, behaviour));
            }
            return open.repeat(draft);
        }
        draft.alert.id = self.ids.next(draft.alert.time);
        let behaviour = draft.behaviour;
        let open = OpenAlert::new(draft);
        let alert = open.alert().clone();
        if self.open.len() >= MAX_OPEN || self.open_bytes + open.bytes() > MAX_OPEN_BYTES {
            self.overflowed += 1;
            self.unkept.extend(behaviour.map(|behaviour| (key, behaviour)));
        } else {
            self.open_bytes += open.bytes();
            self.open.insert(key, open);
        }
        Some(alert)
    }

    /// Has the kernel forget behaviours that no window keeps, so that their next occurrence leaves it: no window's end
    /// will. To be called after each input; `forget` is as [`crate::engine::KernelView::forget`].
    pub fn rearm(&mut self, mut forget: impl FnMut(&BehaviourKey) -> Option<Occurrences>) {
        for (key, behaviour) in std::mem::take(&mut self.unkept) {
            self.rearmed += 1;
            let occurrences = forget(&behaviour).unwrap_or_default().count;
            match self.open.get_mut(&key) {
                Some(open) => open.count_beyond(occurrences),
                // The first one left as an alert of its own.
                None => self.overflowed += occurrences.saturating_sub(1),
            }
        }
    }

    /// Windows that end now, oldest first.
    pub fn due(&mut self, now: BootTime) -> Vec<OpenAlert> {
        self.take(|_, open| now.since(open.opened()) >= REPEAT_WINDOW)
    }

    /// Windows of a container that ended. It is met for the first time when it comes again.
    pub fn ended(&mut self, container: &ContainerId) -> Vec<OpenAlert> {
        self.pairs.forget(container);
        self.take(|(owner, ..), _| owner.as_ref() == Some(container))
    }

    /// All windows: the agent stops.
    pub fn drain(&mut self) -> Vec<OpenAlert> {
        self.take(|_, _| true)
    }

    fn take(&mut self, which: impl Fn(&Key, &OpenAlert) -> bool) -> Vec<OpenAlert> {
        let mut taken: Vec<OpenAlert> = self
            .open
            .extract_if(|key, open| which(key, open))
            .map(|(_, open)| open)
            .collect();
        self.open_bytes -= taken.iter().map(OpenAlert::bytes).sum::<usize>();
        self.outside.retain(|_, key| self.open.contains_key(key));
        taken.sort_by_key(OpenAlert::key);
        taken
    }

    /// What named alerts after they were sent first, since the last call: rule and severity.
    pub fn take_named(&mut self) -> Vec<(String, Severity)> {
        let named = std::mem::take(&mut self.named);
        let alerts = named.iter().filter_map(|key| self.open.get(key));
        alerts
            .map(OpenAlert::alert)
            .map(|alert| (alert.rule.clone(), alert.severity))
            .collect()
    }

    /// Alerts that found no window.
    #[must_use]
    pub fn overflowed(&self) -> u64 {
        self.overflowed
    }

    /// Behaviours that found no room in a window and were forgotten at once.
    #[must_use]
    pub fn rearmed(&self) -> u64 {
        self.rearmed
    }

    /// Pairs of containers whose contact is remembered.
    #[must_use]
    pub fn pairs(&self) -> usize {
        self.pairs.len()
    }

    /// Pairs that found no room.
    #[must_use]
    pub fn pairs_dropped(&self) -> u64 {
        self.pairs.dropped()
    }

    /// Windows that are open.
    #[must_use]
    pub fn open(&self) -> usize {
        self.open.len()
    }
}

fn key(owner: Option<&ContainerId>, finding: &Finding) -> Key {
    let (rule, object) = match &finding.deed {
        Some(deed) => (None, deed),
        None => (Some(finding.rule.id), &finding.object),
    };
    (owner.cloned(), rule, object.clone())
}
