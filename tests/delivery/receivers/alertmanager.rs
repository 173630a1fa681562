//! Alertmanager. It keeps alerts in memory, so it is not killed while they come.

use super::http::get;
use super::{Server, free_port};
use crate::scenario::{Receiver, Trial, all_arrive};
use anyhow::{Context, Result};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;

struct Alertmanager {
    server: Server,
    folder: PathBuf,
    port: u16,
}

impl Alertmanager {
    fn new(folder: &Path) -> Result<Self> {
        std::fs::write(
            folder.join("alertmanager.yml"),
            "route: {receiver: nobody}\nreceivers: [{name: nobody}]\n",
        )?;
        Ok(Self {
            server: Server::default(),
            folder: folder.to_owned(),
            port: free_port()?,
        })
    }
}

impl Receiver for Alertmanager {
    fn start(&mut self) -> Result<()> {
        let mut command = Command::new("/usr/bin/prometheus-alertmanager");
        command
            .arg(format!(
                "--config.file={}/alertmanager.yml",
                self.folder.display()
            ))
            .arg(format!("--storage.path={}/data", self.folder.display()))
            .arg(format!("--web.listen-address=127.0.0.1:{}", self.port))
            .arg("--cluster.listen-address=");
        self.server
            .start(&mut command, &self.folder.join("alertmanager.log"), self.port)
    }

    fn kill(&mut self) -> Result<()> {
        self.server.kill()
    }

    fn received(&mut self) -> Result<Vec<String>> {
        let alerts: Value = serde_json::from_str(&get(self.port, "/api/v2/alerts")?)?;
        let alerts = alerts.as_array().context("no list")?;
        let id = |alert: &Value| Some(alert["annotations"]["alert_id"].as_str()?.to_owned());
        Ok(alerts.iter().filter_map(id).collect())
    }
}

#[test]
fn alertmanager_shows_all() {
    let dir = tempfile::tempdir().unwrap();
    let mut receiver = Alertmanager::new(dir.path()).unwrap();
    let sink = format!("type: alertmanager\nurl: http://127.0.0.1:{}", receiver.port);
    let trial = Trial::of_this_run().without_kills();
    all_arrive("alertmanager", dir.path(), &sink, trial, &mut receiver).unwrap();
}
