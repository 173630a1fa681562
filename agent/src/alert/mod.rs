//! Alerts: the contract with everything downstream (`schema: "vigia.alert/v1"`, additive changes only).
//!
//! One record gives at most one alert. Repeats of a behaviour are folded for [`REPEAT_WINDOW`]: the first occurrence
//! leaves at once, the count follows under the same id when the window closes. Pure: time is the events', ids are made of
//! it and a seed.

mod activity;
mod builder;
mod describe;
mod evidence;
mod ids;
mod model;
mod pairs;
pub mod schema;

#[cfg(test)]
mod tests;

pub use activity::{ACTIVITY_SCHEMA, Activity};
pub use builder::{AlertBuilder, MAX_OPEN, OpenAlert, REPEAT_WINDOW};
pub use ids::AlertIds;
pub use model::{
    Action, Alert, AlertContainer, AlertId, AlertImage, AlertProcess, AlertProfile, Ancestor, Repeat, SCHEMA,
};
pub use pairs::MAX_PAIRS;
