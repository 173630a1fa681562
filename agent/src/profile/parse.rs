//! YAML → [`Profile`]. Bounded in bytes, nodes and aliases before anything is built.

use super::error::{Place, ProfileError};
use super::model::Profile;
use serde::de::DeserializeOwned;
use serde_saphyr::{Error, Options};
use std::path::Path;

/// Largest profile, bytes: a learned one has some kilobytes.
pub const MAX_PROFILE_BYTES: u64 = 1 << 20;
/// Nodes of the largest profile: 1 MiB of short entries.
const MAX_NODES: usize = 100_000;
/// Anchors and aliases are for people; more than these are an attack.
const MAX_ALIASES: usize = 64;
/// Events that aliases may expand to in all.
const MAX_REPLAYED: usize = 10_000;

/// Reads a profile.
///
/// # Errors
/// [`ProfileError::Invalid`] with line, column, reason and what to do; [`ProfileError::TooLarge`].
pub fn parse(text: &str, file: &Path) -> Result<Profile, ProfileError> {
    let profile: Profile = document(text, file)?;
    match super::place::unready(&profile) {
        None => Ok(profile),
        Some(class) => Err(ProfileError::Invalid {
            place: super::place::place_of_mode(class, text, file),
            reason: format!(
                "a profile that is `{}` cannot be enforced: what it does not know yet would be denied; write `monitor`, or make it \
                 `state: complete`",
                profile.state.word()
            ),
        }),
    }
}

/// Reads any document of ours within the bounds above.
pub(super) fn document<T: DeserializeOwned>(text: &str, file: &Path) -> Result<T, ProfileError> {
    let bytes = text.len() as u64;
    if bytes > MAX_PROFILE_BYTES {
        return Err(ProfileError::TooLarge {
            file: file.to_owned(),
            bytes,
            limit: MAX_PROFILE_BYTES,
        });
    }
    serde_saphyr::from_str_with_options(text, options()).map_err(|error| invalid(&error, file))
}

pub(super) fn options() -> Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_nodes: MAX_NODES,
            max_events: 2 * MAX_NODES,
            max_aliases: MAX_ALIASES,
            max_anchors: MAX_ALIASES,
            max_recorded_anchor_events: MAX_REPLAYED,
            max_depth: 32,
            max_documents: 1,
            max_merge_keys: MAX_ALIASES,
        },
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: MAX_REPLAYED,
            max_replay_stack_depth: 8,
            max_alias_expansions_per_anchor: MAX_ALIASES,
        },
    }
}

fn invalid(error: &Error, file: &Path) -> ProfileError {
    let error = error.without_snippet();
    let (line, column) = error
        .location()
        .map_or((0, 0), |location| (location.line(), location.column()));
    ProfileError::Invalid {
        place: Place {
            file: file.to_owned(),
            line,
            column,
        },
        reason: reason(error),
    }
}

/// What is wrong and what to do, without the place: that stands in front.
fn reason(error: &Error) -> String {
    match error {
        Error::SerdeUnknownField { field, expected, .. } => unknown(field, expected),
        Error::SerdeUnknownVariant { variant, expected, .. } => {
            format!("`{variant}` is not allowed here; write one of {}", list(expected))
        }
        Error::SerdeMissingField { field, .. } => format!("`{field}` is missing; add it"),
        Error::DuplicateMappingKey { key, .. } => {
            format!("`{}` stands here twice; keep one", key.as_deref().unwrap_or("a key"))
        }
        Error::SerdeInvalidType { unexpected, expected, .. } | Error::SerdeInvalidValue { unexpected, expected, .. } => {
            format!("found {unexpected} where {expected} is expected")
        }
        Error::Budget { .. }
        | Error::AliasReplayLimitExceeded { .. }
        | Error::AliasExpansionLimitExceeded { .. }
        | Error::AliasReplayStackDepthExceeded { .. }
        | Error::AliasReplayCounterOverflow { .. } => {
            "the document expands to more than a profile may have; write it without nested aliases, or split it"
                .to_owned()
        }
        other => without_place(&other.to_string()),
    }
}

/// The library ends its messages with ` at line …`; the place stands in front already.
fn without_place(message: &str) -> String {
    let first = message.lines().next().unwrap_or(message);
    let end = first.rfind(" at line ").unwrap_or(first.len());
    first[..end].to_owned()
}

fn unknown(field: &str, expected: &[&str]) -> String {
    match nearest(field, expected) {
        Some(near) => format!("unknown key `{field}`; did you mean `{near}`?"),
        None => format!("unknown key `{field}`; keys allowed here: {}", list(expected)),
    }
}

fn list(words: &[&str]) -> String {
    words
        .iter()
        .map(|word| format!("`{word}`"))
        .collect::<Vec<_>>()
        .join(", ")
}

/// The word that differs in at most a third of its letters.
fn nearest<'a>(word: &str, words: &[&'a str]) -> Option<&'a str> {
    words
        .iter()
        .map(|candidate| (distance(word, candidate), *candidate))
        .filter(|(distance, candidate)| *distance <= candidate.len().div_ceil(3))
        .min()
        .map(|(_, candidate)| candidate)
}

/// Levenshtein's distance in bytes. Keys are short; the file's own is cut so that the work stays bounded.
fn distance(left: &str, right: &str) -> usize {
    let left = &left.as_bytes()[..left.len().min(64)];
    let right = right.as_bytes();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, a) in left.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in right.iter().enumerate() {
            let substituted = diagonal + usize::from(a != b);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[right.len()]
}
