use super::model::Located;
use crate::config::yaml::{Position, YamlError};
use std::path::Path;

/// Why rules cannot be used: file, line, column, reason, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct UserRuleError(#[from] YamlError);

/// What is wrong and what to do, without the place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Problem {
    pub(super) reason: String,
    pub(super) help: String,
}

impl Problem {
    pub(super) fn new(reason: impl Into<String>, help: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
            help: help.into(),
        }
    }

    /// At the place where `what` is written.
    pub(super) fn at<T>(self, file: &Path, what: &Located<T>) -> UserRuleError {
        let location = what.referenced;
        let position = (location.line() > 0).then(|| Position {
            line: location.line(),
            column: location.column(),
        });
        UserRuleError(YamlError {
            file: file.to_owned(),
            position,
            reason: self.reason,
            help: self.help,
        })
    }

    /// Of the file, or the folder, as a whole.
    pub(super) fn of(self, file: &Path) -> UserRuleError {
        UserRuleError(YamlError {
            file: file.to_owned(),
            position: None,
            reason: self.reason,
            help: self.help,
        })
    }
}
