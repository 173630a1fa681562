//! `RawConfig` to `Config`: after this, every value is usable as it is.

use super::docker::{self, DockerVariables};
use super::raw::{OnExit, RawConfig, RawSink};
use super::yaml::{Segment, suggest};
use super::{Config, FileSink, Metrics, SinkConfig, SinkKind, Spool};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// Sink types of later versions: known words, so the message can say what is the matter.
const LATER_SINKS: [&str; 9] = [
    "syslog",
    "webhook",
    "otlp",
    "alertmanager",
    "splunk_hec",
    "elasticsearch",
    "loki",
    "nats",
    "kafka",
];
const LATER_FORMATS: [&str; 4] = ["ocsf", "ecs", "cef", "falco"];

/// A value that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where it stands in the configuration.
    pub path: Vec<Segment>,
    pub reason: String,
    pub help: String,
}

impl Problem {
    pub(super) fn new(path: &str, reason: impl Into<String>, help: impl Into<String>) -> Self {
        let path = path
            .split('.')
            .map(|part| {
                part.parse()
                    .map_or_else(|_| Segment::Key(part.to_owned()), Segment::Index)
            })
            .collect();
        Self {
            path,
            reason: reason.into(),
            help: help.into(),
        }
    }
}

/// Checks every value.
///
/// # Errors
/// The first value that cannot be used.
pub fn validate(raw: &RawConfig, variables: &DockerVariables) -> Result<Config, Problem> {
    for (name, path) in [
        ("state_dir", &raw.state_dir),
        ("run_dir", &raw.run_dir),
        ("profiles_dir", &raw.profiles_dir),
    ] {
        absolute(name, path)?;
    }
    if raw.enforcement.enabled {
        return Err(Problem::new(
            "enforcement.enabled",
            "enforcement is not in this version",
            "set `enforcement.enabled: false`; deviations raise alerts",
        ));
    }
    if raw.on_exit == OnExit::Keep {
        return Err(Problem::new(
            "on_exit",
            "`keep` is not in this version: nothing is pinned that could stay",
            "write `on_exit: detach`",
        ));
    }
    Ok(Config {
        state_dir: raw.state_dir.clone(),
        run_dir: raw.run_dir.clone(),
        profiles_dir: raw.profiles_dir.clone(),
        metrics: metrics(raw)?,
        docker: docker::docker(&raw.runtimes.docker, variables)?,
        sinks: sinks(raw.sinks.as_deref())?,
        spool: spool(raw)?,
        on_exit: raw.on_exit,
        log: raw.log.clone(),
    })
}

fn absolute(name: &str, path: &Path) -> Result<(), Problem> {
    if path.is_absolute() {
        return Ok(());
    }
    Err(Problem::new(
        name,
        format!("`{}` is not an absolute path", path.display()),
        "begin the path with `/`",
    ))
}

fn metrics(raw: &RawConfig) -> Result<Metrics, Problem> {
    if !raw.metrics.enabled {
        return Ok(Metrics { listen: None });
    }
    let text = &raw.metrics.listen;
    let listen = text.parse::<SocketAddr>().map_err(|_| {
        let port = text.rsplit_once(':').map_or("", |(_, port)| port);
        let reason = match port.parse::<u64>() {
            Ok(port) if port > u64::from(u16::MAX) => format!("port {port} is out of range"),
            _ => format!("`{text}` is not an address and a port"),
        };
        Problem::new(
            "metrics.listen",
            reason,
            "write an IP address and a port from 0 to 65535, such as \"127.0.0.1:9478\"",
        )
    })?;
    Ok(Metrics { listen: Some(listen) })
}

fn spool(raw: &RawConfig) -> Result<Spool, Problem> {
    let mib = raw.spool.max_size_mib;
    if !(16..=1 << 20).contains(&mib) {
        return Err(Problem::new(
            "spool.max_size_mib",
            format!("{mib} MiB is out of range"),
            "write a number from 16 to 1048576",
        ));
    }
    Ok(Spool { max_bytes: mib << 20 })
}

fn sinks(raw: Option<&[RawSink]>) -> Result<Vec<SinkConfig>, Problem> {
    let Some(raw) = raw else {
        return Ok(vec![SinkConfig::stdout()]);
    };
    let mut names = HashMap::new();
    let mut stdout = None;
    let mut sinks = Vec::with_capacity(raw.len());
    for (index, entry) in raw.iter().enumerate() {
        if let Some(first) = names.insert(entry.name.as_str(), index) {
            return Err(Problem::new(
                &format!("sinks.{index}.name"),
                format!(
                    "the name `{}` is used twice: sinks {} and {}",
                    entry.name,
                    first + 1,
                    index + 1
                ),
                "give each sink a name of its own",
            ));
        }
        let sink = sink(index, entry)?;
        if sink.kind == SinkKind::Stdout && stdout.replace(index).is_some() {
            return Err(Problem::new(
                &format!("sinks.{index}.type"),
                "two sinks write to stdout",
                "keep one of them",
            ));
        }
        sinks.push(sink);
    }
    Ok(sinks)
}

fn sink(index: usize, raw: &RawSink) -> Result<SinkConfig, Problem> {
    let at = |field: &str| format!("sinks.{index}.{field}");
    let valid = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    if raw.name.is_empty() || raw.name.len() > 64 || !raw.name.bytes().all(valid) {
        return Err(Problem::new(
            &at("name"),
            format!("`{}` is no valid name", raw.name.escape_debug()),
            "use up to 64 letters, digits, `-` and `_`",
        ));
    }
    if raw.format != "native" {
        return Err(word_problem(
            &at("format"),
            "format",
            &raw.format,
            &LATER_FORMATS,
            &["native"],
        ));
    }
    let kind = match raw.kind.as_str() {
        "stdout" => SinkKind::Stdout,
        "file" => SinkKind::File(file(index, raw)?),
        other => {
            return Err(word_problem(
                &at("type"),
                "sink type",
                other,
                &LATER_SINKS,
                &["stdout", "file"],
            ));
        }
    };
    Ok(SinkConfig {
        name: raw.name.clone(),
        kind,
        min_severity: raw.min_severity,
    })
}

fn file(index: usize, raw: &RawSink) -> Result<FileSink, Problem> {
    let at = |field: &str| format!("sinks.{index}.{field}");
    let path: PathBuf = raw.path.clone().ok_or_else(|| {
        Problem::new(
            &format!("sinks.{index}"),
            "a sink of type `file` needs a `path`",
            "add `path: /…`",
        )
    })?;
    absolute(&at("path"), &path)?;
    if !(1..=1 << 20).contains(&raw.max_size_mib) {
        return Err(Problem::new(
            &at("max_size_mib"),
            format!("{} MiB is out of range", raw.max_size_mib),
            "write a number from 1 to 1048576",
        ));
    }
    if raw.max_files > 1000 {
        return Err(Problem::new(
            &at("max_files"),
            "too many files",
            "write a number from 0 to 1000",
        ));
    }
    Ok(FileSink {
        path,
        max_bytes: raw.max_size_mib << 20,
        max_files: raw.max_files,
    })
}

fn word_problem(path: &str, what: &str, word: &str, later: &[&str], now: &[&str]) -> Problem {
    let choice = format!("use one of: {}", now.join(", "));
    if later.contains(&word) {
        return Problem::new(path, format!("{what} `{word}` is not in this version"), choice);
    }
    let help = suggest(word, now.iter().copied()).map_or(choice, |near| format!("did you mean `{near}`?"));
    Problem::new(path, format!("unknown {what} `{}`", word.escape_debug()), help)
}
