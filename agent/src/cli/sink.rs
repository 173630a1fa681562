//! `agent sink test NAME`: one marked alert to one sink, past the spool.

use super::output::say_json;
use super::{Exit, Failure, Output, block_on, load_without_docker, say};
use crate::alert::{Alert, AlertBuilder, AlertIds};
use crate::config::yaml::suggest;
use crate::config::{Flags, SinkConfig};
use crate::detect::SensorFinding;
use crate::event::BootTime;
use crate::host::{HostFacts, HostSources};
use crate::sink::{AlertBatch, SinkError};
use crate::sinks;
use crate::spool::{Record, Sequence, Spool};
use clap::{Args, Subcommand};
use serde::Serialize;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

/// What about a sink.
#[derive(Debug, Subcommand)]
pub enum SinkCommand {
    /// Send one alert of the rule sensor.sink_test, whatever the sink's filter says; exit code 1 when it does not arrive
    Test(TestArgs),
}

/// Which sink.
#[derive(Debug, Args)]
pub struct TestArgs {
    /// Its name in the configuration
    name: String,
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

/// How it went.
#[derive(Debug, Serialize)]
struct Outcome<'a> {
    sink: &'a str,
    delivered: bool,
    /// Id of the alert, to look for at the receiver.
    alert: String,
    milliseconds: u128,
    error: Option<String>,
}

pub(super) fn run(file: Option<&PathBuf>, command: &SinkCommand) -> Result<Exit, Failure> {
    let SinkCommand::Test(args) = command;
    let config = load_without_docker(file, Flags::default())?.config;
    let sink = find(&config.sinks, &args.name)?;
    let alert = alert(&sink.name, config.node.clone())
        .ok_or_else(|| Failure::message(Exit::Findings, "the alert could not be made"))?;
    let started = Instant::now();
    let result = block_on(async { Ok(deliver(sink, &alert).await) })?;
    let outcome = Outcome {
        sink: &sink.name,
        delivered: result.is_ok(),
        alert: format!("{}-{}", alert.id, alert.revision),
        milliseconds: started.elapsed().as_millis(),
        error: result.err().map(|error| error.to_string()),
    };
    match args.output {
        Output::Json => say_json(&outcome)?,
        Output::Text => say(&text(&outcome))?,
    };
    Ok(if outcome.delivered {
        Exit::Ok
    } else {
        Exit::Findings
    })
}

fn find<'a>(sinks: &'a [SinkConfig], name: &str) -> Result<&'a SinkConfig, Failure> {
    sinks.iter().find(|sink| sink.name == name).ok_or_else(|| {
        let names: Vec<&str> = sinks.iter().map(|sink| sink.name.as_str()).collect();
        let help = suggest(name, names.iter().copied()).map_or_else(
            || format!("configured are: {}", names.join(", ")),
            |near| format!("did you mean `{near}`?"),
        );
        Failure::message(Exit::Usage, format!("there is no sink `{name}`\n  help: {help}"))
    })
}

/// As the agent would raise it.
fn alert(sink: &str, node: Option<String>) -> Option<Alert> {
    let host = HostFacts::gather(&HostSources {
        node,
        ..HostSources::default()
    });
    let mut alerts = AlertBuilder::new(AlertIds::new(RandomState::new().build_hasher().finish()));
    let finding = SensorFinding::SinkTest {
        sink: sink.to_owned(),
    };
    alerts.raise_sensor(finding.into_finding(), None, BootTime(now_ns()), &host)
}

fn now_ns() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    let ns = i128::from(now.tv_sec) * 1_000_000_000 + i128::from(now.tv_nsec);
    u64::try_from(ns).unwrap_or(0)
}

async fn deliver(config: &SinkConfig, alert: &Alert) -> Result<(), SinkError> {
    let mut sink = sinks::open(config)?;
    sink.healthcheck().await?;
    let record = Record {
        sequence: Sequence(0),
        severity: alert.severity,
        time_unix_ms: 0,
        payload: alert.to_line(Spool::MAX_LINE_BYTES).into_bytes(),
    };
    let batch = AlertBatch {
        records: vec![Arc::new(record)],
    };
    sink.deliver(&batch).await?;
    sink.close().await;
    Ok(())
}

fn text(outcome: &Outcome<'_>) -> String {
    match &outcome.error {
        None => format!(
            "sink {}: alert {} delivered in {} ms\n",
            outcome.sink, outcome.alert, outcome.milliseconds
        ),
        Some(error) => format!("sink {}: not delivered: {error}\n", outcome.sink),
    }
}
