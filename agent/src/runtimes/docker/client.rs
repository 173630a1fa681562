//! The requests that are made, each with its time-out. The only user of bollard's client.

use super::DockerConfig;
use crate::container::RuntimeError;
use bollard::API_DEFAULT_VERSION;
use bollard::models::{ContainerInspectResponse, ContainerSummary, EventMessage, ImageInspect};
use bollard::query_parameters::{EventsOptionsBuilder, InspectContainerOptions, ListContainersOptions};
use futures_util::{Stream, TryStreamExt};
use std::collections::HashMap;
use std::future::Future;
use std::time::Duration;

/// What is asked of the event stream; the rest (above all `exec_*` of health checks) would only fill it.
const ACTIONS: [&str; 8] = [
    "create",
    "start",
    "restart",
    "rename",
    "die",
    "destroy",
    "connect",
    "disconnect",
];
/// Podman's word for `destroy`.
const PODMAN_ACTION: &str = "remove";

/// A connected client: the API's version is agreed.
#[derive(Debug, Clone)]
pub(super) struct Client {
    docker: bollard::Docker,
    runtime: &'static str,
    timeout: Duration,
}

impl Client {
    /// Connects and agrees on a version: a daemon refuses requests of a newer one.
    pub(super) async fn connect(config: &DockerConfig) -> Result<Self, RuntimeError> {
        let refused = |reason: String| RuntimeError::Connect {
            runtime: config.name,
            address: config.host.clone(),
            reason,
        };
        let docker = open(config).map_err(refused)?;
        let agreed = tokio::time::timeout(config.timeout, docker.negotiate_version()).await;
        let docker = agreed
            .map_err(|_| RuntimeError::Timeout {
                runtime: config.name,
                request: "version",
                seconds: config.timeout.as_secs(),
            })?
            .map_err(|error| refused(reason(&error)))?;
        Ok(Self {
            docker,
            runtime: config.name,
            timeout: config.timeout,
        })
    }

    /// Containers that run.
    pub(super) async fn list(&self) -> Result<Vec<ContainerSummary>, RuntimeError> {
        let running = ListContainersOptions::default();
        self.timed("list containers", self.docker.list_containers(Some(running)))
            .await
    }

    pub(super) async fn container(&self, id: &str) -> Result<ContainerInspectResponse, RuntimeError> {
        let options = None::<InspectContainerOptions>;
        self.timed("inspect container", self.docker.inspect_container(id, options))
            .await
    }

    pub(super) async fn image(&self, reference: &str) -> Result<ImageInspect, RuntimeError> {
        self.timed("inspect image", self.docker.inspect_image(reference))
            .await
    }

    /// Events from `since` (seconds since the Unix epoch) on. Only the begin of the answer has a time-out.
    pub(super) fn events(&self, since: i64) -> impl Stream<Item = Result<EventMessage, RuntimeError>> + '_ {
        let actions = ACTIONS.into_iter().chain([PODMAN_ACTION]).collect();
        let filters = HashMap::from([("type", vec!["container", "network"]), ("event", actions)]);
        let options = EventsOptionsBuilder::default()
            .since(&since.to_string())
            .filters(&filters)
            .build();
        self.docker
            .events(Some(options))
            .map_err(|error| self.failed("events", &reason(&error)))
    }

    pub(super) fn failed(&self, request: &'static str, reason: &str) -> RuntimeError {
        RuntimeError::Request {
            runtime: self.runtime,
            request,
            reason: reason.to_owned(),
        }
    }

    async fn timed<T>(
        &self,
        request: &'static str,
        answer: impl Future<Output = Result<T, bollard::errors::Error>>,
    ) -> Result<T, RuntimeError> {
        tokio::time::timeout(self.timeout, answer)
            .await
            .map_err(|_| RuntimeError::Timeout {
                runtime: self.runtime,
                request,
                seconds: self.timeout.as_secs(),
            })?
            .map_err(|error| self.failed(request, &reason(&error)))
    }
}

fn open(config: &DockerConfig) -> Result<bollard::Docker, String> {
    // bollard counts in whole seconds; this bounds the wait for the event stream's first byte. All other
    // requests meet our own time-out first, which says what did not answer.
    let seconds = config.timeout.as_secs() + 1;
    let host = config.host.as_str();
    let opened = match host.split_once("://") {
        Some(("unix", _)) => bollard::Docker::connect_with_unix(host, seconds, API_DEFAULT_VERSION),
        Some(("tcp" | "http", _)) => bollard::Docker::connect_with_http(host, seconds, API_DEFAULT_VERSION),
        _ => return Err("only unix:// and tcp:// addresses are supported".to_owned()),
    };
    opened.map_err(|error| reason(&error))
}

/// The error with its causes: hyper's own text says only "client error (Connect)".
fn reason(error: &bollard::errors::Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        let next = error.to_string();
        if !text.contains(&next) {
            text = format!("{text}: {next}");
        }
        cause = error.source();
    }
    text
}
