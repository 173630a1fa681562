use super::UserRuleSet;
use crate::detect::{DetectContext, Detector, Finding, Scope};
use std::sync::Arc;

/// Asks the rules of users. Runs last: what is shipped is named first among equals.
#[derive(Debug)]
pub struct UserRules(Arc<UserRuleSet>);

impl UserRules {
    /// With the rules that are in force.
    #[must_use]
    pub fn new(rules: Arc<UserRuleSet>) -> Self {
        Self(rules)
    }
}

impl Detector for UserRules {
    /// Conditions and exceptions may ask for names of the container: they wait for these as all rules do that need the image.
    fn inspect(&mut self, context: &DetectContext<'_>, findings: &mut Vec<Finding>) {
        if context.scope != Scope::Universal {
            findings.extend(self.0.inspect(context));
        }
    }
}
