//! Patterns over the arguments of a program.

use crate::event::KernelString;
use globset::{GlobBuilder, GlobMatcher};
use serde::{Deserialize, Serialize};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

/// Arguments that one entry may describe.
const MAX_WORDS: usize = 64;
/// As the last word: whatever follows.
const REST: &str = "**";

/// One pattern per argument, the program's own name left out; `*` stands for any part of one, a last `**` for any
/// further ones.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(try_from = "Vec<String>", into = "Vec<String>")]
pub struct ArgumentPatterns {
    text: Vec<String>,
    words: Vec<Word>,
    open: bool,
}

#[derive(Debug, Clone)]
enum Word {
    Literal(String),
    Glob(GlobMatcher),
}

impl ArgumentPatterns {
    /// True when all of `arguments` match.
    #[must_use]
    pub fn matches(&self, arguments: &[KernelString]) -> bool {
        let enough = if self.open {
            arguments.len() >= self.words.len()
        } else {
            arguments.len() == self.words.len()
        };
        enough
            && self
                .words
                .iter()
                .zip(arguments)
                .all(|(word, argument)| word.matches(&argument.bytes))
    }
}

impl Word {
    fn parse(text: &str) -> Result<Self, String> {
        if !text.contains(['*', '?', '[', '{', '\\']) {
            return Ok(Self::Literal(text.to_owned()));
        }
        let glob = GlobBuilder::new(text).literal_separator(false).build();
        glob.map(|glob| Self::Glob(glob.compile_matcher()))
            .map_err(|error| {
                format!(
                    "`{text}` is no pattern: {}; escape special characters with `\\`",
                    error.kind()
                )
            })
    }

    fn matches(&self, argument: &[u8]) -> bool {
        match self {
            Self::Literal(text) => text.as_bytes() == argument,
            Self::Glob(glob) => glob.is_match(OsStr::from_bytes(argument)),
        }
    }
}

impl TryFrom<Vec<String>> for ArgumentPatterns {
    type Error = String;

    fn try_from(text: Vec<String>) -> Result<Self, String> {
        if text.len() > MAX_WORDS {
            return Err(format!(
                "{} arguments are more than {MAX_WORDS}; end the list with `{REST}`",
                text.len()
            ));
        }
        let open = text.last().is_some_and(|word| word == REST);
        let described = &text[..text.len() - usize::from(open)];
        Ok(Self {
            words: described
                .iter()
                .map(|word| Word::parse(word))
                .collect::<Result<_, _>>()?,
            open,
            text,
        })
    }
}

impl From<ArgumentPatterns> for Vec<String> {
    fn from(patterns: ArgumentPatterns) -> Self {
        patterns.text
    }
}

impl PartialEq for ArgumentPatterns {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for ArgumentPatterns {}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(patterns: &[&str], arguments: &[&str]) -> bool {
        let patterns: Vec<String> = patterns.iter().map(|word| (*word).to_owned()).collect();
        let arguments: Vec<_> = arguments.iter().map(|word| KernelString::from(*word)).collect();
        ArgumentPatterns::try_from(patterns).unwrap().matches(&arguments)
    }

    #[test]
    fn every_argument_must_match_unless_the_rest_is_open() {
        assert!(matches(&["-g", "daemon off;"], &["-g", "daemon off;"]));
        assert!(!matches(&["-g"], &["-g", "daemon off;"]));
        assert!(!matches(&["-g", "*"], &["-g"]));
        assert!(matches(&["-c", "/etc/*.conf", "**"], &["-c", "/etc/a/b.conf"]));
        assert!(matches(&["-c", "**"], &["-c", "x", "y"]));
        assert!(!matches(&["-c", "**"], &["-e", "x"]));
        assert!(matches(&["**"], &[]));
        assert!(matches(&[], &[]) && !matches(&[], &["-x"]));
        assert!(ArgumentPatterns::try_from(vec!["[".to_owned()]).is_err());
        assert!(ArgumentPatterns::try_from(vec!["x".to_owned(); 65]).is_err());
    }
}
