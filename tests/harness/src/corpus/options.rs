//! The options of `docker run` as the corpus writes them: words as a shell would split them.

use anyhow::{Result, bail};
use std::path::Path;

/// Splits at blanks outside quotes, and puts the lab's folder where `$LAB` stands.
pub(super) fn split(flags: &str, lab: &Path) -> Result<Vec<String>> {
    let mut words = Vec::new();
    let (mut word, mut quote) = (String::new(), None);
    for character in flags.chars() {
        match (character, quote) {
            ('\'' | '"', None) => quote = Some(character),
            (_, Some(open)) if open == character => quote = None,
            (' ', None) if word.is_empty() => {}
            (' ', None) => words.push(std::mem::take(&mut word)),
            _ => word.push(character),
        }
    }
    if quote.is_some() {
        bail!("a quote does not end: {flags}");
    }
    if !word.is_empty() {
        words.push(word);
    }
    let lab = lab.display().to_string();
    Ok(words.into_iter().map(|word| word.replace("$LAB", &lab)).collect())
}

/// The options as pairs: `--name value` and `--name=value` alike; a switch has no value.
pub(super) fn pairs(words: &[String]) -> Vec<(&str, Option<&str>)> {
    const SWITCHES: [&str; 2] = ["--privileged", "-t"];
    let mut pairs = Vec::new();
    let mut words = words.iter().map(String::as_str);
    while let Some(word) = words.next() {
        let pair = match word.split_once('=') {
            Some((name, value)) if name.starts_with("--") => (name, Some(value)),
            _ if SWITCHES.contains(&word) => (word, None),
            _ => (word, words.next()),
        };
        pairs.push(pair);
    }
    pairs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_and_the_folder_are_understood() -> Result<()> {
        let words = split(
            "--device-cgroup-rule 'b *:* rwm' -v $LAB/sa:/s:ro --pid=host",
            Path::new("/l"),
        )?;
        assert_eq!(
            pairs(&words),
            [
                ("--device-cgroup-rule", Some("b *:* rwm")),
                ("-v", Some("/l/sa:/s:ro")),
                ("--pid", Some("host"))
            ]
        );
        assert!(split("'b", Path::new("/l")).is_err());
        Ok(())
    }
}
