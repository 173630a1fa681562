//! Logs on stderr, as text or JSON.

use crate::config::{LogFormat, LogLevel, RawLog};
use std::io::IsTerminal;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;
use tracing_subscriber::reload::Handle;

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

/// Changes the level of logs that run.
#[derive(Default)]
pub struct LogControl {
    /// `None`: `VIGIA_LOG` decides, or nothing is logged.
    change: Option<Box<dyn Fn(EnvFilter) -> bool + Send + Sync>>,
}

impl std::fmt::Debug for LogControl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LogControl").finish_non_exhaustive()
    }
}

impl LogControl {
    fn new<S: 'static>(handle: Handle<EnvFilter, S>) -> Self {
        Self {
            change: Some(Box::new(move |filter| handle.reload(filter).is_ok())),
        }
    }

    /// False: the level stays what it is, because `VIGIA_LOG` decides.
    pub fn set(&self, level: LogLevel) -> bool {
        self.change
            .as_ref()
            .is_some_and(|change| change(EnvFilter::new(filter_of(level))))
    }
}

/// Starts logging. `filter` is the value of `VIGIA_LOG` (`debug`, `agent::spool=trace,info`) and overrides the level.
///
/// # Errors
/// When `filter` cannot be understood, or logging was started before.
pub fn start(config: &RawLog, filter: Option<&str>) -> Result<LogControl, LogError> {
    let written = filter.filter(|filter| !filter.is_empty());
    let filter = match written {
        Some(filter) => EnvFilter::try_new(filter)?,
        None => EnvFilter::new(filter_of(config.level)),
    };
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    let (started, control) = match config.format {
        LogFormat::Json => {
            let builder = builder.json().flatten_event(true).with_filter_reloading();
            let control = LogControl::new(builder.reload_handle());
            (builder.try_init(), control)
        }
        LogFormat::Text => {
            let colour = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
            let builder = builder
                .with_ansi(colour)
                .with_target(false)
                .with_filter_reloading();
            let control = LogControl::new(builder.reload_handle());
            (builder.try_init(), control)
        }
    };
    started.map_err(|_| LogError::Twice)?;
    Ok(if written.is_some() {
        LogControl::default()
    } else {
        control
    })
}

/// Libraries are quieter than the agent: their debug lines would drown it.
fn filter_of(level: LogLevel) -> &'static str {
    match level {
        LogLevel::Error => "error",
        LogLevel::Warn => "warn",
        LogLevel::Info => "warn,agent=info",
        LogLevel::Debug => "info,agent=debug",
        LogLevel::Trace => "debug,agent=trace",
    }
}
