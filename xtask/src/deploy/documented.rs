//! Commands and tables of `docs/deployment.md`.

use super::confinement::Confinement;
use super::read;
use crate::shell;
use anyhow::{Context, Result};
use std::collections::BTreeSet;

/// The page.
pub(super) struct Page(String);

impl Page {
    pub(super) fn read() -> Result<Self> {
        Ok(Self(read(&shell::workspace().join("docs/deployment.md"))?))
    }

    pub(super) fn text(&self) -> &str {
        &self.0
    }

    /// Of the command in a block of shell that begins with `program`.
    pub(super) fn command(&self, program: &str) -> Result<Confinement> {
        let start = format!("\n{program} ");
        let block = self
            .0
            .split("```")
            .find(|block| block.contains(&start))
            .with_context(|| format!("docs/deployment.md shows no `{program}`"))?;
        let command = block.split(&start).nth(1).unwrap_or_default();
        let words: Vec<&str> = command.split_whitespace().filter(|word| *word != "\\").collect();
        Confinement::of_options(options(&words).into_iter())
    }

    /// The capabilities that the table of them has a row for.
    pub(super) fn capabilities(&self) -> BTreeSet<String> {
        let rows = self.0.lines().filter_map(|line| line.strip_prefix("| `CAP_"));
        rows.filter_map(|row| row.split('`').next())
            .map(str::to_owned)
            .collect()
    }
}

/// Name and value of each option; an option without a value has an empty one.
fn options<'a>(words: &[&'a str]) -> Vec<(&'a str, &'a str)> {
    let mut found = Vec::new();
    for (index, &word) in words.iter().enumerate() {
        if !word.starts_with("--") {
            continue;
        }
        let next = words
            .get(index + 1)
            .copied()
            .filter(|next| !next.starts_with("--"));
        found.push(word.split_once('=').unwrap_or((word, next.unwrap_or_default())));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_read_in_all_their_forms() {
        let words = ["--read-only", "--cap-add=BPF", "--pid", "host", "vigia:1"];
        assert_eq!(
            options(&words),
            [("--read-only", ""), ("--cap-add", "BPF"), ("--pid", "host")]
        );
    }

    #[test]
    fn a_command_is_found_in_its_block() {
        let page = Page(
            "a\n```sh\ndocker run --cap-drop ALL \\\n  --cap-add BPF \\\n  vigia\n```\n| `CAP_BPF` | x |\n"
                .to_owned(),
        );
        let confinement = page.command("docker run").unwrap();
        assert!(confinement.added.contains("BPF") && confinement.dropped.contains("ALL"));
        assert!(confinement.apparmor && !confinement.host_pid);
        assert!(page.command("podman run").is_err());
        assert_eq!(page.capabilities(), BTreeSet::from(["BPF".to_owned()]));
    }
}
