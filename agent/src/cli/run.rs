//! `agent run`.

use super::{Exit, Failure, RunFlags, load_config, require_capabilities};
use crate::daemon::{self, Outlets};
use crate::kernel::{KernelError, SensorConfig};
use crate::telemetry::logs;
use clap::Args;
use std::path::PathBuf;

/// How to run.
#[derive(Debug, Args)]
pub struct RunArgs {
    #[command(flatten)]
    flags: RunFlags,
}

pub(super) fn run(file: Option<&PathBuf>, args: &RunArgs) -> Result<Exit, Failure> {
    let config = load_config(file, args.flags.to_flags())?.config;
    logs::start(&config.log, std::env::var("VIGIA_LOG").ok().as_deref())?;
    require_capabilities()?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| Failure::new(Exit::Unavailable, error))?;
    let ended = runtime.block_on(async {
        let prepared = daemon::prepare(&config)?;
        let (outlets, links) = Outlets::start(&config).await?;
        let sensor = daemon::load_sensor(SensorConfig::default())?;
        tracing::info!(socket = %config.socket().display(), "agent is ready");
        daemon::run(&config, prepared, outlets, links, sensor).await?;
        Ok(Exit::Ok)
    });
    // A write to a stdout that nobody reads must not keep the process: the alert is in the spool.
    runtime.shutdown_background();
    ended
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
