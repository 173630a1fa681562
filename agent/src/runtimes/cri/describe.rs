//! CRI's answers → [`ContainerMetadata`]. Pure; every field of an answer may be missing, and what a pod's author
//! chooses is bounded.

use super::api::{Container, ContainerStatusResponse, ImageSpec, Mount, PodSandbox};
use crate::container::{ContainerMetadata, ImageRef, MountPoint, Pod};
use crate::runtimes::bounds::{MAX_ITEMS, bounded, labels, pod, texts};
use serde::Deserialize;
use std::collections::HashMap;

/// Name of a pod's own container, the one that holds its namespaces, as Kubernetes' tools show it.
const SANDBOX_NAME: &str = "POD";
/// Where a kubelet keeps volumes that it makes itself: no folders of the host.
const KUBELET_VOLUMES: &str = "/var/lib/kubelet/pods/";
/// Digits of a digest are 64; its algorithm's name is short.
const MAX_DIGEST: usize = 256;

/// What `info` holds, of containerd and of CRI-O alike.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Info {
    pid: u32,
    /// CRI-O's place for it.
    privileged: bool,
    /// containerd's.
    config: Config,
    #[serde(rename = "runtimeSpec")]
    spec: Spec,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Config {
    linux: Linux,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Linux {
    security_context: SecurityContext,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct SecurityContext {
    privileged: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Spec {
    process: Process,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Process {
    args: Vec<String>,
}

/// A pod's own container.
pub(super) fn sandbox(sandbox: &PodSandbox) -> ContainerMetadata {
    let (labels, labels_omitted) = labels(sandbox.labels.clone());
    ContainerMetadata {
        name: SANDBOX_NAME.to_owned(),
        pod: pod_of(sandbox).or_else(|| pod(&labels)),
        labels,
        labels_omitted,
        ..ContainerMetadata::default()
    }
}

/// A line of the list; the pod's labels are the container's too, where it has no others of the same key.
pub(super) fn container(container: Container, sandbox: Option<&PodSandbox>) -> ContainerMetadata {
    let mut all: HashMap<String, String> = sandbox.map(|pod| pod.labels.clone()).unwrap_or_default();
    all.extend(container.labels);
    let (labels, labels_omitted) = labels(all);
    ContainerMetadata {
        name: bounded(container.metadata.unwrap_or_default().name),
        image: image(container.image, container.image_ref, String::new()),
        pod: sandbox.and_then(pod_of).or_else(|| pod(&labels)),
        labels,
        labels_omitted,
        ..ContainerMetadata::default()
    }
}

/// Adds what a container's status says.
pub(super) fn complete(metadata: &mut ContainerMetadata, answer: ContainerStatusResponse) {
    let status = answer.status.unwrap_or_default();
    metadata.image = image(status.image, status.image_ref, status.image_id);
    metadata.mounts = status.mounts.into_iter().take(MAX_ITEMS).map(mount).collect();
    // Free text of the runtime: what cannot be read says nothing.
    let info = answer.info.get("info").map(String::as_str).unwrap_or_default();
    let info: Info = serde_json::from_str(info).unwrap_or_default();
    metadata.pid = info.pid;
    metadata.privileged = info.privileged || info.config.linux.security_context.privileged;
    metadata.command = texts(info.spec.process.args);
}

fn pod_of(sandbox: &PodSandbox) -> Option<Pod> {
    let metadata = sandbox.metadata.as_ref()?;
    Some(Pod {
        name: bounded(metadata.name.clone()),
        namespace: bounded(metadata.namespace.clone()),
        uid: bounded(metadata.uid.clone()),
    })
}

/// `reference` is what was asked for, or only the id; `resolved` is `name@sha256:…`, or only the id.
fn image(reference: Option<ImageSpec>, resolved: String, id: String) -> ImageRef {
    let reference = reference.unwrap_or_default().image;
    let digest = resolved.split_once('@').map(|(_, digest)| digest);
    let id = [id.as_str(), resolved.as_str(), reference.as_str()]
        .into_iter()
        .find(|text| is_digest(text));
    ImageRef {
        digest: digest.filter(|text| is_digest(text)).map(str::to_owned),
        id: id.map(str::to_owned),
        reference: bounded(if is_digest(&reference) && digest.is_some() {
            resolved.clone()
        } else {
            reference.clone()
        }),
    }
}

fn is_digest(text: &str) -> bool {
    text.starts_with("sha256:") && text.len() <= MAX_DIGEST
}

fn mount(mount: Mount) -> MountPoint {
    MountPoint {
        bind: !mount.host_path.starts_with(KUBELET_VOLUMES),
        source: bounded(mount.host_path),
        destination: bounded(mount.container_path),
        writable: !mount.readonly,
    }
}
