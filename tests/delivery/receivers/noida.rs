//! A broker that speaks Kafka's protocol and answers `_bulk`: two services of one program.

use super::http::get;
use super::{Server, free_port};
use crate::scenario::{Receiver, Trial, all_arrive};
use agent_tests::command::wait_until;
use agent_tests::paths;
use anyhow::{Context, Result};
use rskafka::client::partition::{OffsetAt, UnknownTopicHandling};
use rskafka::client::{Client, ClientBuilder};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use tokio::runtime::Runtime;

struct Noida {
    server: Server,
    service: &'static str,
    folder: PathBuf,
    port: u16,
    runtime: Runtime,
}

impl Noida {
    fn new(service: &'static str, folder: &Path) -> Result<Self> {
        Ok(Self {
            server: Server::default(),
            service,
            folder: folder.to_owned(),
            port: free_port()?,
            runtime: Runtime::new()?,
        })
    }

    async fn kafka(port: u16) -> Result<Client> {
        Ok(ClientBuilder::new(vec![format!("127.0.0.1:{port}")])
            .build()
            .await?)
    }

    async fn make_topic(port: u16) -> Result<()> {
        let client = Self::kafka(port).await?;
        if client
            .list_topics()
            .await?
            .iter()
            .any(|topic| topic.name == "alerts")
        {
            return Ok(());
        }
        client
            .controller_client()?
            .create_topic("alerts", 3, 1, 5_000)
            .await?;
        Ok(())
    }

    async fn read_topic(port: u16) -> Result<Vec<String>> {
        let client = Self::kafka(port).await?;
        let mut ids = Vec::new();
        for partition in 0..3 {
            let partition = client
                .partition_client("alerts", partition, UnknownTopicHandling::Error)
                .await?;
            let end = partition.get_offset(OffsetAt::Latest).await?;
            let mut next = partition.get_offset(OffsetAt::Earliest).await?;
            while next < end {
                let (records, _) = partition.fetch_records(next, 1..4 << 20, 1_000).await?;
                next = records.last().context("the partition ends early")?.offset + 1;
                ids.extend(records.into_iter().filter_map(|found| {
                    let id = found.record.headers.get("id")?.clone();
                    String::from_utf8(id).ok()
                }));
            }
        }
        Ok(ids)
    }

    fn documents(&self) -> Result<Vec<String>> {
        get(self.port, "/alerts/_refresh").ok();
        let answer = get(self.port, "/alerts/_search?size=10000&_source=false")?;
        let answer: Value = serde_json::from_str(&answer)?;
        let hits = answer["hits"]["hits"].as_array().context("no hits")?;
        Ok(hits
            .iter()
            .filter_map(|hit| Some(hit["_id"].as_str()?.to_owned()))
            .collect())
    }
}

impl Receiver for Noida {
    fn start(&mut self) -> Result<()> {
        let mut command = Command::new(paths::tool("noida-db-0.2.3/noida_db/noida-db"));
        command
            .args(["start", "--only", self.service, "--data-dir"])
            .arg(self.folder.join("data"))
            .arg(format!("--{}-port", self.service))
            .arg(self.port.to_string());
        self.server
            .start(&mut command, &self.folder.join("noida.log"), self.port)?;
        if self.service == "kafka" {
            let (port, runtime) = (self.port, &self.runtime);
            wait_until("the topic is there", Duration::from_secs(20), || {
                runtime.block_on(Self::make_topic(port)).ok()
            })?;
        }
        Ok(())
    }

    /// It writes everything to one file when it is asked to end, and takes more while it does.
    fn kill(&mut self) -> Result<()> {
        self.server.stop()
    }

    fn forgets(&self) -> bool {
        true
    }

    fn received(&mut self) -> Result<Vec<String>> {
        match self.service {
            "kafka" => self.runtime.block_on(Self::read_topic(self.port)),
            _ => self.documents(),
        }
    }
}

#[test]
fn a_kafka_broker_gets_all() {
    let dir = tempfile::tempdir().unwrap();
    let mut receiver = Noida::new("kafka", dir.path()).unwrap();
    let sink = format!(
        "type: kafka\nservers: [\"127.0.0.1:{}\"]\ntopic: alerts",
        receiver.port
    );
    all_arrive("kafka", dir.path(), &sink, Trial::of_this_run(), &mut receiver).unwrap();
}

#[test]
fn a_bulk_endpoint_stores_each_once() {
    let dir = tempfile::tempdir().unwrap();
    let mut receiver = Noida::new("elasticsearch", dir.path()).unwrap();
    let sink = format!(
        "type: elasticsearch\nurl: http://127.0.0.1:{}\nindex: alerts",
        receiver.port
    );
    all_arrive(
        "elasticsearch",
        dir.path(),
        &sink,
        Trial::of_this_run(),
        &mut receiver,
    )
    .unwrap();
}
