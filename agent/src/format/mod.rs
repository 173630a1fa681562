//! Alerts in the languages of receivers: one line each, made of the alert alone. Pure: no clock, no I/O.
//!
//! The native form is the contract; each other form says as much of it as its schema has words for.

mod cef;
mod ecs;
mod facts;
mod falco;
mod ocsf;
mod tidy;

#[cfg(test)]
mod tests;

use crate::alert::Alert;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// How alerts are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// `vigia.alert/v1`, complete.
    #[default]
    Native,
    /// OCSF 1.8.0, Detection Finding (2004).
    Ocsf,
    /// Elastic Common Schema 8.
    Ecs,
    /// `ArcSight` Common Event Format, version 0.
    Cef,
    /// Falco's JSON output, as falcosidekick takes it.
    Falco,
}

impl Format {
    /// Every format.
    pub const ALL: [Self; 5] = [Self::Native, Self::Ocsf, Self::Ecs, Self::Cef, Self::Falco];

    /// The word in the configuration.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Native => "native",
            Self::Ocsf => "ocsf",
            Self::Ecs => "ecs",
            Self::Cef => "cef",
            Self::Falco => "falco",
        }
    }

    /// The alert as one line, without the newline.
    #[must_use]
    pub fn line(self, alert: &Alert) -> String {
        match self {
            Self::Native => alert.to_line(usize::MAX),
            Self::Ocsf => ocsf::finding(alert).to_string(),
            Self::Ecs => ecs::document(alert).to_string(),
            Self::Cef => cef::message(alert),
            Self::Falco => falco::event(alert).to_string(),
        }
    }

    /// The same for an alert that is a line of native JSON already, as the spool has it.
    ///
    /// # Errors
    /// When `native` is no alert; never for [`Format::Native`], which passes on what it is given.
    pub fn translate(self, native: &[u8]) -> Result<Cow<'_, [u8]>, serde_json::Error> {
        if self == Self::Native {
            return Ok(Cow::Borrowed(native));
        }
        let alert: Alert = serde_json::from_slice(native)?;
        Ok(Cow::Owned(self.line(&alert).into_bytes()))
    }
}
