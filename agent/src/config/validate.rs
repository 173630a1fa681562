//! `RawConfig` to `Config`: after this, every value is usable as it is.

use super::docker::{self, DockerVariables};
use super::escapes;
use super::raw::{OnExit, RawConfig};
use super::runtimes;
use super::sinks::sinks;
use super::yaml::{Segment, suggest};
use super::{Config, Metrics, Spool};
use std::net::SocketAddr;
use std::path::Path;

/// Length of the longest host name of DNS.
const MAX_NODE: usize = 253;

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
        ("rules.dir", &raw.rules.dir),
    ] {
        absolute(name, path)?;
    }
    if raw.on_exit == OnExit::Keep && !raw.enforcement.enabled {
        return Err(Problem::new(
            "on_exit",
            "nothing is enforced that `keep` could keep",
            "write `on_exit: release`, or `enforcement: {enabled: true}`",
        ));
    }
    absolute("enforcement.keep_in", &raw.enforcement.keep_in)?;
    Ok(Config {
        node: node(raw)?,
        state_dir: raw.state_dir.clone(),
        run_dir: raw.run_dir.clone(),
        profiles_dir: raw.profiles_dir.clone(),
        rules_dir: raw.rules.dir.clone(),
        metrics: metrics(raw)?,
        docker: docker::docker(&raw.runtimes.docker, variables)?,
        sockets: runtimes::sockets(&raw.runtimes)?,
        sinks: sinks(raw.sinks.as_deref())?,
        spool: spool(raw)?,
        on_exit: raw.on_exit,
        enforces: raw.enforcement.enabled,
        escapes: escapes::escapes(&raw.enforcement)?,
        keep_in: raw.enforcement.keep_in.clone(),
        log: raw.log.clone(),
    })
}

/// Receivers take it as a host's name, and syslog ends it at a space.
fn node(raw: &RawConfig) -> Result<Option<String>, Problem> {
    let Some(node) = &raw.node else {
        return Ok(None);
    };
    if (1..=MAX_NODE).contains(&node.len()) && node.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(Some(node.clone()));
    }
    Err(Problem::new(
        "node",
        format!("`{}` is not the name of a host", node.escape_debug()),
        format!("write 1 to {MAX_NODE} visible ASCII characters without spaces, or leave it out"),
    ))
}

pub(super) fn absolute(name: &str, path: &Path) -> Result<(), Problem> {
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

/// A word that is none of those that are known.
pub(super) fn word_problem(path: &str, what: &str, word: &str, known: &[&str]) -> Problem {
    let choice = format!("use one of: {}", known.join(", "));
    let help = suggest(word, known.iter().copied()).map_or(choice, |near| format!("did you mean `{near}`?"));
    Problem::new(path, format!("unknown {what} `{}`", word.escape_debug()), help)
}
