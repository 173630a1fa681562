//! `agent run`.

use super::{Exit, Failure, RunFlags, require_capabilities};
use crate::config::{Config, OnExit, Sources, load};
use crate::daemon::{self, Outlets, SensorParts, Settings};
use crate::kernel::{KernelError, SensorConfig};
use crate::telemetry::http::Ready;
use crate::telemetry::logs;
use agent_common::slot::SlotFlags;
use clap::Args;
use std::path::PathBuf;

/// How to run.
#[derive(Debug, Args)]
pub struct RunArgs {
    #[command(flatten)]
    flags: RunFlags,
    /// Write the run down to this file, for `agent replay`; it must not exist
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
    /// Size at which the recording ends
    #[arg(long, value_name = "N", default_value_t = 256, requires = "record",
          value_parser = clap::value_parser!(u64).range(1..=1 << 20))]
    record_max_mib: u64,
}

pub(super) fn run(file: Option<&PathBuf>, args: &RunArgs) -> Result<Exit, Failure> {
    let settings = settings(file, args)?;
    require_capabilities()?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| Failure::new(Exit::Unavailable, error))?;
    let ended = runtime.block_on(async {
        let mut prepared = daemon::prepare(&settings.config)?;
        if let Some(file) = &args.record {
            prepared = prepared.record(file, args.record_max_mib << 20)?;
        }
        let (outlets, links) = Outlets::start(&settings.config).await?;
        let sensor = match daemon::load_sensor(sensor_config(&settings.config, args)) {
            Ok(sensor) => sensor,
            Err(refused) => {
                stop(outlets).await;
                return Err(refused.into());
            }
        };
        announce(&settings.config, &sensor);
        daemon::run(settings, prepared, outlets, links, sensor).await?;
        Ok(Exit::Ok)
    });
    // A write to a stdout that nobody reads must not keep the process: the alert is in the spool.
    runtime.shutdown_background();
    ended
}

fn sensor_config(config: &Config, args: &RunArgs) -> SensorConfig {
    SensorConfig {
        enforces: config.enforces,
        denies_escapes: config.escapes.is_some(),
        keeps: config.on_exit == OnExit::Keep,
        keeps_in: Some(config.keep_in.clone()),
        watches: args.record.is_some(),
        ..SensorConfig::default()
    }
}

/// Reads the configuration in a way that can be repeated, and starts logging.
fn settings(file: Option<&PathBuf>, args: &RunArgs) -> Result<Settings, Failure> {
    let sources = Sources::from_process(file.cloned(), args.flags.to_flags());
    let config = load(&sources)?.config;
    let log = logs::start(&config.log, std::env::var("VIGIA_LOG").ok().as_deref())?;
    Ok(Settings { config, sources, log })
}

/// What was opened for a sensor that cannot be had is closed in order: a socket that nobody serves would be left.
async fn stop(outlets: Outlets) {
    outlets.tasks().stop();
    if let Err(error) = outlets.run().await {
        tracing::warn!(%error, "not stopped in order");
    }
}

/// One line that says what runs.
fn announce(config: &Config, sensor: &SensorParts) {
    let candidate = |flags: u32| flags & SlotFlags::CANDIDATE != 0;
    let containers = sensor.running.iter().filter(|found| !candidate(found.flags));
    let metrics = config.metrics.listen.map(|address| address.to_string());
    if sensor.ready != Ready::Yes {
        tracing::error!(reason = sensor.ready.reason(), "agent runs, but is not ready");
    }
    tracing::info!(
        kernel = %rustix::system::uname().release().to_string_lossy(),
        containers = containers.count(),
        blind_capabilities = sensor.findings.len(),
        metrics = metrics.as_deref().unwrap_or("off"),
        socket = %config.socket().display(),
        "agent runs"
    );
}

impl From<KernelError> for Failure {
    fn from(error: KernelError) -> Self {
        let exit = if error.is_permission() {
            Exit::NoPermission
        } else {
            Exit::Unavailable
        };
        Self::message(exit, error)
    }
}
