//! The layers in their order, each with errors that name it.

use super::docker::DockerVariables;
use super::injected::is_injected;
use super::validate::{Problem, validate};
use super::yaml::{self, Segment, YamlError};
use super::{Config, FileSink, RawConfig, SinkConfig, SinkKind};
use crate::detect::Severity;
use serde_json::Value;
use std::path::{Path, PathBuf};

/// Read when it is there and no other file is named.
pub const DEFAULT_FILE: &str = "/etc/vigia/config.yaml";
const PREFIX: &str = "VIGIA_";
/// Variables with the prefix that are no configuration keys.
const OTHER_VARIABLES: [&str; 3] = ["VIGIA_CONFIG", "VIGIA_LOG", "VIGIA_EBPF_OBJECT"];
/// Docker's own variables that are honoured.
const DOCKER_VARIABLES: [&str; 2] = ["DOCKER_HOST", "DOCKER_TLS_VERIFY"];
/// Variables of the tests.
const TEST_PREFIX: &str = "VIGIA_TEST_";

/// Why there is no configuration. Exit code 78.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("{0}")]
    File(#[from] YamlError),
    #[error("environment variable {variable}: {reason}\n  help: {help}")]
    Environment {
        variable: String,
        reason: String,
        help: String,
    },
    #[error("{key}: {reason}\n  help: {help}")]
    Value {
        key: String,
        reason: String,
        help: String,
    },
}

/// What flags override.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Flags {
    pub profiles_dir: Option<PathBuf>,
    pub docker_socket: Option<String>,
    pub state_dir: Option<PathBuf>,
    pub run_dir: Option<PathBuf>,
    pub metrics_listen: Option<String>,
    /// One more sink, of type file.
    pub alerts: Option<PathBuf>,
}

/// Everything a configuration is made of. Passed in, so tests need no environment.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// `--config`; `None`: [`DEFAULT_FILE`] if it is there.
    pub file: Option<PathBuf>,
    pub environment: Vec<(String, String)>,
    pub flags: Flags,
}

impl Sources {
    /// With this process's environment.
    #[must_use]
    pub fn from_process(file: Option<PathBuf>, flags: Flags) -> Self {
        let environment = std::env::vars_os()
            .filter_map(|(key, value)| Some((key.into_string().ok()?, value.into_string().ok()?)))
            .filter(|(key, _)| key.starts_with(PREFIX) || DOCKER_VARIABLES.contains(&key.as_str()))
            .collect();
        Self {
            file,
            environment,
            flags,
        }
    }

    /// For commands that never ask Docker: what is wrong with its variables must not stop them.
    #[must_use]
    pub fn without_docker(mut self) -> Self {
        self.environment
            .retain(|(key, _)| !DOCKER_VARIABLES.contains(&key.as_str()));
        self
    }

    fn docker(&self) -> DockerVariables {
        let [host, tls_verify] = DOCKER_VARIABLES.map(|name| {
            let found = self.environment.iter().find(|(key, _)| key == name);
            found.map(|(_, value)| value.clone()).unwrap_or_default()
        });
        DockerVariables { host, tls_verify }
    }
}

/// A configuration and what it was made from.
#[derive(Debug, Clone)]
pub struct Loaded {
    pub config: Config,
    pub raw: RawConfig,
    /// The file that was read.
    pub file: Option<PathBuf>,
}

/// Applies all layers.
///
/// # Errors
/// The first thing that is wrong, with the layer it is in.
pub fn load(sources: &Sources) -> Result<Loaded, ConfigError> {
    let file = sources.file.clone().or_else(|| {
        let path = Path::new(DEFAULT_FILE);
        path.exists().then(|| path.to_owned())
    });
    let mut raw = RawConfig::default();
    if let Some(file) = &file {
        raw = read_file(file)?;
    }
    raw = apply_environment(raw, &sources.environment)?;
    apply_flags(&mut raw, &sources.flags);
    let mut config = validate(&raw, &sources.docker()).map_err(value_error)?;
    if let Some(path) = &sources.flags.alerts {
        config.sinks.push(alerts_sink(path, &config.sinks)?);
    }
    Ok(Loaded { config, raw, file })
}

fn read_file(file: &Path) -> Result<RawConfig, ConfigError> {
    let text = yaml::read(file)?;
    let raw: RawConfig = yaml::parse(file, &text)?;
    validate(&raw, &DockerVariables::default()).map_err(|problem| YamlError {
        file: file.to_owned(),
        position: yaml::locate(&text, &problem.path),
        reason: format!("{}: {}", dotted(&problem.path), problem.reason),
        help: problem.help,
    })?;
    Ok(raw)
}

