//! Secrets by file path. Read when they are needed, so a rotated one is used at once; never logged.

use std::io;
use std::path::Path;

/// Content of a secret's file, without the newline that editors leave.
///
/// # Errors
/// When it cannot be read, is empty, or is no text.
pub(super) fn read(path: &Path) -> io::Result<String> {
    let name = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
    let text = std::fs::read_to_string(path).map_err(name)?;
    let secret = text.trim();
    if secret.is_empty() {
        return Err(name(io::Error::new(
            io::ErrorKind::InvalidData,
            "the file is empty",
        )));
    }
    Ok(secret.to_owned())
}
