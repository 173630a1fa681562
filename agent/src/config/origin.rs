//! Where each value of the configuration was written.

use super::yaml::{Position, Segment};
use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

/// The layer that a value is from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Origin {
    /// Nobody wrote it.
    #[default]
    Default,
    File {
        file: Arc<Path>,
        position: Option<Position>,
    },
    /// An environment variable.
    Variable(String),
    /// A flag, with its dashes.
    Flag(&'static str),
}

impl fmt::Display for Origin {
    /// On one line: `default`, `/etc/vigia/config.yaml:3`, `VIGIA_LOG__LEVEL`, `--state-dir`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { file, position } => {
                write!(f, "{}", file.display().to_string().escape_debug())?;
                position.map_or(Ok(()), |position| write!(f, ":{}", position.line))
            }
            Self::Variable(name) => f.write_str(name),
            Self::Flag(name) => f.write_str(name),
        }
    }
}

/// The origins of all values, by their place in the configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Origins(BTreeMap<Vec<Segment>, Noted>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Noted {
    origin: Origin,
    extent: Extent,
}

/// What a note is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Extent {
    /// A value with all that it is made of.
    Whole,
    /// Something in it was written.
    Touched,
}

impl Origins {
    /// The origin of the value at `path`.
    #[must_use]
    pub fn of(&self, path: &[Segment]) -> Origin {
        let whole =
            |(length, noted): &(usize, &Noted)| *length == path.len() || noted.extent == Extent::Whole;
        let nearest = self.nearest(path).filter(whole);
        nearest.map_or(Origin::Default, |(_, noted)| noted.origin.clone())
    }

    /// Where somebody who looks for `path` should look: where it was written, else what it would be part of.
    pub(super) fn near(&self, path: &[Segment]) -> Origin {
        let nearest = self.nearest(path);
        nearest.map_or(Origin::Default, |(_, noted)| noted.origin.clone())
    }

    fn nearest(&self, path: &[Segment]) -> Option<(usize, &Noted)> {
        let parents = (0..=path.len()).rev();
        parents
            .filter_map(|length| Some((length, self.0.get(&path[..length])?)))
            .next()
    }

    pub(super) fn note(&mut self, path: &[Segment], origin: Origin, extent: Extent) {
        self.0.insert(path.to_vec(), Noted { origin, extent });
    }

    /// A value was replaced: what was known of its parts is about others.
    pub(super) fn forget_below(&mut self, path: &[Segment]) {
        self.0.retain(|known, _| !known.starts_with(path));
    }
}
