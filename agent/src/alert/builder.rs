//! Findings → alerts, each behaviour once, with its count.

use super::{Action, Alert, AlertIds, Repeat, SCHEMA, describe, evidence};
use crate::container::Container;
use crate::detect::{DetectContext, Finding};
use crate::event::{BootTime, ContainerId, RecordFlags};
use crate::host::HostFacts;
use agent_common::behaviour::BehaviourKey;
use std::collections::HashMap;
use std::time::Duration;

/// How long repeats are folded into one alert, in time of the events.
pub const REPEAT_WINDOW: Duration = Duration::from_secs(60);
/// Windows that may be open at once; alerts beyond leave singly.
pub const MAX_OPEN: usize = 4096;
/// Behaviours of one alert whose counts are asked from the kernel at its end; those beyond leave the kernel each time.
const MAX_BEHAVIOURS: usize = 64;

/// What identifies an alert: container, rule, object.
type Key = (Option<ContainerId>, &'static str, String);

/// An alert whose window is open or has just closed.
#[derive(Debug)]
pub struct OpenAlert {
    alert: Alert,
    opened: BootTime,
    behaviours: Vec<BehaviourKey>,
    beyond: Beyond,
}

/// What was seen of behaviours that a window does not keep.
#[derive(Debug, Clone, Copy, Default)]
struct Beyond {
    records: u64,
    /// As the kernel counted them.
    occurrences: u64,
}

impl OpenAlert {
    /// What the kernel counts of it: to be forgotten there when the window closes, so that the next occurrence leaves.
    #[must_use]
    pub fn behaviours(&self) -> &[BehaviourKey] {
        &self.behaviours
    }

    /// The last revision. `kernel_count` is the sum of what the kernel counted for [`Self::behaviours`], first
    /// occurrences included. `None`: nothing came after the first occurrence, which has left already.
    #[must_use]
    pub fn close(mut self, kernel_count: u64) -> Option<Alert> {
        // Records count what left the kernel, the kernel all of it: the larger one is the truth.
        let Beyond { records, occurrences } = self.beyond;
        let kept = self.alert.repeat.count.saturating_sub(records).max(kernel_count);
        let count = kept.saturating_add(records.max(occurrences));
        if count <= 1 {
            return None;
        }
        self.alert.repeat.count = count;
        self.alert.revision += 1;
        Some(self.alert)
    }

    fn key(&self) -> (BootTime, u32, uuid::Uuid) {
        (self.opened, self.alert.revision, self.alert.id)
    }
}

/// Makes alerts of findings.
#[derive(Debug)]
pub struct AlertBuilder {
    ids: AlertIds,
    open: HashMap<Key, OpenAlert>,
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
            unkept: Vec::new(),
            overflowed: 0,
            rearmed: 0,
        }
    }

    /// The alert of one record's findings; `None` when there are none, or it repeats an open one. A repeat that is more
    /// severe than what was said leaves at once, as the next revision.
    pub fn raise(&mut self, context: &DetectContext<'_>, findings: Vec<Finding>) -> Option<Alert> {
        // Among equals the first: detectors put the more specific rule first.
        let top = findings.iter().rev().max_by_key(|finding| finding.severity)?;
        let header = &context.event.raw.header;
        let key: Key = (
            context
                .event
                .container
                .as_ref()
                .map(|container| container.id.clone()),
            top.rule.id,
            top.object.clone(),
        );
        let alert = assemble(context, top, &findings);
        let behaviour = Some(header.behaviour).filter(|behaviour| behaviour.kind.0 != 0);
        self.admit(key, alert, BootTime(header.time_boot_ns), behaviour)
    }

    /// An alert about the agent itself, or about what it lost of a container.
    pub fn raise_sensor(
        &mut self,
        finding: Finding,
        container: Option<&Container>,
        now: BootTime,
        host: &HostFacts,
    ) -> Option<Alert> {
        let key: Key = (
            container.map(|container| container.id.clone()),
            finding.rule.id,
            finding.object.clone(),
        );
        let time = host.clock.wall(now);
        let mut evidence = serde_json::Map::new();
        evidence.insert("kind".to_owned(), "sensor".into());
        evidence.extend(finding.evidence);
        let alert = Alert {
            schema: SCHEMA.to_owned(),
            id: uuid::Uuid::nil(),
            time,
            class: finding.rule.class,
            rule: finding.rule.id.to_owned(),
            severity: finding.severity,
            action: Action::Alerted,
            revision: 0,
            also: Vec::new(),
            summary: finding.summary,
            attack: finding.rule.attack.iter().map(|id| (*id).to_owned()).collect(),
            lossy: false,
            metadata: container
                .map_or("unavailable", |container| container.metadata.word())
                .to_owned(),
            container: container.map(describe::container),
            profile: None,
            process: None,
            evidence,
            repeat: Repeat {
                count: 1,
                first: time,
                last: time,
            },
            node: host.node.clone(),
        };
        self.admit(key, alert, now, None)
    }

    fn admit(
        &mut self,
        key: Key,
        mut alert: Alert,
        now: BootTime,
        behaviour: Option<BehaviourKey>,
    ) -> Option<Alert> {
        if let Some(open) = self.open.get_mut(&key) {
            if let Some(behaviour) = behaviour.and_then(|behaviour| open.keep(behaviour)) {
                self.unkept.push((key, behaviour));
            }
            return open.repeat(alert);
        }
        alert.id = self.ids.next(alert.time);
        if self.open.len() >= MAX_OPEN {
            self.overflowed += 1;
            self.unkept.extend(behaviour.map(|behaviour| (key, behaviour)));
        } else {
            let open = OpenAlert {
                alert: alert.clone(),
                opened: now,
                behaviours: behaviour.into_iter().collect(),
                beyond: Beyond::default(),
            };
            self.open.insert(key, open);
        }
        Some(alert)
    }

    /// Has the kernel forget behaviours that no window keeps, so that their next occurrence leaves it: no window's end
    /// will. To be called after each input; `forget` is as [`crate::engine::KernelView::forget`].
    pub fn rearm(&mut self, mut forget: impl FnMut(&BehaviourKey) -> Option<u64>) {
        for (key, behaviour) in std::mem::take(&mut self.unkept) {
            self.rearmed += 1;
            let occurrences = forget(&behaviour).unwrap_or(0);
            match self.open.get_mut(&key) {
                Some(open) => open.beyond.occurrences += occurrences,
                // The first one left as an alert of its own.
                None => self.overflowed += occurrences.saturating_sub(1),
            }
        }
    }

    /// Windows that end now, oldest first.
    pub fn due(&mut self, now: BootTime) -> Vec<OpenAlert> {
        self.take(|_, open| now.since(open.opened) >= REPEAT_WINDOW)
    }

    /// Windows of a container that ended.
    pub fn ended(&mut self, container: &ContainerId) -> Vec<OpenAlert> {
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
        taken.sort_by_key(OpenAlert::key);
        taken
    }

    /// Alerts that found no window, and what the kernel folded of them.
    #[must_use]
    pub fn overflowed(&self) -> u64 {
        self.overflowed
    }

    /// Behaviours that found no room in a window and were forgotten at once.
    #[must_use]
    pub fn rearmed(&self) -> u64 {
        self.rearmed
    }

    /// Windows that are open.
    #[must_use]
    pub fn open(&self) -> usize {
        self.open.len()
    }
}

