//! Kafka: keyed by container, so one container's alerts stay in order. A record counts once all in-sync replicas have it.

use crate::config::KafkaSink;
use crate::format::Format;
use crate::sink::{AlertBatch, Sink, SinkError};
use crate::sinks::failure::{chain, retry};
use crate::sinks::fields::{self, Fields, Outgoing};
use crate::sinks::{secret, tls};
use async_trait::async_trait;
use rskafka::BackoffConfig;
use rskafka::chrono::{DateTime, Utc};
use rskafka::client::partition::{Compression, PartitionClient, UnknownTopicHandling};
use rskafka::client::{Client, ClientBuilder, Credentials, SaslConfig};
use rskafka::record::Record;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::time::timeout;

/// Produces records.
#[derive(Debug)]
pub(super) struct Kafka {
    config: KafkaSink,
    format: Format,
    /// One per partition, in their order; empty: not connected.
    partitions: Vec<Arc<PartitionClient>>,
}

impl Kafka {
    /// Connects when the first alert comes.
    #[must_use]
    pub(super) fn new(config: KafkaSink, format: Format) -> Self {
        Self {
            config,
            format,
            partitions: Vec::new(),
        }
    }

    fn action(&self, verb: &str) -> String {
        format!("{verb} {}", self.config.brokers.join(", "))
    }

    async fn connect(&mut self) -> Result<(), SinkError> {
        if self.partitions.is_empty() {
            let connected = timeout(self.config.timeout, partitions(&self.config)).await;
            let connected = connected.unwrap_or_else(|_| Err("timed out".to_owned()));
            self.partitions = connected.map_err(|error| retry(self.action("connect to"), error))?;
        }
        Ok(())
    }

    async fn produce(&self, alerts: &[Outgoing<'_>]) -> Result<(), String> {
        let mut by_partition: BTreeMap<usize, Vec<Record>> = BTreeMap::new();
        for alert in alerts {
            let partition = crc32fast::hash(key(alert).as_bytes()) as usize % self.partitions.len();
            by_partition.entry(partition).or_default().push(record(alert));
        }
        for (partition, records) in by_partition {
            self.partitions[partition]
                .produce(records, Compression::NoCompression)
                .await
                .map_err(|error| chain(&error))?;
        }
        Ok(())
    }
}

#[async_trait]
impl Sink for Kafka {
    async fn deliver(&mut self, batch: &AlertBatch) -> Result<(), SinkError> {
        let alerts = fields::of_batch(batch, self.format)?;
        self.connect().await?;
        let produced = timeout(self.config.timeout, self.produce(&alerts)).await;
        match produced.unwrap_or_else(|_| Err("timed out".to_owned())) {
            Ok(()) => Ok(()),
            Err(reason) if reason.contains("MessageTooLarge") => Err(SinkError::Reject { reason }),
            Err(reason) => {
                // Leaders move and topics are made anew.
                self.partitions.clear();
                Err(retry(self.action("produce to"), reason))
            }
        }
    }

    async fn healthcheck(&mut self) -> Result<(), SinkError> {
        self.connect().await
    }
}

async fn partitions(config: &KafkaSink) -> Result<Vec<Arc<PartitionClient>>, String> {
    let client = client(config).await?;
    let topics = client.list_topics().await.map_err(|error| chain(&error))?;
    let topic = topics
        .into_iter()
        .find(|topic| topic.name == config.topic)
        .ok_or_else(|| format!("there is no topic `{}`: make one", config.topic))?;
    let mut partitions = Vec::with_capacity(topic.partitions.len());
    for partition in topic.partitions {
        let client = client
            .partition_client(&config.topic, partition, UnknownTopicHandling::Error)
            .await
            .map_err(|error| chain(&error))?;
        partitions.push(Arc::new(client));
    }
    if partitions.is_empty() {
        return Err(format!("the topic `{}` has no partitions", config.topic));
    }
    Ok(partitions)
}

async fn client(config: &KafkaSink) -> Result<Client, String> {
    let mut builder = ClientBuilder::new(config.brokers.clone())
        .client_id("vigia")
        .backoff_config(BackoffConfig {
            deadline: Some(config.timeout),
            ..BackoffConfig::default()
        });
    if let Some(files) = &config.tls {
        let tls = tls::client_config(files).map_err(|error| chain(&error))?;
        builder = builder.tls_config(Arc::new(tls));
    }
    if let Some((username, file)) = &config.login {
        let password = secret::read(file).map_err(|error| error.to_string())?;
        builder = builder.sasl_config(SaslConfig::Plain(Credentials::new(username.clone(), password)));
    }
    builder.build().await.map_err(|error| chain(&error))
}

/// The container's id; the node's name for what concerns the host.
fn key<'a>(alert: &'a Fields<'_>) -> &'a str {
    alert
        .container
        .as_ref()
        .map_or(alert.node.as_ref(), |container| container.id.as_ref())
}

fn record(alert: &Outgoing<'_>) -> Record {
    let header = |name: &str, value: &str| (name.to_owned(), value.as_bytes().to_vec());
    Record {
        key: Some(key(alert).as_bytes().to_vec()),
        value: Some(alert.body.as_bytes().to_vec()),
        headers: [
            header("content-type", "application/json"),
            header("id", &alert.unique_id()),
            header("rule", &alert.rule),
            header("severity", alert.severity.name()),
        ]
        .into(),
        timestamp: DateTime::<Utc>::from_timestamp_nanos(i64::try_from(alert.unix_ns()).unwrap_or(i64::MAX)),
    }
}
