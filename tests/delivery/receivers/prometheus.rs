//! Prometheus, with the rules that are shipped: it reads the agent's metrics as they are.

use super::http::get;
use super::{Server, free_port};
use crate::courier_process::Courier;
use agent_tests::command::wait_until;
use agent_tests::paths;
use anyhow::{Context, Result};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const ALERTS: u64 = 300;
const SOON: Duration = Duration::from_secs(60);

struct Prometheus {
    server: Server,
    folder: PathBuf,
    port: u16,
}

impl Prometheus {
    /// Scrapes `target` and evaluates the rules, both each second.
    fn start(folder: &Path, target: u16) -> Result<Self> {
        let rules = paths::workspace().join("deploy/prometheus/rules.yaml");
        let config = format!(
            "global: {{scrape_interval: 1s, evaluation_interval: 1s}}\nrule_files: [\"{}\"]\n\
             scrape_configs: [{{job_name: vigia, static_configs: [{{targets: [\"127.0.0.1:{target}\"]}}]}}]\n",
            rules.display()
        );
        let file = folder.join("prometheus.yml");
        std::fs::write(&file, config)?;
        let mut prometheus = Self {
            server: Server::default(),
            folder: folder.to_owned(),
            port: free_port()?,
        };
        let mut command = Command::new("/usr/bin/prometheus");
        command
            .arg(format!("--config.file={}", file.display()))
            .arg(format!("--storage.tsdb.path={}/data", folder.display()))
            .arg(format!("--web.listen-address=127.0.0.1:{}", prometheus.port));
        let log = prometheus.folder.join("prometheus.log");
        prometheus.server.start(&mut command, &log, prometheus.port)?;
        Ok(prometheus)
    }

    fn ask(&self, path: &str) -> Result<Value> {
        let answer: Value = serde_json::from_str(&get(self.port, path)?)?;
        Ok(answer["data"].clone())
    }

    /// The value of the one series that a selector finds.
    fn value(&self, selector: &str) -> Result<f64> {
        let found = self.ask(&format!("/api/v1/query?query={selector}"))?;
        let value = found["result"][0]["value"][1].as_str().context("no series")?;
        Ok(value.parse()?)
    }

    /// Health of every rule that is loaded, by name.
    fn rules(&self) -> Result<Vec<(String, String)>> {
        let found = self.ask("/api/v1/rules")?;
        let groups = found["groups"].as_array().context("no groups")?;
        let rules = groups
            .iter()
            .flat_map(|group| group["rules"].as_array().into_iter().flatten());
        let text = |rule: &Value, key: &str| rule[key].as_str().unwrap_or_default().to_owned();
        Ok(rules
            .map(|rule| (text(rule, "name"), text(rule, "health")))
            .collect())
    }
}

#[test]
fn prometheus_sees_what_a_sink_owes_and_evaluates_the_rules() {
    let dir = tempfile::tempdir().unwrap();
    let (metrics, closed) = (free_port().unwrap(), free_port().unwrap());
    let sink = format!("type: webhook\nurl: http://127.0.0.1:{closed}");
    let mut courier = Courier::with_metrics(dir.path(), &sink, ALERTS, metrics).unwrap();
    courier.start().unwrap();
    courier.wait_until_filled(SOON).unwrap();
    let prometheus = Prometheus::start(dir.path(), metrics).unwrap();
    let owes = |selector: &str, enough: f64| {
        wait_until(selector, SOON, || {
            (prometheus.value(selector).ok()? >= enough).then_some(())
        })
        .map_err(|error| error.context(courier.said()))
    };
    owes("vigia_sink_pending%7Bsink=%22siem%22%7D", ALERTS as f64).unwrap();
    owes("vigia_sink_retries_total%7Bsink=%22siem%22%7D", 1.0).unwrap();
    owes("vigia_sink_oldest_undelivered_seconds%7Bsink=%22siem%22%7D", 1.0).unwrap();
    owes("up%7Bjob=%22vigia%22%7D", 1.0).unwrap();
    let mut rules = Vec::new();
    wait_until("every rule is evaluated", SOON, || {
        rules = prometheus.rules().ok()?;
        (!rules.is_empty() && rules.iter().all(|(_, health)| health == "ok")).then_some(())
    })
    .map_err(|error| error.context(format!("{rules:?}")))
    .unwrap();
}
