//! What one record, or one notice of the sensor, says; whether that is news is not decided yet.

use super::{Action, Alert, Repeat, SCHEMA, describe, evidence};
use crate::container::Container;
use crate::detect::{DetectContext, Finding, Severity};
use crate::event::{BootTime, RecordFlags};
use crate::host::HostFacts;
use agent_common::behaviour::BehaviourKey;
use serde_json::{Value, json};

/// An alert without an id.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) alert: Alert,
    pub(super) at: BootTime,
    pub(super) rank: Rank,
    /// Of the deed that it belongs to.
    pub(super) steps: Vec<Step>,
    /// What the kernel counts of it.
    pub(super) behaviour: Option<BehaviourKey>,
}

/// What may name an alert before what: how much it says, how bad it is; among equals the rule that is usually worse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rank {
    /// What was done, and not only that the profile does not know it.
    pub(super) tells: bool,
    severity: Severity,
    usual: Severity,
}

/// A step of a deed, as evidence shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) rule: &'static str,
    pub(super) object: String,
    pub(super) summary: String,
    /// The program that took it.
    pub(super) by: String,
}

impl Draft {
    /// Of one record's findings, `top` being the one that names the alert.
    pub(super) fn of_record(context: &DetectContext<'_>, top: &Finding, findings: &[Finding]) -> Self {
        let header = &context.event.raw.header;
        let steps = findings
            .iter()
            .filter(|finding| finding.deed.is_some() && finding.deed == top.deed);
        Self {
            alert: of_record(context, top, findings),
            at: BootTime(header.time_boot_ns),
            rank: rank(top),
            steps: steps.map(|finding| Step::of(context, finding)).collect(),
            behaviour: Some(header.behaviour).filter(|behaviour| behaviour.kind.0 != 0),
        }
    }

    /// Counts what names it among the steps, whatever its own deed.
    pub(super) fn add_step(&mut self, context: &DetectContext<'_>, top: &Finding) {
        if !self.steps.iter().any(|step| step.is(top)) {
            self.steps.push(Step::of(context, top));
        }
    }

    /// Of the agent itself.
    pub(super) fn of_sensor(
        finding: Finding,
        container: Option<&Container>,
        at: BootTime,
        host: &HostFacts,
    ) -> Self {
        Self {
            at,
            rank: rank(&finding),
            steps: Vec::new(),
            behaviour: None,
            alert: of_sensor(finding, container, at, host),
        }
    }
}

impl Step {
    fn of(context: &DetectContext<'_>, finding: &Finding) -> Self {
        Self {
            rule: finding.rule.id,
            object: finding.object.clone(),
            summary: finding.summary.clone(),
            by: context.actor(),
        }
    }

    pub(super) fn to_value(&self) -> Value {
        json!({"rule": self.rule, "object": self.object, "summary": self.summary})
    }

    /// True when the finding is this step.
    pub(super) fn is(&self, finding: &Finding) -> bool {
        (self.rule, &self.object) == (finding.rule.id, &finding.object)
    }
}

fn rank(finding: &Finding) -> Rank {
    Rank {
        tells: !finding.is_outside_profile(),
        severity: finding.severity,
        usual: finding.rule.severity,
    }
}

/// What the kernel did about it.
fn action(flags: RecordFlags) -> Action {
    if flags.has(RecordFlags::DENIED) {
        Action::Denied
    } else if flags.has(RecordFlags::KILLED) {
        Action::Killed
    } else {
        Action::Alerted
    }
}

fn of_record(context: &DetectContext<'_>, top: &Finding, findings: &[Finding]) -> Alert {
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
        action: action(event.raw.header.flags),
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

fn of_sensor(finding: Finding, container: Option<&Container>, now: BootTime, host: &HostFacts) -> Alert {
    let time = host.clock.wall(now);
    let mut evidence = serde_json::Map::new();
    evidence.insert("kind".to_owned(), "sensor".into());
    evidence.extend(finding.evidence);
    Alert {
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
    }
}
