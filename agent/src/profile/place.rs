//! Where in a file a profile says what it is called and what it matches: asked for only when two profiles clash.

use super::error::Place;
use super::model::{Mode, Profile, ProfileState};
use super::parse::options;
use crate::detect::Class;
use serde::Deserialize;
use serde_saphyr::Spanned;
use std::collections::BTreeMap;
use std::path::Path;

/// What only one profile may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum UniqueKey {
    Name,
    Digest,
    ImageId,
}

impl UniqueKey {
    /// As it is written in a profile.
    #[must_use]
    pub fn path(self) -> &'static str {
        match self {
            Self::Name => "metadata.name",
            Self::Digest => "match.digest",
            Self::ImageId => "match.image_id",
        }
    }
}

#[derive(Deserialize)]
struct Outline {
    metadata: OutlineMetadata,
    #[serde(rename = "match")]
    matching: OutlineMatching,
}

#[derive(Deserialize)]
struct OutlineMetadata {
    name: Spanned<String>,
}

#[derive(Deserialize)]
struct OutlineMatching {
    digest: Option<Spanned<String>>,
    image_id: Option<Spanned<String>>,
}

/// The class that is enforced although the profile is not complete.
pub(super) fn unready(profile: &Profile) -> Option<Class> {
    let mut modes = profile.mode.iter();
    let (class, _) = modes.find(|(_, mode)| **mode == Mode::Enforce)?;
    (profile.state != ProfileState::Complete).then_some(*class)
}

#[derive(Deserialize)]
struct Modes {
    mode: BTreeMap<Class, Spanned<Mode>>,
}

/// The place of the mode of `class` in `text`, which was read from `file`.
pub(super) fn place_of_mode(class: Class, text: &str, file: &Path) -> Place {
    let modes = serde_saphyr::from_str_with_options::<Modes>(text, options()).ok();
    let mode = modes.and_then(|modes| modes.mode.get(&class).map(|mode| mode.referenced));
    mode.map_or_else(
        || Place::whole(file),
        |location| Place {
            file: file.to_owned(),
            line: location.line(),
            column: location.column(),
        },
    )
}

/// The place of `key` in `text`, which was read from `file`; the file as a whole when it is not there any more.
pub(super) fn place_of(key: UniqueKey, text: &str, file: &Path) -> Place {
    let Ok(outline) = serde_saphyr::from_str_with_options::<Outline>(text, options()) else {
        return Place::whole(file);
    };
    let value = match key {
        UniqueKey::Name => Some(outline.metadata.name),
        UniqueKey::Digest => outline.matching.digest,
        UniqueKey::ImageId => outline.matching.image_id,
    };
    value.map_or_else(
        || Place::whole(file),
        |value| Place {
            file: file.to_owned(),
            line: value.referenced.line(),
            column: value.referenced.column(),
        },
    )
}
