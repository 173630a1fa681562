//! Where the running daemon is, also while the files are wrong: it may run with what they were before, and is the one to
//! ask what it makes of them.

use super::layers::{absolute, load};
use super::{ConfigError, RawConfig, SOCKET, Sources, yaml};
use serde::Deserialize;
use std::path::PathBuf;

/// The one key that its clients need. Others may be unknown.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Written {
    run_dir: Option<PathBuf>,
}

/// The control socket, also of a configuration that has mistakes, unless they leave it unknown.
///
/// # Errors
/// The mistakes.
pub fn find_socket(sources: &Sources) -> Result<PathBuf, ConfigError> {
    match load(sources) {
        Ok(loaded) => Ok(loaded.config.socket()),
        Err(error) => run_dir(sources).map(|dir| dir.join(SOCKET)).ok_or(error),
    }
}

fn run_dir(sources: &Sources) -> Option<PathBuf> {
    if let Some(flag) = &sources.flags.run_dir {
        return Some(absolute(flag));
    }
    let mut variables = sources.environment.iter();
    if let Some((_, value)) = variables.find(|(name, _)| name == "VIGIA_RUN_DIR") {
        return Some(value.into());
    }
    for file in sources.place().files().ok()?.iter().rev() {
        let text = yaml::read(file).ok()?;
        let written: Written = yaml::parse(file, &text).ok()?;
        if written.run_dir.is_some() {
            return written.run_dir;
        }
    }
    Some(RawConfig::default().run_dir)
}
