//! What the test tiers and `cargo xtask demo` share: a lab of private daemons and containers that leaves nothing
//! behind, the agent as a child process, and the protocol for tests that cannot run here.
//!
//! Everything here ends what it started, by pid and by name of its own, when its guard is dropped; what a killed
//! test left behind is removed by `cargo xtask lab clean`.

pub mod agent;
pub mod capability;
pub mod command;
pub mod corpus;
pub mod image;
pub mod lab;
pub mod length;
pub mod measure;
pub mod mixed;
pub mod paths;
pub mod profile;
pub mod scenario;
mod time;
pub mod verified;
pub mod watch;
