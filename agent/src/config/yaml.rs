//! YAML files written by people: read with a size limit and low budgets, every error with its place.
//!
//! Knows nothing of what the files mean, so profiles and the configuration share it. A hostile file
//! (50 MB, an alias bomb, a directory) costs milliseconds and gives one message.

use serde::de::DeserializeOwned;
use serde_saphyr::Options;
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// Largest file that is read, bytes: two orders above the largest profile seen, and parsed in milliseconds.
pub const MAX_FILE_BYTES: u64 = 1 << 20;

/// What is wrong with a file, where, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct YamlError {
    pub file: PathBuf,
    /// `None`: the file as a whole.
    pub position: Option<Position>,
    pub reason: String,
    /// What to do; may be empty.
    pub help: String,
}

/// A place in a file, both numbers from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    pub line: u64,
    pub column: u64,
}

/// A step from a YAML node to one of its children.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Segment {
    Key(String),
    Index(usize),
}

impl std::error::Error for YamlError {}

impl fmt::Display for YamlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.file.display())?;
        if let Some(Position { line, column }) = self.position {
            write!(f, "{line}:{column}:")?;
        }
        write!(f, " {}", self.reason)?;
        if !self.help.is_empty() {
            write!(f, "\n  help: {}", self.help)?;
        }
        Ok(())
    }
}

/// Reads a file of at most [`MAX_FILE_BYTES`].
///
/// # Errors
/// When it cannot be read, is no regular file, is too large, or is not UTF-8.
pub fn read(file: &Path) -> Result<String, YamlError> {
    let problem = |reason: String, help: &str| YamlError {
        file: file.to_owned(),
        position: None,
        reason,
        help: help.to_owned(),
    };
    let metadata = std::fs::metadata(file).map_err(|error| io_problem(file, &error))?;
    if metadata.is_dir() {
        return Err(problem(
            "is a directory, not a file".to_owned(),
            "give the path of a YAML file",
        ));
    }
    if !metadata.is_file() {
        return Err(problem(
            "is not a regular file".to_owned(),
            "give the path of a YAML file",
        ));
    }
    let mut bytes = Vec::new();
    File::open(file)
        .and_then(|open| open.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes))
        .map_err(|error| io_problem(file, &error))?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        let size = metadata.len().max(MAX_FILE_BYTES + 1);
        return Err(problem(
            format!("the file has {size} bytes; at most {MAX_FILE_BYTES} are accepted"),
            "split it, or check that it is the right file",
        ));
    }
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        problem(format!("byte {at} is not UTF-8"), "save the file as UTF-8 text")
    })
}

fn io_problem(file: &Path, error: &io::Error) -> YamlError {
    let help = match error.kind() {
        io::ErrorKind::NotFound => "check the path",
        io::ErrorKind::PermissionDenied => "give the agent's user read permission",
        _ => "",
    };
    YamlError {
        file: file.to_owned(),
        position: None,
        reason: format!("cannot be read: {error}"),
        help: help.to_owned(),
    }
}

/// Parses `text`; `file` is for messages only. An empty document is the type's value of an empty mapping.
///
/// # Errors
/// For syntax, unknown keys, wrong types, and whatever exceeds the budgets.
pub fn parse<T: DeserializeOwned>(file: &Path, text: &str) -> Result<T, YamlError> {
    let text = if is_empty(text) { "{}" } else { text };
    serde_saphyr::from_str_with_options(text, options()).map_err(|error| explain(file, &error))
}

/// The candidate nearest to `word`, when one is near enough to be what was meant.
#[must_use]
pub fn suggest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let limit = (word.chars().count() / 3).clamp(1, 3);
    candidates
        .into_iter()
        .map(|candidate| (distance(word, candidate), candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min()
        .map(|(_, candidate)| candidate)
}

fn is_empty(text: &str) -> bool {
    text.lines()
        .map(str::trim)
        .all(|line| line.is_empty() || line.starts_with('#') || line == "---")
}

/// Budgets far above any honest file and far below what a development build parses in a second.
fn options() -> Options {
    serde_saphyr::options! {
        with_snippet: false,
        strict_booleans: true,
        budget: serde_saphyr::budget! {
            max_events: 200_000,
            max_nodes: 60_000,
            max_aliases: 200,
            max_anchors: 100,
            max_recorded_anchor_events: 2_000,
            max_depth: 32,
            max_documents: 1,
            max_merge_keys: 100,
        },
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: 10_000,
            max_replay_stack_depth: 8,
            max_alias_expansions_per_anchor: 100,
        },
    }
}

fn explain(file: &Path, error: &serde_saphyr::Error) -> YamlError {
    use serde_saphyr::Error;
    let position = error
        .location()
        .filter(|place| place.line() > 0)
        .map(|place| Position {
            line: place.line(),
            column: place.column(),
        });
    let (reason, help) = match error.without_snippet() {
        Error::SerdeUnknownField { field, expected, .. } => unknown("key", field, expected),
        Error::SerdeUnknownVariant {
            variant, expected, ..
        } => unknown("value", variant, expected),
        Error::SerdeMissingField { field, .. } => {
            (format!("the key `{field}` is missing"), format!("add `{field}:`"))
        }
        Error::SerdeInvalidType {
            unexpected, expected, ..
        } => (
            format!("wrong type: found {unexpected}"),
            format!("write {expected} here"),
        ),
        Error::SerdeInvalidValue {
            unexpected, expected, ..
        } => (
            format!("wrong value: found {unexpected}"),
            format!("write {expected} here"),
        ),
        Error::DuplicateMappingKey { key, .. } => (
            format!(
                "the key {} appears twice",
                key.as_deref().map_or_else(String::new, |key| format!("`{key}`"))
            ),
            "keep one of the two".to_owned(),
        ),
        Error::Budget { .. }
        | Error::AliasReplayLimitExceeded { .. }
        | Error::AliasExpansionLimitExceeded { .. } => (
            message(error),
            "the file is larger or more nested than any valid one: aliases that multiply are refused"
                .to_owned(),
        ),
        _ => (
            message(error),
            "check the YAML at this place; `agent config default` prints a valid file".to_owned(),
        ),
    };
    YamlError {
        file: file.to_owned(),
        position,
        reason: clean(&reason),
        help: clean(&help),
    }
}

fn message(error: &serde_saphyr::Error) -> String {
    let text = error.without_snippet().to_string();
    // The place stands before the reason already.
    match text.find(" at line ") {
        Some(at) if error.location().is_some() => text[..at].to_owned(),
        _ => text,
    }
}

fn unknown(what: &str, word: &str, expected: &[&'static str]) -> (String, String) {
    let help = match suggest(word, expected.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None if expected.is_empty() => "remove it".to_owned(),
        None => format!("use one of: {}", expected.join(", ")),
    };
    (format!("unknown {what} `{word}`"), help)
}

/// Control characters of the file must not reach a terminal.
fn clean(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars().take(400) {
        if character.is_control() {
            out.extend(character.escape_default());
        } else {
            out.push(character);
        }
    }
    out
}

/// Levenshtein distance, characters.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().take(64).collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, a) in left.chars().take(64).enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in right.iter().enumerate() {
            let substitute = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = substitute.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[right.len()]
}