impl OpenAlert {
    /// Keeps a behaviour for the window's end; gives it back when there is no room.
    fn keep(&mut self, behaviour: BehaviourKey) -> Option<BehaviourKey> {
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

    fn repeat(&mut self, again: Alert) -> Option<Alert> {
        self.alert.repeat.count += 1;
        self.alert.repeat.last = self.alert.repeat.last.max(again.time);
        self.alert.lossy |= again.lossy;
        if again.severity <= self.alert.severity {
            return None;
        }
        let (id, revision, repeat) = (self.alert.id, self.alert.revision + 1, self.alert.repeat.clone());
        self.alert = Alert {
            id,
            revision,
            repeat,
            ..again
        };
        Some(self.alert.clone())
    }
}

/// The alert of one record. Its id comes when it is admitted.
fn assemble(context: &DetectContext<'_>, top: &Finding, findings: &[Finding]) -> Alert {
    let event = context.event;
    let container = event.container.as_deref();
    let mut also: Vec<String> = findings
        .iter()
        .map(|finding| finding.rule.id.to_owned())
        .collect();
    also.sort();
    also.dedup();
    also.retain(|id| id != top.rule.id);
    let mut evidence = evidence::evidence(event, context.neighbours);
    evidence.extend(top.evidence.clone());
    Alert {
        schema: SCHEMA.to_owned(),
        id: uuid::Uuid::nil(),
        time: event.time,
        class: top.rule.class,
        rule: top.rule.id.to_owned(),
        severity: top.severity,
        action: Action::Alerted,
        revision: 0,
        also,
        summary: top.summary.clone(),
        attack: top.rule.attack.iter().map(|id| (*id).to_owned()).collect(),
        lossy: event.raw.header.flags.has(RecordFlags::LOSSY),
        metadata: container
            .map_or("unavailable", |container| container.metadata.word())
            .to_owned(),
        container: container.map(describe::container),
        profile: container.map(|_| describe::profile(context.profile, top.rule.class)),
        process: Some(describe::process(event, context.host.clock)),
        evidence,
        repeat: Repeat {
            count: 1,
            first: event.time,
            last: event.time,
        },
        node: context.host.node.clone(),
    }
}
