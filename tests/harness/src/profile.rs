//! Profiles that were learned.

use anyhow::{Context, Result, ensure};
use std::fs;
use std::path::Path;

/// Calls a profile complete, as an operator does who has reviewed it.
///
/// # Errors
/// When the file cannot be read or written, or is no profile of state `partial`.
pub fn call_complete(file: &Path) -> Result<()> {
    const LEARNED: &str = "state: partial";
    let text = fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    ensure!(
        text.contains(LEARNED),
        "{}: not `{LEARNED}`, as learned profiles are",
        file.display()
    );
    fs::write(file, text.replace(LEARNED, "state: complete"))
        .with_context(|| format!("cannot write {}", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_learned_is_called_complete() -> Result<()> {
        let folder = tempfile::tempdir()?;
        let file = folder.path().join("web.yaml");
        assert!(call_complete(&file).is_err(), "no file");
        fs::write(&file, "kind: BehaviorProfile\nstate: partial\n")?;
        call_complete(&file)?;
        assert_eq!(
            fs::read_to_string(&file)?,
            "kind: BehaviorProfile\nstate: complete\n"
        );
        assert!(call_complete(&file).is_err(), "it was complete already");
        Ok(())
    }
}
