//! Entries in a virtual machine: a script that carries them out under runc, one after the other, and what it printed.

use super::expected::{Expectation, Expectations};
use super::judge::{Case, judge};
use super::oci::{self, Host};
use super::run::Outcome;
use super::{Corpus, Entry, Report};
use crate::image;
use anyhow::{Context, Result};
use serde_json::Value;
use std::path::Path;
use std::time::Duration;

/// Where the guest has the root of corpus/attack.
pub const IMAGE: &str = "image";

/// Where it has the containers' configurations.
const BUNDLES: &str = "guest/bundles";

const LAB: &str = "/run/lab";
const NETWORK: &str = "/run/corpus-net";

/// Entries to be carried out in one guest.
#[derive(Debug)]
pub struct GuestCases {
    corpus: Corpus,
    expectations: Expectations,
}

/// Sets the stage, and starts the agent: when it shows a control group that is made, it shows everything.
const BEGIN: &str = r#"
mkdir -p /run/lab/hostroot /run/lab/sa /run/c
echo marker > /run/lab/hostroot/marker; echo corpus-token > /run/lab/sa/token
sleep 1000000 & echo $! > /run/lab/victim
touch /run/corpus-net
unshare --net=/run/corpus-net sh -c 'ip link set lo up; ip addr add 10.222.0.10/24 dev lo' || exit 90
nsenter --net=/run/corpus-net chroot /image python3 /opt/corpus/sink.py &
agent watch --json > /run/events 2> /run/agent.log &
AGENT=$!
probe=/sys/fs/cgroup/$(printf '%064d' 7)
tries=0
until grep -q '"operation":"created"' /run/events; do
  tries=$((tries + 1))
  [ $tries -gt 600 ] && { cat /run/agent.log; exit 91; }
  mkdir $probe; rmdir $probe; sleep 0.2
done
run() { # ID CONTAINER
  c=/run/c/$1; mkdir -p $c/upper $c/work $c/root
  mount -t overlay overlay -o lowerdir=/image,upperdir=$c/upper,workdir=$c/work $c/root
  cp /guest/bundles/$1.json $c/config.json
  begun=$(date +%s)
  timeout 120 runc run --bundle $c $2 > $c/output 2>&1 < /dev/null
  echo "@end $1 $? $(($(date +%s) - begun)) $(tail -n 3 $c/output | tr '\n' ';')"
  umount $c/root
}
"#;

/// The last container's end is the last event; whoever still runs then hangs.
const END: &str = r#"
tries=0
until grep -F "$last" /run/events | grep -q '"operation":"gone"'; do
  tries=$((tries + 1)); [ $tries -gt 100 ] && break
  sleep 0.2
done
sleep 1
kill $AGENT
grep '"schema":"vigia.missed/v1"' /run/events
grep '"container":null' /run/events | grep -v '"kind":"exec"' | tail -n 500
"#;

impl GuestCases {
    /// # Errors
    /// When the expectations cannot be read.
    pub fn new(corpus: Corpus) -> Result<Self> {
        Ok(Self {
            corpus,
            expectations: Expectations::read()?,
        })
    }

    /// What runs in the guest.
    #[must_use]
    pub fn script(&self) -> String {
        let mut script = BEGIN.to_owned();
        for entry in &self.corpus.entries {
            let id = container_id(&entry.id);
            script += &format!("run {} {id}; last={id}\n", entry.id);
        }
        script += END;
        for entry in &self.corpus.entries {
            script += &format!("grep -F '\"id\":\"{}\"' /run/events\n", container_id(&entry.id));
        }
        script
    }

    /// Configurations of the containers: path in the guest, content.
    ///
    /// # Errors
    /// When an entry asks for something that only Docker can do.
    pub fn bundles(&self) -> Result<Vec<(String, Vec<u8>)>> {
        let bundle = |entry: &Entry| {
            let host = Host {
                rootfs: &format!("/run/c/{}/root", entry.id),
                network: NETWORK,
            };
            let args = ["/opt/corpus/gate".to_owned(), entry.id.clone()];
            let options = entry.options(Path::new(LAB))?;
            let config =
                oci::config(&container_id(&entry.id), &args, &options, host).context(entry.id.clone())?;
            Ok((
                format!("{BUNDLES}/{}.json", entry.id),
                serde_json::to_vec(&config)?,
            ))
        };
        self.corpus.entries.iter().map(bundle).collect()
    }

    /// Writes what the image has in `/opt/corpus`.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn write_folder(&self, target: &Path) -> Result<()> {
        self.corpus.write_folder(target)
    }

    /// Verdicts on what the guest printed.
    #[must_use]
    pub fn report(&self, kernel: &str, backend: &str, output: &[String]) -> Report {
        let lines: Vec<Value> = output
            .iter()
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect();
        let judge_one = |entry: &Entry| {
            let expectation: Expectation = self.expectations.of(entry);
            let end = output
                .iter()
                .find_map(|line| line.strip_prefix(&format!("@end {} ", entry.id)));
            let (failure, took) = end.map_or((Some("not carried out".to_owned()), 0), ended);
            judge(&Case {
                entry,
                expectation: &expectation,
                backend,
                outcome: &Outcome {
                    container: Some(container_id(&entry.id)),
                    failure,
                },
                lines: &lines,
                took: Duration::from_secs(took),
            })
        };
        let missed = lines.iter().filter(|line| line["schema"] == "vigia.missed/v1");
        Report {
            kernel: kernel.to_owned(),
            backend: backend.to_owned(),
            entries: self.corpus.entries.iter().map(judge_one).collect(),
            missed_lines: missed.filter_map(|line| line["missed"].as_u64()).sum(),
        }
    }
}

/// `CODE SECONDS LAST WORDS`.
fn ended(text: &str) -> (Option<String>, u64) {
    let mut words = text.splitn(3, ' ');
    let code = words.next().unwrap_or_default();
    let took = words.next().and_then(|seconds| seconds.parse().ok()).unwrap_or(0);
    let said = words.next().unwrap_or_default();
    let failure = (code != "0").then(|| format!("exit code {code}: {said}"));
    (failure, took)
}

/// Containers are known by 64 hexadecimal digits.
fn container_id(entry: &str) -> String {
    image::hex_digest(entry.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_entry_for_virtual_machines_can_be_made_without_docker() -> Result<()> {
        let corpus = Corpus::read(&Corpus::file())?;
        let expectations = Expectations::read()?;
        let guest = GuestCases::new(corpus.only(expectations.vm.iter().map(String::as_str))?)?;
        assert_eq!(guest.bundles()?.len(), expectations.vm.len());
        Ok(())
    }

    #[test]
    fn ends_are_read() {
        assert_eq!(ended("0 12 fine;"), (None, 12));
        assert_eq!(ended("1 3 a b;"), (Some("exit code 1: a b;".to_owned()), 3));
    }
}
