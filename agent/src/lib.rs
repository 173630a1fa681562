//! Vigia's daemon.
//!
//! ```text
//! ring -> EventSource -> decode -> enrich (ContainerIndex, Lineage) -> detect -> Finding -> AlertBuilder
//!      -> Spool -> one SinkDriver per sink -> Sink;   beside it: metrics, control socket (`agent watch`)
//! ```
//! One task owns decode, enrich and detect with plain `&mut` state ([`engine`]); everything around it is an
//! adapter behind a trait. `decode`, `detect`, `profile`, `alert`, `format` and `engine` are pure.
#![deny(unsafe_code)]

pub mod alert;
pub mod cli;
pub mod config;
pub mod container;
pub mod control;
pub mod daemon;
pub mod decode;
pub mod detect;
pub mod engine;
pub mod enrich;
pub mod event;
pub mod falco_import;
pub mod format;
pub mod host;
#[allow(unsafe_code, reason = "maps a program's memory; see the module")]
pub mod kernel;
pub mod process;
pub mod profile;
pub mod recording;
pub mod runtimes;
pub mod shutdown;
pub mod sink;
pub mod sinks;
pub mod source;
pub mod spool;
pub mod telemetry;
pub mod user_rules;
pub mod watch;
