//! Telemetry: logs, metrics, health. Logs go to stderr, alerts to stdout; they never mix.

pub mod http;
pub mod logs;
pub mod metrics;

pub use metrics::Metrics;
