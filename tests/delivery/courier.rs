//! The agent without its kernel half: a spool that is filled once with a number of alerts, and the sinks of a configuration. Killed and
//! started again it goes on where it was; it ends when every sink has everything.
//!
//! `vigia-courier CONFIG COUNT [PER_SECOND]`

use agent::config::{Flags, Sources, load};
use agent::daemon::Outlets;
use agent::detect::Severity;
use agent::event::Timestamp;
use agent::spool::Spool;
use anyhow::{Context, Result};
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const SAMPLES: &str = include_str!("../recordings/containers.ndjson");

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let config = arguments.next().context("CONFIG is missing")?;
    let count: u64 = arguments.next().context("COUNT is missing")?.parse()?;
    let per_second = arguments.next().map(|rate| rate.parse()).transpose()?;
    agent::telemetry::logs::start(&agent::config::RawLog::default(), None)?;
    tokio::runtime::Runtime::new()?.block_on(deliver(Path::new(&config), count, per_second))
}

async fn deliver(config: &Path, count: u64, per_second: Option<u64>) -> Result<()> {
    let sources = Sources {
        file: Some(config.to_owned()),
        environment: Vec::new(),
        flags: Flags::default(),
    };
    let config = load(&sources)?.config;
    let (outlets, links) = Outlets::start(&config).await?;
    let spool = links.spool.clone().context("there is no spool")?;
    let filled = config.state_dir.join("filled");
    if !filled.exists() {
        fill(&spool, count, per_second).await?;
        std::fs::write(&filled, "")?;
    }
    let names: Vec<_> = config.sinks.iter().map(|sink| sink.name.clone()).collect();
    let stop = outlets.tasks().token();
    outlets.tasks().spawn("end", async move {
        while names.iter().any(|name| spool.pending(name) > 0) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        stop.cancel();
        Ok(())
    });
    outlets.run().await?;
    Ok(())
}

/// Appends alerts that differ by their ids: `00000000-0000-7000-8000-` and the number. At a pace, or as fast as the disk takes them.
async fn fill(spool: &Spool, count: u64, per_second: Option<u64>) -> Result<()> {
    let mut pace =
        per_second.map(|rate| tokio::time::interval(Duration::from_nanos(1_000_000_000 / rate.max(1))));
    let samples: Vec<serde_json::Value> = SAMPLES
        .lines()
        .map(serde_json::from_str)
        .collect::<Result<_, _>>()?;
    for (number, sample) in (0..count).zip(samples.iter().cycle()) {
        if let Some(pace) = &mut pace {
            pace.tick().await;
        }
        let mut alert = sample.clone();
        alert["time"] = now()?.into();
        alert["id"] = format!("00000000-0000-7000-8000-{number:012x}").into();
        // Receivers that group by container are to see them all.
        alert["container"]["id"] = format!("{number:012x}{:052x}", 0).into();
        let severity: Severity = serde_json::from_value(alert["severity"].clone())?;
        spool.append_line(severity, alert.to_string().into_bytes());
        if spool.queue_depth() > Spool::QUEUE / 2 {
            spool.flush().await;
        }
    }
    spool.flush().await;
    Ok(())
}

/// Brokers throw away what is older than they are to keep.
fn now() -> Result<String> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_nanos();
    Ok(Timestamp(i128::try_from(now)?).to_rfc3339())
}
