//! Which files make up the configuration: the main one, then those of `conf.d` beside it.

use super::yaml::YamlError;
use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Read when it is there and no other file is named.
pub const DEFAULT_FILE: &str = "/etc/vigia/config.yaml";
/// Files that one folder may hold.
const MAX_FRAGMENTS: usize = 1000;

/// Where the configuration is read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The main file; the default one need not be there.
    pub file: PathBuf,
    /// `conf.d` beside it; need not be there.
    pub fragments: PathBuf,
    named: bool,
}

impl Place {
    /// Of the file that was named, else of the default one.
    #[must_use]
    pub fn new(file: Option<&Path>) -> Self {
        let named = file.is_some();
        let file = file.unwrap_or(Path::new(DEFAULT_FILE)).to_owned();
        Self {
            fragments: file.parent().unwrap_or(Path::new("/")).join("conf.d"),
            file,
            named,
        }
    }

    /// The files that are there, in the order in which they apply.
    ///
    /// # Errors
    /// When `conf.d` cannot be listed, or holds too much.
    pub(super) fn files(&self) -> Result<Vec<PathBuf>, YamlError> {
        let mut files = Vec::new();
        if self.named || self.file.exists() {
            files.push(self.file.clone());
        }
        files.extend(fragments(&self.fragments)?);
        Ok(files)
    }
}

/// True for a name of a file in `conf.d` that is read. Names that begin with a dot are editors' and the kubelet's.
#[must_use]
pub fn is_fragment(name: &OsStr) -> bool {
    let extension = Path::new(name).extension();
    let is_yaml = extension.is_some_and(|extension| extension == "yaml" || extension == "yml");
    is_yaml && !name.as_bytes().starts_with(b".")
}

fn fragments(folder: &Path) -> Result<Vec<PathBuf>, YamlError> {
    let problem = |reason: String, help: &str| YamlError {
        file: folder.to_owned(),
        position: None,
        reason,
        help: help.to_owned(),
    };
    let unreadable = |error: io::Error| match error.kind() {
        io::ErrorKind::NotADirectory => problem(
            "is no folder".to_owned(),
            "make it a folder of YAML files, or remove it",
        ),
        _ => problem(
            format!("cannot be listed: {error}"),
            "give the agent's user read permission",
        ),
    };
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(unreadable)?,
    };
    let mut files = Vec::new();
    for entry in entries {
        let entry = entry.map_err(unreadable)?;
        if is_fragment(&entry.file_name()) {
            files.push(entry.path());
        }
        if files.len() > MAX_FRAGMENTS {
            let reason = format!("holds more than {MAX_FRAGMENTS} files");
            return Err(problem(reason, "check that it is the right folder"));
        }
    }
    files.sort();
    Ok(files)
}
