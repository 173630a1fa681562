//! What a kubelet asks of a runtime to run a pod, in its words; only the fields that are needed.

use agent_tests::image::BUSYBOX;
use agent_tests::lab::{Containerd, unique_name};
use anyhow::{Context, Result};
use prost::Message;
use std::collections::HashMap;
use tokio::runtime::Runtime;
use tonic::Request;
use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::{Channel, Endpoint};
use tonic_prost::ProstCodec;

/// `NamespaceMode::NODE`: there are no pod networks here.
const NODE: i32 = 2;

#[derive(Clone, PartialEq, Message)]
struct RunPodSandboxRequest {
    #[prost(message, optional, tag = "1")]
    config: Option<PodSandboxConfig>,
}

#[derive(Clone, PartialEq, Message)]
struct PodSandboxConfig {
    #[prost(message, optional, tag = "1")]
    metadata: Option<PodSandboxMetadata>,
    #[prost(map = "string, string", tag = "6")]
    labels: HashMap<String, String>,
    #[prost(message, optional, tag = "8")]
    linux: Option<LinuxPodSandboxConfig>,
}

#[derive(Clone, PartialEq, Message)]
struct PodSandboxMetadata {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    uid: String,
    #[prost(string, tag = "3")]
    namespace: String,
}

#[derive(Clone, PartialEq, Message)]
struct LinuxPodSandboxConfig {
    #[prost(string, tag = "1")]
    cgroup_parent: String,
    #[prost(message, optional, tag = "2")]
    security_context: Option<SecurityContext>,
}

/// `LinuxSandboxSecurityContext`.
#[derive(Clone, PartialEq, Message)]
struct SecurityContext {
    #[prost(message, optional, tag = "1")]
    namespace_options: Option<NamespaceOption>,
}

#[derive(Clone, PartialEq, Message)]
struct NamespaceOption {
    #[prost(int32, tag = "1")]
    network: i32,
}

/// `LinuxContainerConfig`.
#[derive(Clone, PartialEq, Message)]
struct LinuxContainerConfig {
    #[prost(message, optional, tag = "2")]
    security_context: Option<ContainerSecurity>,
}

/// `LinuxContainerSecurityContext`.
#[derive(Clone, PartialEq, Message)]
struct ContainerSecurity {
    #[prost(message, optional, tag = "3")]
    namespace_options: Option<NamespaceOption>,
}

/// `RunPodSandboxResponse`, `CreateContainerResponse`, `StartContainerRequest`.
#[derive(Clone, PartialEq, Message)]
struct Id {
    #[prost(string, tag = "1")]
    id: String,
}

#[derive(Clone, PartialEq, Message)]
struct Empty {}

#[derive(Clone, PartialEq, Message)]
struct CreateContainerRequest {
    #[prost(string, tag = "1")]
    pod_sandbox_id: String,
    #[prost(message, optional, tag = "2")]
    config: Option<ContainerConfig>,
    #[prost(message, optional, tag = "3")]
    sandbox_config: Option<PodSandboxConfig>,
}

#[derive(Clone, PartialEq, Message)]
struct ContainerConfig {
    #[prost(message, optional, tag = "1")]
    metadata: Option<Id>,
    #[prost(message, optional, tag = "2")]
    image: Option<Id>,
    #[prost(map = "string, string", tag = "9")]
    labels: HashMap<String, String>,
    #[prost(message, optional, tag = "15")]
    linux: Option<LinuxContainerConfig>,
}

/// A client of one containerd.
pub(super) struct Kubelet {
    runtime: Runtime,
    grpc: Grpc<Channel>,
    cgroup_parent: String,
}

impl Kubelet {
    pub(super) fn new(containerd: &Containerd) -> Result<Self> {
        let runtime = Runtime::new()?;
        let endpoint = Endpoint::from_shared(format!("unix://{}", containerd.socket().display()))?;
        let channel = runtime.block_on(endpoint.connect())?;
        Ok(Self {
            runtime,
            grpc: Grpc::new(channel),
            cgroup_parent: containerd.cgroup_parent(),
        })
    }

    /// Runs a pod in namespace `shop` with one container of the busybox image; gives the container's id.
    pub(super) fn run_pod(&self, pod: &str, name: &str) -> Result<String> {
        let config = self.pod(pod);
        let request = RunPodSandboxRequest {
            config: Some(config.clone()),
        };
        let sandbox: Id = self.ask("RunPodSandbox", request)?;
        let named = |id: &str| Some(Id { id: id.to_owned() });
        let labels = labels(&[
            ("io.kubernetes.container.name", name),
            ("io.kubernetes.pod.name", pod),
        ]);
        let request = CreateContainerRequest {
            pod_sandbox_id: sandbox.id,
            config: Some(ContainerConfig {
                metadata: named(name),
                image: named(BUSYBOX),
                labels,
                linux: Some(LinuxContainerConfig {
                    security_context: Some(ContainerSecurity {
                        namespace_options: Some(NamespaceOption { network: NODE }),
                    }),
                }),
            }),
            sandbox_config: Some(config),
        };
        let container: Id = self.ask("CreateContainer", request)?;
        let _started: Empty = self.ask("StartContainer", container.clone())?;
        Ok(container.id)
    }

    fn pod(&self, name: &str) -> PodSandboxConfig {
        PodSandboxConfig {
            metadata: Some(PodSandboxMetadata {
                name: name.to_owned(),
                uid: unique_name(name),
                namespace: "shop".to_owned(),
            }),
            labels: labels(&[("app", name)]),
            linux: Some(LinuxPodSandboxConfig {
                cgroup_parent: self.cgroup_parent.clone(),
                security_context: Some(SecurityContext {
                    namespace_options: Some(NamespaceOption { network: NODE }),
                }),
            }),
        }
    }

    fn ask<Q, A>(&self, method: &str, request: Q) -> Result<A>
    where
        Q: Message + Default + 'static,
        A: Message + Default + 'static,
    {
        let mut grpc = self.grpc.clone();
        let path: PathAndQuery = format!("/runtime.v1.RuntimeService/{method}").parse()?;
        let codec = ProstCodec::<Q, A>::default();
        self.runtime.block_on(async {
            grpc.ready().await?;
            let answer = grpc.unary(Request::new(request), path, codec).await;
            answer
                .map(tonic::Response::into_inner)
                .with_context(|| method.to_owned())
        })
    }
}

fn labels(pairs: &[(&str, &str)]) -> HashMap<String, String> {
    let owned = pairs
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
    owned.collect()
}
