//! Rules that users write: YAML with a condition in CEL over what an event shows, in the words of alerts and of `agent watch`.
//!
//! A rule says by `on:` which kinds of events it is asked about; nothing else is evaluated for it. Whatever can be wrong is found when its
//! file is read: [`UserRuleSet::compile`] checks names, types and placeholders against one table, then tries the condition on a sample of each
//! kind. What fails nevertheless while events come is counted per rule and never fatal.
//!
//! Bounded: rules, bytes of a condition, macros in it, patterns; see the constants. Pure except [`store`], which reads folders.

mod bounds;
mod check;
mod compile;
mod derived;
mod detector;
mod error;
mod exception;
mod expression;
mod fields;
mod intern;
mod model;
mod set;
mod shape;
pub mod store;
mod summary;
mod trial;
mod variables;

#[cfg(test)]
mod tests;

pub use compile::CompiledRule;
pub use detector::UserRules;
pub use error::UserRuleError;
pub use fields::markdown as field_tables;
pub use set::{MAX_RULES, RuleSource, UserRuleSet};
pub use trial::{Outcome, Trial};
