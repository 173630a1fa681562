//! `agent profile learn`: the running daemon observes, the profile is written here.

use super::{ClientFlags, Exit, Failure, block_on, client_socket, say};
use crate::control::client::Client;
use crate::control::protocol::{Answer, LearnTarget, Request};
use clap::Args;
use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::time::Duration;

/// Whom to learn from, for how long.
#[derive(Debug, Args)]
pub struct LearnArgs {
    #[command(flatten)]
    target: Target,
    /// How long: 60s, 5m, 1h
    #[arg(long = "for", value_name = "TIME", value_parser = parse_duration, default_value = "60s")]
    duration: Duration,
    /// File to write [default: standard output]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    client: ClientFlags,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct Target {
    /// Name or id of a running container
    #[arg(long, value_name = "NAME")]
    container: Option<String>,
    /// Every container of this image: reference, id or digest
    #[arg(long, value_name = "REF")]
    image: Option<String>,
}

pub(super) fn run(file: Option<&PathBuf>, args: &LearnArgs) -> Result<Exit, Failure> {
    let socket = client_socket(file, &args.client)?;
    let target = match (&args.target.container, &args.target.image) {
        (Some(name), _) => LearnTarget::Container(name.clone()),
        (None, Some(image)) => LearnTarget::Image(image.clone()),
        (None, None) => return Err(Failure::message(Exit::Usage, "give --container or --image")),
    };
    let seconds = args.duration.as_secs();
    let yaml = block_on(async {
        let mut client = Client::connect(&socket).await?;
        match client.request(Request::Learn { target, seconds }).await? {
            Answer::Profile { yaml } => Ok(yaml),
            other => Err(Failure::message(
                Exit::Unavailable,
                format!("unexpected answer: {other:?}"),
            )),
        }
    })?;
    match &args.output {
        None => say(&yaml),
        Some(path) => {
            write(path, &yaml).map_err(|error| {
                Failure::message(
                    Exit::Findings,
                    format!("cannot write {}: {error}", path.display()),
                )
            })?;
            say(&format!("{}: written; review it before use\n", path.display()))
        }
    }
}

fn write(path: &PathBuf, yaml: &str) -> std::io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o644)
        .open(path)?;
    file.write_all(yaml.as_bytes())
}

/// `90`, `90s`, `5m`, `1h`; from one second to a day.
fn parse_duration(text: &str) -> Result<Duration, String> {
    let (number, unit) = match text.char_indices().last() {
        Some((at, unit @ ('s' | 'm' | 'h'))) => (&text[..at], unit),
        _ => (text, 's'),
    };
    let factor = match unit {
        'h' => 3600,
        'm' => 60,
        _ => 1,
    };
    let seconds = number
        .parse::<u64>()
        .ok()
        .and_then(|number| number.checked_mul(factor));
    match seconds {
        Some(seconds @ 1..=86_400) => Ok(Duration::from_secs(seconds)),
        _ => Err("write a time from 1s to 24h, such as 60s or 5m".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_units_and_bounds() {
        assert_eq!(parse_duration("60s"), Ok(Duration::from_secs(60)));
        assert_eq!(parse_duration("5m"), Ok(Duration::from_secs(300)));
        assert_eq!(parse_duration("7"), Ok(Duration::from_secs(7)));
        for wrong in ["", "0s", "25h", "-1", "1d", "99999999999999999999h"] {
            assert!(parse_duration(wrong).is_err(), "{wrong}");
        }
    }
}
