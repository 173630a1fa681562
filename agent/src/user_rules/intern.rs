//! Findings name their rule by a reference that lives as long as the agent, and so do all detectors. Rules of users come and go with their
//! files: each distinct text is kept once, for ever.
//!
//! That is a leak, bounded by [`MAX_INTERNED`]: it grows only when somebody edits what a rule says of itself.

use crate::detect::{Class, Rule, Severity};
use std::sync::{Mutex, PoisonError};

/// Distinct texts of rules between two starts: 64 edits of all rules that there may be.
const MAX_INTERNED: usize = 64 * super::MAX_RULES;

static INTERNED: Mutex<Vec<&'static Rule>> = Mutex::new(Vec::new());

/// What a rule says of itself.
#[derive(Debug)]
pub(super) struct RuleText {
    pub(super) id: String,
    pub(super) class: Class,
    pub(super) severity: Severity,
    pub(super) attack: Vec<String>,
    pub(super) title: String,
    pub(super) meaning: String,
    pub(super) why: String,
    pub(super) look_alikes: String,
    pub(super) response: String,
}

/// The one copy of it. `None`: there is no room for another one.
pub(super) fn intern(text: RuleText) -> Option<&'static Rule> {
    let mut interned = INTERNED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = interned.iter().find(|known| text.is(known)) {
        return Some(known);
    }
    if interned.len() >= MAX_INTERNED {
        return None;
    }
    let rule: &'static Rule = Box::leak(Box::new(text.leak()));
    interned.push(rule);
    Some(rule)
}

impl RuleText {
    fn is(&self, rule: &Rule) -> bool {
        (self.class, self.severity) == (rule.class, rule.severity)
            && [
                (&self.id, rule.id),
                (&self.title, rule.title),
                (&self.meaning, rule.meaning),
                (&self.why, rule.why),
                (&self.look_alikes, rule.look_alikes),
                (&self.response, rule.response),
            ]
            .iter()
            .all(|(own, other)| own == other)
            && self.attack == rule.attack
    }

    fn leak(self) -> Rule {
        let text = |text: String| -> &'static str { Box::leak(text.into_boxed_str()) };
        let attack: Vec<&'static str> = self.attack.into_iter().map(text).collect();
        Rule {
            id: text(self.id),
            class: self.class,
            severity: self.severity,
            attack: Box::leak(attack.into_boxed_slice()),
            title: text(self.title),
            meaning: text(self.meaning),
            why: text(self.why),
            look_alikes: text(self.look_alikes),
            response: text(self.response),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(title: &str) -> RuleText {
        RuleText {
            id: "user.intern_test".to_owned(),
            class: Class::Drift,
            severity: Severity::Low,
            attack: vec!["T1105".to_owned()],
            title: title.to_owned(),
            meaning: String::new(),
            why: String::new(),
            look_alikes: String::new(),
            response: String::new(),
        }
    }

    #[test]
    fn the_same_text_is_kept_once() {
        let first = intern(text("a")).unwrap();
        assert!(std::ptr::eq(first, intern(text("a")).unwrap()));
        let other = intern(text("b")).unwrap();
        assert_eq!((other.title, other.attack), ("b", &["T1105"][..]));
        assert_eq!(first.title, "a");
    }
}
