use super::file::Located;
use crate::config::yaml::{Position, YamlError};
use std::path::Path;

/// Why a file of Falco's rules cannot be read: file, line, column, reason, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct FalcoError(#[from] YamlError);

/// What is wrong and what to do, without the place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Problem {
    pub(super) reason: String,
    pub(super) help: &'static str,
}

impl Problem {
    pub(super) fn new(reason: impl Into<String>, help: &'static str) -> Self {
        Self {
            reason: reason.into(),
            help,
        }
    }

    /// At the place where `what` begins.
    pub(super) fn at<T>(self, file: &Path, what: &Located<T>) -> FalcoError {
        let location = what.referenced;
        let position = (location.line() > 0).then(|| Position {
            line: location.line(),
            column: location.column(),
        });
        FalcoError(YamlError {
            file: file.to_owned(),
            position,
            reason: self.reason,
            help: self.help.to_owned(),
        })
    }
}
