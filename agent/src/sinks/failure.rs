//! Failures of receivers, in words that say what to do.

use crate::sink::SinkError;
use std::error::Error;
use std::io;

/// It may be taken later.
pub(super) fn retry(action: impl Into<String>, reason: impl Into<Box<dyn Error + Send + Sync>>) -> SinkError {
    SinkError::Retry {
        action: action.into(),
        source: io::Error::other(reason),
    }
}

/// An error with all its causes in one line: libraries say "error sending request" and keep the reason inside.
pub(super) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let next = error.to_string();
        if !text.contains(&next) {
            text.push_str(": ");
            text.push_str(&next);
        }
        cause = error.source();
    }
    text
}

/// Beginning of what a receiver answered, for a message: one line, no control characters.
pub(super) fn excerpt(body: &[u8]) -> String {
    const LONGEST: usize = 200;
    let text = String::from_utf8_lossy(&body[..body.len().min(4 * LONGEST)]);
    text.chars()
        .map(|char| if char.is_control() { ' ' } else { char })
        .take(LONGEST)
        .collect::<String>()
        .trim()
        .to_owned()
}
