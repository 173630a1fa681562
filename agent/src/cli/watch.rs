//! `agent watch`.

use super::output::wants_colour;
use super::{ClientFlags, Exit, Failure, block_on, client_socket, load_config, require_capabilities};
use crate::control::Filter;
use crate::control::client::ClientError;
use crate::daemon;
use crate::detect::Class;
use crate::event::EventKind;
use crate::kernel::SensorConfig;
use crate::shutdown::Tasks;
use crate::telemetry::logs;
use crate::watch::{Detail, Lines, View, follow};
use clap::Args;
use clap::builder::PossibleValuesParser;
use serde::Deserialize;
use serde::de::IntoDeserializer;
use serde::de::value::Error as WordError;
use std::path::PathBuf;
use std::time::Duration;

/// Time for the sensor to be detached.
const GRACE: Duration = Duration::from_secs(2);

/// What to watch.
#[derive(Debug, Args)]
pub struct WatchArgs {
    /// NDJSON instead of readable lines
    #[arg(long)]
    json: bool,
    /// Only this container: name, id or the beginning of its id; then every single event of it is shown
    #[arg(long, value_name = "NAME")]
    container: Option<String>,
    /// Only containers whose image contains this text; then every single event of them is shown
    #[arg(long, value_name = "TEXT")]
    image: Option<String>,
    /// Only alerts of these classes
    #[arg(long, value_name = "CLASS", value_delimiter = ',', value_parser = parse_class)]
    class: Vec<Class>,
    /// Only these kinds of events
    #[arg(long, value_name = "KIND", value_delimiter = ',', value_parser = kinds())]
    kind: Vec<String>,
    /// Also reads of files that are in the image (always shown with --json or --kind file_open)
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    client: ClientFlags,
}

impl WatchArgs {
    fn filter(&self) -> Filter {
        Filter {
            container: self.container.clone(),
            image: self.image.clone(),
            classes: self.class.clone(),
            kinds: self.kind.clone(),
        }
    }

    fn detail(&self) -> Detail {
        if self.all || self.kind.iter().any(|kind| kind == EventKind::FILE_OPEN.name()) {
            Detail::Everything
        } else {
            Detail::Relevant
        }
    }

    fn view(&self) -> View {
        match (self.json, wants_colour()) {
            (true, _) => View::Json,
            (false, true) => View::Coloured,
            (false, false) => View::Plain,
        }
    }
}

pub(super) fn run(file: Option<&PathBuf>, args: &WatchArgs) -> Result<Exit, Failure> {
    let socket = client_socket(file, &args.client)?;
    block_on(async {
        match Lines::from_daemon(&socket, args.filter()).await {
            Ok(lines) => follow(lines, args.view(), args.detail()).await?,
            Err(ClientError::NotRunning { .. }) => alone(file, args).await?,
            Err(error) => return Err(error.into()),
        }
        Ok(Exit::Ok)
    })
}

/// No daemon runs: with a sensor of this process, for as long as it watches.
async fn alone(file: Option<&PathBuf>, args: &WatchArgs) -> Result<(), Failure> {
    let config = &load_config(file, args.client.to_flags())?.config;
    require_capabilities()?;
    logs::start(&config.log, std::env::var("VIGIA_LOG").ok().as_deref())?;
    let prepared = daemon::prepare(config)?;
    let sensor = daemon::load_sensor(SensorConfig {
        watches: true,
        ..SensorConfig::default()
    })?;
    let tasks = Tasks::new();
    let stream = daemon::watch_alone(config, prepared, sensor, args.filter(), &tasks)?;
    let stop = tasks.token();
    let followed = tokio::select! {
        followed = follow(Lines::Local(stream), args.view(), args.detail()) => followed,
        () = stop.cancelled() => Err(ClientError::Ended),
    };
    match tasks.drain(GRACE).await.failure {
        Some((task, error)) => Err(Failure::message(
            Exit::Unavailable,
            format!("{task}: {error:#}; nothing more is shown"),
        )),
        None => Ok(followed?),
    }
}

fn parse_class(word: &str) -> Result<Class, String> {
    Class::deserialize(word.into_deserializer()).map_err(|error: WordError| error.to_string())
}

fn kinds() -> PossibleValuesParser {
    PossibleValuesParser::new(EventKind::ALL.map(|(_, name)| name))
}
