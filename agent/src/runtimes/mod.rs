//! Adapters of container runtimes, and the supervisor that keeps them connected.
//!
//! They only add names. Nothing in the pipeline waits for them, and nothing of a runtime's API is seen
//! outside its own module.

pub mod docker;
pub mod supervisor;
