//! Detectors: events in, findings out. Pure: no I/O, no clock, no async; time is the event's, so a
//! replay finds what the live run found.

mod context;
mod credential;
mod denied;
mod described;
mod document;
mod drift;
mod equivalents;
mod escape;
mod lateral;
mod listener;
mod names;
mod navigator;
mod per_container;
mod program;
mod rule;
mod rules;
mod sensor;
mod tampering;
#[cfg(test)]
pub(crate) mod testing;
mod watched;

pub use context::{DetectContext, Neighbours, Scope};
pub(crate) use described::is_outside;
pub use document::{Documented, markdown, table, text};
pub use equivalents::{Equivalent, Peer, equivalents, migration};
pub(crate) use lateral::Contact;
pub use names::AnsweredNames;
pub use navigator::{Layer, layer};
pub use rule::{Class, Rule, Severity};
use rules::{is_deviation, needs_image};
pub use rules::{rule, rules};
pub use sensor::SensorFinding;
pub use watched::WATCHED_NAMES;

use crate::event::{ContainerId, SlotKey};
use serde_json::{Map, Value};

/// A detector's conclusion about one event.
#[derive(Debug, Clone)]
pub struct Finding {
    pub rule: &'static Rule,
    /// May differ from the rule's default: what is known of the container raises or lowers it.
    pub severity: Severity,
    /// One English sentence that names who did what to what.
    pub summary: String,
    /// What identifies the behaviour beside container and rule: equal objects fold into one alert.
    pub object: String,
    /// Rule-specific evidence beside the event's own (`unexpected_port`, `window_seconds`, …).
    pub evidence: Map<String, Value>,
    /// What it is a step of: steps of one deed of a container are one alert, named by the worst of them.
    pub deed: Option<String>,
    /// Said once for the finding's container and this one, until one of them is gone.
    pub once_with: Option<ContainerId>,
}

impl Finding {
    /// With the rule's own severity and no further evidence.
    pub(crate) fn new(rule: &'static Rule, object: impl Into<String>, summary: impl Into<String>) -> Self {
        Self {
            rule,
            severity: rule.severity,
            summary: summary.into(),
            object: object.into(),
            evidence: Map::new(),
            deed: None,
            once_with: None,
        }
    }

    /// With another severity.
    #[must_use]
    pub(crate) fn severity(mut self, severity: Severity) -> Self {
        self.severity = severity;
        self
    }

    /// As a step of a deed.
    #[must_use]
    pub(crate) fn step_of(mut self, deed: impl Into<String>) -> Self {
        self.deed = Some(deed.into());
        self
    }

    /// A step of what a container does outside its profile, which says no more than that.
    pub(crate) fn is_outside_profile(&self) -> bool {
        self.deed.as_deref() == Some(described::OUTSIDE_PROFILE)
    }

    /// Said once for this pair of containers.
    #[must_use]
    pub(crate) fn once_with(mut self, peer: &ContainerId) -> Self {
        self.once_with = Some(peer.clone());
        self
    }

    /// With one more piece of evidence.
    #[must_use]
    pub(crate) fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.evidence.insert(key.to_owned(), value.into());
        self
    }
}

/// Of a deed of the acting program; `object` tells it from others of the rule.
fn finding(context: &DetectContext<'_>, rule: &'static Rule, object: &str, did: &str) -> Finding {
    let summary = format!("{} in {} {did}", context.actor(), context.container_name());
    Finding::new(rule, object, summary)
}

/// Looks at events of one class of rules.
pub trait Detector: std::fmt::Debug + Send {
    /// Adds what it finds.
    fn inspect(&mut self, context: &DetectContext<'_>, findings: &mut Vec<Finding>);

    /// The container is gone: its state may go too.
    fn forget(&mut self, _container: SlotKey) {}

    /// Containers of which it keeps a state.
    fn kept(&self) -> usize {
        0
    }

    /// Bound of [`Self::kept`].
    fn capacity(&self) -> usize {
        0
    }

    /// Events of which it remembers nothing, because there was no room for their container.
    fn refused(&self) -> u64 {
        0
    }
}

/// All detectors.
#[derive(Debug)]
pub struct Detectors {
    detectors: Vec<Box<dyn Detector>>,
    /// Rules that users write: asked after all others.
    user_rules: Option<Box<dyn Detector>>,
}

impl Default for Detectors {
    fn default() -> Self {
        Self {
            detectors: vec![
                Box::new(escape::EscapeDetector::default()),
                Box::new(listener::ListenerDetector::default()),
                Box::new(lateral::LateralDetector::default()),
                Box::new(drift::DriftDetector::default()),
                Box::new(credential::CredentialDetector),
                Box::new(tampering::TamperingDetector::default()),
                // Last: it says what the others did not.
                Box::new(denied::DeniedDetector),
            ],
            user_rules: None,
        }
    }
}

impl Detectors {
    /// Asks `detector` too, in place of the one before.
    pub fn set_user_rules(&mut self, detector: Box<dyn Detector>) {
        self.user_rules = Some(detector);
    }

    fn all(&mut self) -> impl Iterator<Item = &mut Box<dyn Detector>> {
        self.detectors.iter_mut().chain(&mut self.user_rules)
    }

    /// What all detectors say of one event of a container, known or not, the most severe finding first.
    pub fn inspect(&mut self, context: &DetectContext<'_>) -> Vec<Finding> {
        let mut findings = Vec::new();
        if context.event.raw.slot().is_some() {
            for detector in self.all() {
                detector.inspect(context, &mut findings);
            }
        }
        findings.retain(|finding| context.scope.admits(finding.rule));
        order(&mut findings);
        findings
    }

    fn each(&self) -> impl Iterator<Item = &(dyn Detector + 'static)> {
        self.detectors.iter().chain(&self.user_rules).map(AsRef::as_ref)
    }

    /// Containers of which a detector keeps a state, once for each detector.
    #[must_use]
    pub fn kept(&self) -> usize {
        self.each().map(Detector::kept).sum()
    }

    /// Bound of [`Self::kept`].
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.each().map(Detector::capacity).sum()
    }

    /// Events of which a detector remembers nothing for lack of room, once for each detector.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.each().map(Detector::refused).sum()
    }

    /// The container is gone.
    pub fn forget(&mut self, container: SlotKey) {
        for detector in self.all() {
            detector.forget(container);
        }
    }
}

/// The most severe first; among equals the order of detectors decides. What says what was done names the alert rather than that the
/// profile does not know it, which makes it no less severe.
fn order(findings: &mut [Finding]) {
    let deviates = |finding: &Finding| is_deviation(finding.rule);
    let severity = findings
        .iter()
        .filter(|finding| deviates(finding))
        .map(|finding| finding.severity)
        .max();
    findings.sort_by_key(|finding| (deviates(finding), std::cmp::Reverse(finding.severity)));
    if let (Some(severity), Some(first)) = (severity, findings.first_mut()) {
        first.severity = first.severity.max(severity);
    }
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
}
