//! Telemetry: logs, metrics, health. Logs go to stderr, alerts to stdout; they never mix.

pub mod http;
pub mod logs;
pub mod metrics;
pub mod service;

pub use metrics::Metrics;
pub use service::ServiceManager;
