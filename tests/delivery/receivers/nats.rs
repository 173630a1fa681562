//! NATS JetStream.

use super::{Server, free_port};
use crate::scenario::{Receiver, Trial, all_arrive};
use agent_tests::paths;
use anyhow::{Context, Result, ensure};
use async_nats::jetstream::Message;
use async_nats::jetstream::consumer::{AckPolicy, pull};
use futures_util::{StreamExt, TryStreamExt};
use std::path::{Path, PathBuf};
use std::process::Command;
use tokio::runtime::Runtime;

/// Messages that are asked for at once.
const BATCH: usize = 2_000;

pub(crate) struct NatsServer {
    server: Server,
    folder: PathBuf,
    port: u16,
    runtime: Runtime,
}

impl NatsServer {
    pub(crate) fn new(folder: &Path) -> Result<Self> {
        Ok(Self {
            server: Server::default(),
            folder: folder.to_owned(),
            port: free_port()?,
            runtime: Runtime::new()?,
        })
    }

    pub(crate) fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    async fn make_stream(url: String) -> Result<()> {
        let stream = async_nats::jetstream::stream::Config {
            name: "ALERTS".to_owned(),
            subjects: vec!["vigia.>".to_owned()],
            ..Default::default()
        };
        let context = async_nats::jetstream::new(async_nats::connect(url).await?);
        context.get_or_create_stream(stream).await?;
        Ok(())
    }

    async fn read(url: String) -> Result<Vec<String>> {
        let context = async_nats::jetstream::new(async_nats::connect(url).await?);
        let mut stream = context.get_stream("ALERTS").await?;
        let stored = usize::try_from(stream.info().await?.state.messages)?;
        let consumer = stream
            .create_consumer(pull::Config {
                ack_policy: AckPolicy::None,
                ..pull::Config::default()
            })
            .await?;
        let mut ids = Vec::new();
        // The server cuts off who is asked to take more at once than it can.
        while ids.len() < stored {
            let (before, count) = (ids.len(), BATCH.min(stored - ids.len()));
            let batch = consumer.fetch().max_messages(count).messages().await?;
            ids.extend(
                batch
                    .map(|message| id_of(&message.map_err(anyhow::Error::from_boxed)?))
                    .try_collect::<Vec<_>>()
                    .await?,
            );
            ensure!(ids.len() > before, "{before} of {stored} messages came");
        }
        Ok(ids)
    }
}

fn id_of(message: &Message) -> Result<String> {
    let headers = message.headers.as_ref();
    let id = headers.and_then(|headers| headers.get("Nats-Msg-Id"));
    Ok(id.context("a message without id")?.to_string())
}

impl Receiver for NatsServer {
    fn start(&mut self) -> Result<()> {
        let mut command = Command::new(paths::tool("nats-server-2.15.1/bin/nats-server"));
        command
            .args(["-a", "127.0.0.1", "-p", &self.port.to_string(), "-js", "-sd"])
            .arg(self.folder.join("nats"));
        self.server
            .start(&mut command, &self.folder.join("nats.log"), self.port)?;
        self.runtime.block_on(Self::make_stream(self.url()))
    }

    fn kill(&mut self) -> Result<()> {
        self.server.kill()
    }

    fn received(&mut self) -> Result<Vec<String>> {
        self.runtime.block_on(Self::read(self.url()))
    }
}

#[test]
fn nats_keeps_each_once() {
    let dir = tempfile::tempdir().unwrap();
    let mut receiver = NatsServer::new(dir.path()).unwrap();
    let sink = format!("type: nats\nservers: [\"{}\"]", receiver.url());
    all_arrive("nats", dir.path(), &sink, Trial::of_this_run(), &mut receiver).unwrap();
}
