//! The requests that are made, each with its time-out. The only user of gRPC to runtimes.

use super::CriConfig;
use super::api::{
    Container, ContainerStatusRequest, ContainerStatusResponse, Empty, ListContainersResponse,
    ListPodSandboxResponse, PodSandbox, SubscribeRequest,
};
use crate::container::RuntimeError;
use prost::Message;
use std::error::Error;
use std::time::Duration;
use tokio::sync::Notify;
use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status};
use tonic_prost::ProstCodec;

/// Largest answer: what a kubelet takes.
const MAX_ANSWER: usize = 16 << 20;
/// What containerd's own events are asked for, where it has none of CRI's (before 1.7).
const CONTAINERD_TOPICS: [&str; 3] = ["/containers/create", "/tasks/start", "/containers/delete"];

/// A connected client.
#[derive(Debug, Clone)]
pub(super) struct Client {
    grpc: Grpc<Channel>,
    runtime: &'static str,
    timeout: Duration,
}

impl Client {
    pub(super) async fn connect(config: &CriConfig) -> Result<Self, RuntimeError> {
        let refused = |reason: String| RuntimeError::Connect {
            runtime: config.name,
            address: config.socket.display().to_string(),
            reason,
        };
        let endpoint = Endpoint::from_shared(format!("unix://{}", config.socket.display()))
            .map_err(|error| refused(chain(&error)))?
            .connect_timeout(config.timeout);
        let connected = tokio::time::timeout(config.timeout, endpoint.connect()).await;
        let channel = connected
            .map_err(|_| timed_out(config.name, "connect", config.timeout))?
            .map_err(|error| refused(chain(&error)))?;
        Ok(Self {
            grpc: Grpc::new(channel).max_decoding_message_size(MAX_ANSWER),
            runtime: config.name,
            timeout: config.timeout,
        })
    }

    pub(super) async fn sandboxes(&self) -> Result<Vec<PodSandbox>, RuntimeError> {
        let path = "/runtime.v1.RuntimeService/ListPodSandbox";
        let answer: ListPodSandboxResponse = self.ask("list sandboxes", path, Empty {}).await?;
        Ok(answer.items)
    }

    pub(super) async fn containers(&self) -> Result<Vec<Container>, RuntimeError> {
        let path = "/runtime.v1.RuntimeService/ListContainers";
        let answer: ListContainersResponse = self.ask("list containers", path, Empty {}).await?;
        Ok(answer.containers)
    }

    pub(super) async fn status(&self, id: &str) -> Result<ContainerStatusResponse, RuntimeError> {
        let request = ContainerStatusRequest {
            container_id: id.to_owned(),
            verbose: true,
        };
        let path = "/runtime.v1.RuntimeService/ContainerStatus";
        self.ask("container status", path, request).await
    }

    /// Wakes `wake` at each change: by CRI's events, else by containerd's. Ends where neither is offered (any more).
    pub(super) async fn tell_changes(&self, wake: &Notify) {
        let path = "/runtime.v1.RuntimeService/GetContainerEvents";
        self.follow(path, Empty {}, wake).await;
        let filter = |topic| format!("namespace==k8s.io,topic==\"{topic}\"");
        let filters = CONTAINERD_TOPICS.map(filter).into();
        let path = "/containerd.services.events.v1.Events/Subscribe";
        self.follow(path, SubscribeRequest { filters }, wake).await;
    }

    /// Without a time-out: servers answer only when there is an event.
    async fn follow<Q>(&self, path: &'static str, request: Q, wake: &Notify)
    where
        Q: Message + Default + 'static,
    {
        let mut grpc = self.grpc.clone();
        if grpc.ready().await.is_err() {
            return;
        }
        let codec = ProstCodec::<Q, Empty>::default();
        let path = PathAndQuery::from_static(path);
        match grpc.server_streaming(Request::new(request), path, codec).await {
            Ok(answer) => {
                let mut changes = answer.into_inner();
                while let Ok(Some(_)) = changes.message().await {
                    wake.notify_one();
                }
            }
            Err(status) => tracing::debug!(runtime = self.runtime, %status, "no such events"),
        }
    }

    async fn ask<Q, A>(&self, what: &'static str, path: &'static str, request: Q) -> Result<A, RuntimeError>
    where
        Q: Message + Default + 'static,
        A: Message + Default + 'static,
    {
        let mut grpc = self.grpc.clone();
        let answer = async {
            grpc.ready()
                .await
                .map_err(|error| Status::unavailable(chain(&error)))?;
            let codec = ProstCodec::<Q, A>::default();
            grpc.unary(Request::new(request), PathAndQuery::from_static(path), codec)
                .await
        };
        tokio::time::timeout(self.timeout, answer)
            .await
            .map_err(|_| timed_out(self.runtime, what, self.timeout))?
            .map(tonic::Response::into_inner)
            .map_err(|status| self.failed(what, &status))
    }

    fn failed(&self, request: &'static str, status: &Status) -> RuntimeError {
        if status.code() == Code::Unimplemented {
            return RuntimeError::NotOffered {
                runtime: self.runtime,
                service: "CRI (runtime.v1)",
            };
        }
        RuntimeError::Request {
            runtime: self.runtime,
            request,
            reason: format!("{:?}: {}", status.code(), status.message()),
        }
    }
}

fn timed_out(runtime: &'static str, request: &'static str, timeout: Duration) -> RuntimeError {
    RuntimeError::Timeout {
        runtime,
        request,
        seconds: timeout.as_secs(),
    }
}

/// The error with its causes: a transport's own text says only "transport error".
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