/// `VIGIA_METRICS__LISTEN=…` sets `metrics.listen`. Values are YAML scalars where the text alone does not fit.
fn apply_environment(raw: RawConfig, environment: &[(String, String)]) -> Result<RawConfig, ConfigError> {
    let mut raw = raw;
    for (variable, text) in environment {
        let Some(name) = variable.strip_prefix(PREFIX) else {
            continue;
        };
        let other = OTHER_VARIABLES.contains(&variable.as_str()) || variable.starts_with(TEST_PREFIX);
        if other || is_injected(variable, text) {
            continue;
        }
        let path: Vec<String> = name.split("__").map(str::to_lowercase).collect();
        raw = override_key(&raw, &path, text).map_err(|reason| ConfigError::Environment {
            variable: variable.clone(),
            reason,
            help: "keys are those of `agent config default`, nested ones joined by `__`".to_owned(),
        })?;
        validate(&raw, &DockerVariables::default()).map_err(|Problem { reason, help, .. }| {
            ConfigError::Environment {
                variable: variable.clone(),
                reason,
                help,
            }
        })?;
    }
    Ok(raw)
}

fn override_key(raw: &RawConfig, path: &[String], text: &str) -> Result<RawConfig, String> {
    let as_text = Value::String(text.to_owned());
    let typed = serde_saphyr::from_str::<Value>(text).unwrap_or_else(|_| as_text.clone());
    let mut reason = String::new();
    for value in [as_text, typed] {
        let mut tree = serde_json::to_value(raw).map_err(|error| error.to_string())?;
        set(&mut tree, path, value)?;
        match serde_json::from_value(tree) {
            Ok(changed) => return Ok(changed),
            Err(error) => reason = error.to_string(),
        }
    }
    Err(reason)
}

fn set(tree: &mut Value, path: &[String], value: Value) -> Result<(), String> {
    let mut node = tree;
    for key in path {
        let known = node
            .as_object()
            .map(|object| object.keys().cloned().collect::<Vec<_>>());
        node = node.get_mut(key.as_str()).ok_or_else(|| {
            let near = known
                .as_ref()
                .and_then(|keys| yaml::suggest(key, keys.iter().map(String::as_str)));
            near.map_or_else(
                || format!("there is no key `{key}`"),
                |near| format!("there is no key `{key}`; did you mean `{}`?", near.to_uppercase()),
            )
        })?;
    }
    *node = value;
    Ok(())
}

fn apply_flags(raw: &mut RawConfig, flags: &Flags) {
    let Flags {
        profiles_dir,
        docker_socket,
        state_dir,
        run_dir,
        metrics_listen,
        alerts: _,
    } = flags.clone();
    if let Some(dir) = profiles_dir {
        raw.profiles_dir = absolute(dir);
    }
    if let Some(dir) = state_dir {
        raw.state_dir = absolute(dir);
    }
    if let Some(dir) = run_dir {
        raw.run_dir = absolute(dir);
    }
    if let Some(listen) = metrics_listen {
        raw.metrics.listen = listen;
    }
    if docker_socket.is_some() {
        raw.runtimes.docker.socket = docker_socket;
        raw.runtimes.docker.enabled = true;
    }
}

/// A path on the command line is relative to where the user stands.
fn absolute(path: PathBuf) -> PathBuf {
    std::path::absolute(&path).unwrap_or(path)
}

fn alerts_sink(path: &Path, sinks: &[SinkConfig]) -> Result<SinkConfig, ConfigError> {
    let name = "alerts".to_owned();
    if path.is_dir() || sinks.iter().any(|sink| sink.name == name) {
        return Err(ConfigError::Value {
            key: "--alerts".to_owned(),
            reason: format!(
                "`{}` is a directory, or a sink named `alerts` is configured already",
                path.display()
            ),
            help: "name a file, and give the configured sink another name".to_owned(),
        });
    }
    Ok(SinkConfig {
        name,
        kind: SinkKind::File(FileSink::new(absolute(path.to_owned()))),
        min_severity: Severity::Info,
    })
}

fn value_error(problem: Problem) -> ConfigError {
    ConfigError::Value {
        key: dotted(&problem.path),
        reason: problem.reason,
        help: problem.help,
    }
}

fn dotted(path: &[Segment]) -> String {
    let mut text = String::new();
    for segment in path {
        match segment {
            Segment::Key(key) if text.is_empty() => text.push_str(key),
            Segment::Key(key) => text.push_str(&format!(".{key}")),
            Segment::Index(index) => text.push_str(&format!("[{index}]")),
        }
    }
    text
}
