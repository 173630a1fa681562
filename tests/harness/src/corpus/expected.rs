//! `expected.yaml`: by which events each entry is seen, and by which backends it is not.

use super::{Entry, folder, matcher::Matcher, oracle};
use anyhow::{Context, Result, bail};
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

/// What must be seen, per entry.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expectations {
    /// A part of every class, for the `e2e` tier.
    pub quick: Vec<String>,
    /// Caught beside a profile only: without one they are news of lower severity, for any image may do so.
    pub only_learned: Vec<String>,
    /// What is carried out on other kernels.
    pub vm: Vec<String>,
    entries: BTreeMap<String, Expectation>,
}

/// What must be seen of one entry.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Expectation {
    /// Every one of them.
    pub(super) events: Vec<Wanted>,
    /// Backends that cannot see it, with the reason; `every` stands for all of them.
    #[serde(default)]
    blind: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) run: Run,
}

/// How the case is brought into its container.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Run {
    /// It is what the container starts.
    #[default]
    Start,
    /// By `docker exec`, while the container does something else.
    Exec,
}

/// An event, or one of several that prove the same.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "Value")]
pub(super) struct Wanted(Vec<Matcher>);

impl TryFrom<Value> for Wanted {
    type Error = anyhow::Error;

    fn try_from(value: Value) -> Result<Self> {
        let alternatives = match value {
            Value::Object(mut fields) => match fields.remove("any") {
                Some(any) if fields.is_empty() => serde_json::from_value(any)?,
                Some(_) => bail!("'any' stands alone"),
                None => vec![Matcher::try_from(fields)?],
            },
            _ => bail!("an event is a map"),
        };
        Ok(Self(alternatives))
    }
}

impl Wanted {
    pub(super) fn any(alternatives: Vec<Matcher>) -> Self {
        Self(alternatives)
    }

    /// The first line that is such an event.
    pub(super) fn find<'a>(
        &self,
        lines: impl Iterator<Item = &'a Value> + Clone,
    ) -> Option<(&Matcher, &'a Value)> {
        self.0.iter().find_map(|matcher| {
            let found = lines.clone().find(|line| matcher.matches(line))?;
            Some((matcher, found))
        })
    }
}

impl std::fmt::Display for Wanted {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let said: Vec<String> = self.0.iter().map(ToString::to_string).collect();
        formatter.write_str(&said.join(" | "))
    }
}

impl Expectations {
    /// # Errors
    /// When the file cannot be read, or says something that nobody understands.
    pub fn read() -> Result<Self> {
        let file: PathBuf = folder().join("expected.yaml");
        let text = fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
        serde_saphyr::from_str(&text).with_context(|| format!("{} is not understood", file.display()))
    }

    /// What is written down for the entry, else what its oracle says.
    pub(super) fn of(&self, entry: &Entry) -> Expectation {
        self.entries
            .get(&entry.id)
            .cloned()
            .unwrap_or_else(|| Expectation {
                events: oracle::wanted(&entry.oracle),
                ..Expectation::default()
            })
    }
}

impl Expectation {
    /// Why the backend does not see it.
    pub(super) fn blind(&self, backend: &str) -> Option<&str> {
        let reason = self.blind.get(backend).or_else(|| self.blind.get("every"));
        reason.map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::super::Corpus;
    use super::*;

    #[test]
    fn every_published_entry_has_an_expectation_and_every_expectation_an_entry() -> Result<()> {
        let corpus = Corpus::read(&Corpus::file())?;
        let expectations = Expectations::read()?;
        let ids: Vec<&String> = corpus.entries.iter().map(|entry| &entry.id).collect();
        let unknown: Vec<_> = expectations
            .entries
            .keys()
            .filter(|id| !ids.contains(id))
            .collect();
        assert!(unknown.is_empty(), "{unknown:?}");
        let forgotten: Vec<_> = ids
            .iter()
            .filter(|id| !expectations.entries.contains_key(**id))
            .collect();
        assert!(forgotten.is_empty(), "{forgotten:?}");
        corpus
            .clone()
            .only(expectations.quick.iter().map(String::as_str))?;
        corpus.only(expectations.vm.iter().map(String::as_str))?;
        Ok(())
    }

    #[test]
    fn an_entry_that_should_be_seen_says_by_what() -> Result<()> {
        let expectations = Expectations::read()?;
        for (id, expectation) in &expectations.entries {
            assert!(
                !expectation.events.is_empty() || expectation.blind("every").is_some(),
                "{id}"
            );
        }
        Ok(())
    }

    #[test]
    fn backends_that_are_blind_are_known_by_name_or_all() -> Result<()> {
        let expectation: Expectation =
            serde_saphyr::from_str("events: [{kind: mmap}]\nblind: {tracepoint: no hook}")?;
        assert_eq!(expectation.blind("tracepoint"), Some("no hook"));
        assert_eq!(expectation.blind("lsm"), None);
        let expectation: Expectation = serde_saphyr::from_str("events: []\nblind: {every: the host}")?;
        assert_eq!(expectation.blind("lsm"), Some("the host"));
        Ok(())
    }
}
