//! The layers in their order, each with errors that name it.

use super::docker::DockerVariables;
use super::files::Place;
use super::injected::is_injected;
use super::origin::{Origin, Origins};
use super::tree::Tree;
use super::validate::validate;
use super::yaml::YamlError;
use super::{Config, RawConfig};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

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
    /// `--config`; `None`: [`super::DEFAULT_FILE`] if it is there.
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

    /// Where the files are.
    #[must_use]
    pub fn place(&self) -> Place {
        Place::new(self.file.as_deref())
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
    /// Where each value of `raw` was written.
    pub origins: Origins,
    /// The files that were read, in their order.
    pub files: Vec<PathBuf>,
}

/// Applies all layers.
///
/// # Errors
/// The first thing that is wrong, with the layer it is in.
pub fn load(sources: &Sources) -> Result<Loaded, ConfigError> {
    let files = sources.place().files()?;
    let mut tree = Tree::defaults();
    for file in &files {
        tree.lay_file(file)?;
    }
    apply_environment(&mut tree, &sources.environment)?;
    apply_flags(&mut tree, &sources.flags)?;
    let raw = tree.read()?;
    let config = validate(&raw, &sources.docker()).map_err(|problem| tree.explain(problem))?;
    let origins = tree.into_origins();
    Ok(Loaded {
        config,
        raw,
        origins,
        files,
    })
}

/// `VIGIA_METRICS__LISTEN=…` sets `metrics.listen`. Values are YAML scalars where the text alone does not fit.
fn apply_environment(tree: &mut Tree, environment: &[(String, String)]) -> Result<(), ConfigError> {
    for (variable, text) in environment {
        let Some(name) = variable.strip_prefix(PREFIX) else {
            continue;
        };
        let other = OTHER_VARIABLES.contains(&variable.as_str()) || variable.starts_with(TEST_PREFIX);
        if other || is_injected(variable, text) {
            continue;
        }
        let name = name.to_lowercase();
        let path: Vec<&str> = name.split("__").collect();
        let origin = Origin::Variable(variable.clone());
        let as_text = Value::String(text.clone());
        let typed = serde_saphyr::from_str::<Value>(text).unwrap_or_else(|_| as_text.clone());
        tree.set(&path, as_text, origin.clone())
            .or_else(|_| tree.set(&path, typed, origin))
            .map_err(|reason| ConfigError::Environment {
                variable: variable.clone(),
                reason,
                help: "keys are those of `agent config default`, nested ones joined by `__`".to_owned(),
            })?;
    }
    Ok(())
}

fn apply_flags(tree: &mut Tree, flags: &Flags) -> Result<(), ConfigError> {
    let dir = |path: &Option<PathBuf>| path.as_deref().map(|path| json!(absolute(path)));
    let text = |text: &Option<String>| text.as_ref().map(|text| json!(text));
    let on = flags.docker_socket.as_ref().map(|_| json!(true));
    let values: [(&'static str, &[&str], Option<Value>); 6] = [
        ("--profiles", &["profiles_dir"], dir(&flags.profiles_dir)),
        ("--state-dir", &["state_dir"], dir(&flags.state_dir)),
        ("--run-dir", &["run_dir"], dir(&flags.run_dir)),
        (
            "--metrics-listen",
            &["metrics", "listen"],
            text(&flags.metrics_listen),
        ),
        ("--docker-socket", &["runtimes", "docker", "enabled"], on),
        (
            "--docker-socket",
            &["runtimes", "docker", "socket"],
            text(&flags.docker_socket),
        ),
    ];
    for (flag, path, value) in values {
        let Some(value) = value else { continue };
        let set = tree.set(path, value, Origin::Flag(flag));
        set.map_err(|reason| ConfigError::Value {
            key: flag.to_owned(),
            reason,
            help: "see `agent run --help`".to_owned(),
        })?;
    }
    match &flags.alerts {
        Some(path) => add_alerts(tree, path),
        None => Ok(()),
    }
}

/// A path on the command line is relative to where the user stands.
pub(super) fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

/// One more sink; where none is configured beside stdout.
fn add_alerts(tree: &mut Tree, path: &Path) -> Result<(), ConfigError> {
    const FLAG: &str = "--alerts";
    const NAME: &str = "alerts";
    let sinks = tree.read()?.sinks;
    let taken = sinks.iter().flatten().any(|sink| sink.name == NAME);
    if path.is_dir() || taken {
        return Err(ConfigError::Value {
            key: FLAG.to_owned(),
            reason: format!(
                "`{}` is a directory, or a sink named `{NAME}` is configured already",
                path.display()
            ),
            help: "name a file, and give the configured sink another name".to_owned(),
        });
    }
    if sinks.is_none() {
        tree.add_sink(json!({"name": "stdout", "type": "stdout"}), Origin::Default);
    }
    let sink = json!({"name": NAME, "type": "file", "path": absolute(path)});
    tree.add_sink(sink, Origin::Flag(FLAG));
    Ok(())
}
