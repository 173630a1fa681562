use crate::config::ConfigError;
use crate::control::RefusalCode;
use crate::control::client::ClientError;
use crate::daemon::DaemonError;
use crate::falco_import::FalcoError;
use crate::recording::RecordingError;
use crate::spool::SpoolError;
use crate::telemetry::logs::LogError;
use crate::user_rules::UserRuleError;
use std::process::ExitCode;

/// Exit codes, those of sysexits.h.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    Ok,
    /// Findings, or a failure without a code of its own.
    Findings,
    Usage,
    Unavailable,
    NoPermission,
    Config,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Ok => 0,
            Exit::Findings => 1,
            Exit::Usage => 64,
            Exit::Unavailable => 69,
            Exit::NoPermission => 77,
            Exit::Config => 78,
        })
    }
}

/// Why a command ended, with its exit code.
#[derive(Debug)]
pub struct Failure {
    pub exit: Exit,
    pub error: anyhow::Error,
}

impl Failure {
    /// A failure from any error.
    pub fn new(exit: Exit, error: impl Into<anyhow::Error>) -> Self {
        Self {
            exit,
            error: error.into(),
        }
    }

    /// A failure from a sentence.
    pub fn message(exit: Exit, message: impl std::fmt::Display) -> Self {
        Self {
            exit,
            error: anyhow::anyhow!("{message}"),
        }
    }
}

macro_rules! exits {
    ($($error:ty => $exit:ident),* $(,)?) => {$(
        impl From<$error> for Failure {
            fn from(error: $error) -> Self {
                // These errors name their causes themselves; the chain would repeat them.
                Self::message(Exit::$exit, error)
            }
        }
    )*};
}
exits!(
    ConfigError => Config,
    UserRuleError => Config,
    FalcoError => Config,
    LogError => Config,
    SpoolError => Unavailable,
);

impl From<DaemonError> for Failure {
    fn from(error: DaemonError) -> Self {
        let exit = match &error {
            DaemonError::Sink { .. } | DaemonError::Profile(_) | DaemonError::Rule(_) => Exit::Config,
            DaemonError::Task { .. } | DaemonError::Metrics(_) => Exit::Findings,
            _ => Exit::Unavailable,
        };
        Self::message(exit, error)
    }
}

impl From<RecordingError> for Failure {
    fn from(error: RecordingError) -> Self {
        let exit = match &error {
            RecordingError::Io { .. } => Exit::Findings,
            _ => Exit::Config,
        };
        Self::message(exit, error)
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        let exit = match &error {
            ClientError::Denied { .. } => Exit::NoPermission,
            ClientError::Refused {
                code: RefusalCode::BadConfig,
                ..
            } => Exit::Config,
            ClientError::Refused {
                code: RefusalCode::NotFound,
                ..
            } => Exit::Findings,
            _ => Exit::Unavailable,
        };
        Self::message(exit, error)
    }
}
