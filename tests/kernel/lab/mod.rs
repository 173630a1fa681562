//! The sensor under test, and containers made without a runtime: control groups, namespaces, and this program started
//! again inside them.

pub(crate) mod actor;
pub(crate) mod container;
mod deed;
pub(crate) mod hierarchy;
mod i386;
pub(crate) mod raw;
mod uring;
pub(crate) mod world;

pub(crate) use container::{Container, Spec};
pub(crate) use hierarchy::hierarchies;
pub(crate) use world::World;

/// This program, wherever it is called from.
const OWN_PROGRAM: &str = "/proc/self/exe";
const ACTOR: [&str; 1] = ["actor"];
const ONCE: [&str; 1] = ["once"];
const PARENT: [&str; 1] = ["parent"];
