use super::{Exit, Failure};
use clap::ValueEnum;
use std::io::{self, IsTerminal, Write};

/// Shape of what a command prints.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people.
    #[default]
    Text,
    /// For programs.
    Json,
}

/// Prints `text`. A reader that went away is no failure.
///
/// # Errors
/// When standard output cannot be written.
pub fn say(text: &str) -> Result<Exit, Failure> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::new(Exit::Findings, error)),
        _ => Ok(Exit::Ok),
    }
}

/// Prints `value` as indented JSON.
///
/// # Errors
/// As [`say`].
pub(super) fn say_json(value: &impl serde::Serialize) -> Result<Exit, Failure> {
    let text = serde_json::to_string_pretty(value).map_err(|error| Failure::new(Exit::Findings, error))?;
    say(&(text + "\n"))
}

/// True when colours on stdout are seen and wanted (<https://no-color.org>).
pub(super) fn wants_colour() -> bool {
    let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    io::stdout().is_terminal() && !unwanted && !dumb
}
