//! `corpus.yaml`: what is done, and how.

use super::{folder, options};
use anyhow::{Context, Result, bail};
use serde::Deserialize;
use serde_json::Value;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// The entries of a file, in its order.
#[derive(Debug, Clone, Deserialize)]
pub struct Corpus {
    pub entries: Vec<Entry>,
    #[serde(default)]
    benign: Vec<Scenario>,
}

/// Ordinary work that looks like an attack. Those without code are procedures for people.
#[derive(Debug, Clone, Deserialize)]
struct Scenario {
    id: String,
    name: String,
    image: Option<String>,
    docker_flags: Option<String>,
    code: Option<String>,
}

/// One attack. Fields that only readers need are left out.
#[derive(Debug, Clone, Deserialize)]
pub struct Entry {
    pub id: String,
    pub name: String,
    pub class: String,
    /// At least.
    pub severity: String,
    repro: Repro,
    /// The tester's own proof: system calls, executions, states of sockets.
    #[serde(default)]
    pub(super) oracle: Vec<Value>,
}

#[derive(Debug, Clone, Deserialize)]
struct Repro {
    image: String,
    lang: String,
    docker_flags: String,
    code: String,
    host_setup: Option<String>,
}

/// Stands in `docker_flags` for entries that need no container.
const HOST_SIDE: &str = "HOST-SIDE";

impl Corpus {
    /// The published corpus.
    #[must_use]
    pub fn file() -> PathBuf {
        folder().join("corpus.yaml")
    }

    /// # Errors
    /// When the file cannot be read or is no corpus.
    pub fn read(file: &Path) -> Result<Self> {
        let text = fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
        serde_saphyr::from_str(&text).with_context(|| format!("{} is no corpus", file.display()))
    }

    /// Keeps the named entries, in the order of the names.
    ///
    /// # Errors
    /// When there is none of a name.
    pub fn only<'a>(self, ids: impl IntoIterator<Item = &'a str>) -> Result<Self> {
        let find = |id: &str| {
            let found = self.entries.iter().find(|entry| entry.id == id);
            found.cloned().with_context(|| format!("no entry {id}"))
        };
        Ok(Self {
            entries: ids.into_iter().map(find).collect::<Result<_>>()?,
            benign: Vec::new(),
        })
    }

    /// The benign scenarios that can be carried out, as entries, in place of the attacks.
    #[must_use]
    pub fn benign(self) -> Self {
        let entries = self.benign.into_iter().filter_map(Scenario::entry).collect();
        Self {
            entries,
            benign: Vec::new(),
        }
    }

    /// Writes the folder `/opt/corpus` of the images: the gate, its library, the sink and every case.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn write_folder(&self, target: &Path) -> Result<()> {
        fs::create_dir_all(target.join("case"))?;
        for name in ["gate", "corpuslib.py", "sink.py"] {
            fs::copy(folder().join(name), target.join(name))
                .with_context(|| format!("cannot copy {name}"))?;
        }
        fs::set_permissions(target.join("gate"), fs::Permissions::from_mode(0o755))?;
        for entry in &self.entries {
            // Of an entry in another language the gate says that there is no such case.
            let file = format!("{}.{}", entry.id, entry.repro.lang);
            fs::write(target.join("case").join(file), &entry.repro.code)?;
        }
        Ok(())
    }
}

impl Scenario {
    fn entry(self) -> Option<Entry> {
        Some(Entry {
            id: self.id,
            name: self.name,
            class: "benign".to_owned(),
            severity: "medium".to_owned(),
            repro: Repro {
                image: self.image?,
                lang: "sh".to_owned(),
                docker_flags: self.docker_flags.unwrap_or_default(),
                code: self.code?,
                host_setup: None,
            },
            oracle: Vec::new(),
        })
    }
}

impl Entry {
    /// What the image of the attacks does on an ordinary day: a profile is learned from it.
    #[must_use]
    pub fn ordinary_day() -> Self {
        const DAY: &str = "for i in 1 2 3; do cat /etc/hostname; ls / >/dev/null; date; sleep 1; done\n\
            python3 -c 'import json, os, socket, time; print(json.dumps(os.getpid()))'\n";
        Self {
            id: "DAY".to_owned(),
            name: "an ordinary day".to_owned(),
            class: "benign".to_owned(),
            severity: "medium".to_owned(),
            repro: Repro {
                image: "corpus/attack".to_owned(),
                lang: "sh".to_owned(),
                docker_flags: "--network none".to_owned(),
                code: DAY.to_owned(),
                host_setup: None,
            },
            oracle: Vec::new(),
        }
    }

    #[must_use]
    pub fn image(&self) -> &str {
        &self.repro.image
    }

    /// Options of `docker run`, `$LAB` replaced, with what the entry's `host_setup` stands for.
    ///
    /// # Errors
    /// When a quote does not end, or the host setup is not known.
    pub fn options(&self, lab: &Path) -> Result<Vec<String>> {
        let mut options = options::split(&self.repro.docker_flags, lab).context(self.id.clone())?;
        let setup = self.repro.host_setup.as_deref().unwrap_or_default();
        match setup.split(' ').next() {
            // The lab's folder has them always.
            Some("" | "fake_docker_sock" | "fake_sa") => {}
            Some("host_victim") => {
                let victim = lab.join("victim");
                options.push(format!("--volume={}:/lab/victim:ro", victim.display()));
            }
            _ => bail!("{}: nobody sets up {setup}", self.id),
        }
        Ok(options)
    }

    /// The code of an entry that is carried out on the host.
    #[must_use]
    pub fn host_code(&self) -> Option<&str> {
        (self.repro.docker_flags == HOST_SIDE).then_some(&self.repro.code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_corpus_is_read_and_its_cases_are_written() -> Result<()> {
        let corpus = Corpus::read(&Corpus::file())?;
        let target = tempfile::tempdir()?;
        corpus.write_folder(target.path())?;
        assert_eq!(
            fs::read_dir(target.path().join("case"))?.count(),
            corpus.entries.len()
        );
        for entry in &corpus.entries {
            entry.options(Path::new("/lab"))?;
        }
        Ok(())
    }
}
