//! Alerts: the contract with everything downstream (`schema: "vigia.alert/v1"`, additive changes only).
//!
//! One record gives at most one alert. Repeats of a behaviour, and steps of one deed, are folded for [`REPEAT_WINDOW`]:
//! the first occurrence leaves at once, what is worse or new follows as a revision under the same id, the count when the
//! window closes. Pure: time is the events', ids are made of
//! it and a seed.

mod activity;
mod builder;
mod describe;
mod draft;
mod evidence;
mod ids;
mod line;
mod model;
mod open;
mod pairs;
mod said;
pub mod schema;

#[cfg(test)]
mod tests;

pub use activity::{ACTIVITY_SCHEMA, Activity};
pub use builder::{AlertBuilder, MAX_OPEN, REPEAT_WINDOW};
pub use ids::AlertIds;
pub use model::{
    Action, Alert, AlertContainer, AlertId, AlertImage, AlertProcess, AlertProfile, Ancestor, Repeat, SCHEMA,
};
pub use open::{Occurrences, OpenAlert};
pub use pairs::MAX_PAIRS;
pub use said::Said;
