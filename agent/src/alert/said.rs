//! What was said of one record, for when it is judged again with more knowledge.

use super::builder::Key;
use crate::detect::{Finding, Severity};

/// Empty for a record that is judged for the first time.
#[derive(Debug, Default)]
pub struct Said {
    /// The alert that it belongs to.
    key: Option<Key>,
    findings: Vec<(&'static str, Severity)>,
}

impl Said {
    /// True when the finding was raised before, as severe as now or more.
    pub(super) fn covers(&self, finding: &Finding) -> bool {
        let same =
            |(rule, severity): &(&str, Severity)| *rule == finding.rule.id && *severity >= finding.severity;
        self.findings.iter().any(same)
    }

    /// Adds what is said now; the alert that the record belonged to before.
    pub(super) fn note(&mut self, key: &Key, findings: &[Finding]) -> Option<Key> {
        let said = findings.iter().map(|finding| (finding.rule.id, finding.severity));
        self.findings.extend(said);
        self.key.replace(key.clone())
    }
}
