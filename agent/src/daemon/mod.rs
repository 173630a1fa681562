//! Composition: the only module that names concrete sinks, runtimes and sources.
//!
//! [`Outlets`] is everything behind the engine: spool, sinks, control socket, metrics, signals. They stop in this
//! order: control clients, runtimes and the engine (which drains its source and closes its windows), then the spool
//! is flushed, then sinks get a grace period, then cursors are stored. Together less than five seconds.

mod audit;
mod books;
mod collect;
mod delivery;
mod exports;
mod links;
mod lost_ends;
mod maps;
mod naming;
mod outlets;
mod recorder;
mod reload;
mod run;
mod runtime_counts;
mod sensor;
mod signals;
#[cfg(test)]
mod slot_tests;
mod slot_watch;
mod spool_watch;
mod standing;
mod task;
#[cfg(test)]
mod task_tests;
#[cfg(test)]
mod tests;
mod usage;
mod view;
mod watchdog;

pub use delivery::{SinkHandle, SinkHandles};
pub use links::EngineLinks;
pub use maps::{Export, KernelBooks, SensorMaps};
pub use outlets::{DaemonError, Outlets};
pub use recorder::Recorder;
pub use reload::{ReloadState, Settings};
pub use run::{Prepared, SensorParts, prepare, run, watch_alone};
pub use runtime_counts::RuntimeCounts;
pub use sensor::load as load_sensor;
pub use task::EngineTask;
