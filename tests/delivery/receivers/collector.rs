//! rotel, an OTLP collector, by HTTP and by gRPC. It prints what it got.

use super::{Server, free_port};
use crate::scenario::{Receiver, Trial, all_arrive};
use agent_tests::paths;
use anyhow::Result;
use std::path::{Path, PathBuf};
use std::process::Command;

struct Collector {
    server: Server,
    folder: PathBuf,
    http: u16,
    grpc: u16,
}

impl Collector {
    fn new(folder: &Path) -> Result<Self> {
        Ok(Self {
            server: Server::default(),
            folder: folder.to_owned(),
            http: free_port()?,
            grpc: free_port()?,
        })
    }
}

impl Receiver for Collector {
    fn start(&mut self) -> Result<()> {
        let mut command = Command::new(paths::tool("rotel-0.0.1a15/rotel/rotel-agent"));
        command
            .args([
                "start",
                "--exporter",
                "blackhole",
                "--debug-log",
                "logs",
                "--debug-log-verbosity",
                "detailed",
            ])
            .args(["--otlp-http-endpoint", &format!("127.0.0.1:{}", self.http)])
            .args(["--otlp-grpc-endpoint", &format!("127.0.0.1:{}", self.grpc)]);
        self.server
            .start(&mut command, &self.folder.join("received"), self.http)
    }

    /// It acknowledges what it has in memory, as collectors without a queue on disk do: killed, it would lose that.
    fn kill(&mut self) -> Result<()> {
        self.server.stop()
    }

    fn forgets(&self) -> bool {
        true
    }

    fn received(&mut self) -> Result<Vec<String>> {
        let text = std::fs::read_to_string(self.folder.join("received")).unwrap_or_default();
        let ids = text.split("vigia.alert.id").skip(1);
        Ok(ids
            .filter_map(|rest| {
                let start = rest.find("00000000-")?;
                Some(rest.get(start..start + 38)?.to_owned())
            })
            .collect())
    }
}

#[test]
fn a_collector_gets_all_by_http() {
    let dir = tempfile::tempdir().unwrap();
    let mut receiver = Collector::new(dir.path()).unwrap();
    let sink = format!("type: otlp\nurl: http://127.0.0.1:{}", receiver.http);
    all_arrive(
        "otlp, http",
        dir.path(),
        &sink,
        Trial::of_this_run(),
        &mut receiver,
    )
    .unwrap();
}

#[test]
fn a_collector_gets_all_by_grpc() {
    let dir = tempfile::tempdir().unwrap();
    let mut receiver = Collector::new(dir.path()).unwrap();
    let sink = format!(
        "type: otlp\ntransport: grpc\nurl: http://127.0.0.1:{}",
        receiver.grpc
    );
    all_arrive(
        "otlp, grpc",
        dir.path(),
        &sink,
        Trial::of_this_run(),
        &mut receiver,
    )
    .unwrap();
}
