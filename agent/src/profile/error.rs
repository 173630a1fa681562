use super::UniqueKey;
use std::fmt;
use std::path::PathBuf;

/// Where in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    pub file: PathBuf,
    /// From 1; 0: the file as a whole.
    pub line: u64,
    /// From 1.
    pub column: u64,
}

impl Place {
    /// The file as a whole.
    #[must_use]
    pub fn whole(file: impl Into<PathBuf>) -> Self {
        Self {
            file: file.into(),
            line: 0,
            column: 0,
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = self.file.display();
        match self.line {
            0 => write!(f, "{file}"),
            line => write!(f, "{file}:{line}:{}", self.column),
        }
    }
}

/// Why profiles cannot be used. Each message says where, what, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum ProfileError {
    #[error("{place}: {reason}")]
    Invalid { place: Place, reason: String },
    #[error("{}: cannot be read: {source}; make it readable for the user that runs the agent", file.display())]
    Unreadable {
        file: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("{}: is a folder, not a profile; name it with --profiles, or give a file", .0.display())]
    Folder(PathBuf),
    #[error("{}: no such file; see `agent profile list`", .0.display())]
    MissingFile(PathBuf),
    #[error("{}: is a device, pipe or socket, not a profile; give a regular file", .0.display())]
    NotAFile(PathBuf),
    #[error("{}: is not UTF-8 text; save it as UTF-8", .0.display())]
    NotText(PathBuf),
    #[error("{}: is no folder; --profiles takes a folder of *.yaml files", .0.display())]
    NotAFolder(PathBuf),
    #[error("{}: no such folder; create it, or leave --profiles out", .0.display())]
    Missing(PathBuf),
    #[error("{}: {bytes} bytes are more than the {limit} that a profile may have; split it by image", file.display())]
    TooLarge { file: PathBuf, bytes: u64, limit: u64 },
    #[error("{}: more than {limit} profiles; remove those of images that are no longer used", folder.display())]
    TooMany { folder: PathBuf, limit: usize },
    #[error("{second}: {} `{value}` is already that of the profile in {first}; change or remove one of them", key.path())]
    Duplicate {
        key: UniqueKey,
        value: String,
        first: Place,
        second: Place,
    },
}
