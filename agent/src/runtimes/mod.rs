//! Adapters of container runtimes, and the supervisor that keeps them connected.
//!
//! They only add names. Nothing in the pipeline waits for them, and nothing of a runtime's API is seen
//! outside its own module.

mod bounds;
pub mod cri;
pub mod docker;
pub mod supervisor;
