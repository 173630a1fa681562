//! Logs on stderr, as text or JSON.

use crate::config::{LogFormat, LogLevel, RawLog};
use std::io::IsTerminal;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;

/// Why logging cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    #[error(
        "environment variable VIGIA_LOG: {0}\n  help: write a level, or `target=level` pairs joined by commas"
    )]
    Filter(#[from] ParseError),
    #[error("logging is set up already")]
    Twice,
}

/// Starts logging. `filter` is the value of `VIGIA_LOG` (`debug`, `agent::spool=trace,info`) and overrides the level.
///
/// # Errors
/// When `filter` cannot be understood, or logging was started before.
pub fn start(config: &RawLog, filter: Option<&str>) -> Result<(), LogError> {
    let filter = match filter.filter(|filter| !filter.is_empty()) {
        Some(filter) => EnvFilter::try_new(filter)?,
        None => EnvFilter::new(level(config.level)),
    };
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    let started = match config.format {
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
        LogFormat::Text => {
            let colour = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
            builder.with_ansi(colour).with_target(false).try_init()
        }
    };
    started.map_err(|_| LogError::Twice)
}

/// Libraries are quieter than the agent: their debug lines would drown it.
fn level(level: LogLevel) -> &'static str {
    match level {
        LogLevel::Error => "error",
        LogLevel::Warn => "warn",
        LogLevel::Info => "warn,agent=info",
        LogLevel::Debug => "info,agent=debug",
        LogLevel::Trace => "debug,agent=trace",
    }
}
