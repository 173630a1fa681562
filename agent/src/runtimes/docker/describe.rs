//! Docker's answers → [`ContainerMetadata`]. Pure; every field of an answer may be missing, and what an
//! image's maker chooses (labels, names) is bounded.

use crate::container::{ContainerMetadata, ImageRef, MountPoint};
use crate::runtimes::bounds::{MAX_ITEMS, bounded, labels, pod, texts};
use bollard::models::{ContainerInspectResponse, ContainerSummary, EndpointSettings, ImageInspect};
use ipnet::IpNet;
use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

/// Networks that engines make themselves; all others were made by someone.
const ENGINE_NETWORKS: [&str; 5] = ["bridge", "host", "none", "podman", "default"];

/// What an image says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct ImageFacts {
    /// Config digest.
    pub(super) id: String,
    /// `name@sha256:…`, one per registry.
    pub(super) digests: Vec<String>,
    pub(super) exposed_ports: Vec<String>,
    pub(super) command: Vec<String>,
}

/// A line of the list.
pub(super) fn summary(answer: ContainerSummary) -> ContainerMetadata {
    let (labels, labels_omitted) = labels(answer.labels.unwrap_or_default());
    let networks = answer.network_settings.and_then(|settings| settings.networks);
    let mut metadata = ContainerMetadata {
        name: name(&answer.names.unwrap_or_default().pop().unwrap_or_default()),
        image: ImageRef {
            reference: bounded(answer.image.unwrap_or_default()),
            id: answer.image_id,
            digest: None,
        },
        pod: pod(&labels),
        labels,
        labels_omitted,
        mounts: mounts(answer.mounts.unwrap_or_default()),
        ..ContainerMetadata::default()
    };
    set_networks(&mut metadata, networks.unwrap_or_default());
    metadata
}

/// A container's full description.
pub(super) fn inspect(answer: ContainerInspectResponse) -> ContainerMetadata {
    let config = answer.config.unwrap_or_default();
    let (labels, labels_omitted) = labels(config.labels.unwrap_or_default());
    let networks = answer.network_settings.and_then(|settings| settings.networks);
    let command = [
        config.entrypoint.unwrap_or_default(),
        config.cmd.unwrap_or_default(),
    ]
    .concat();
    let mut metadata = ContainerMetadata {
        name: name(&answer.name.unwrap_or_default()),
        image: ImageRef {
            reference: bounded(config.image.unwrap_or_default()),
            id: answer.image,
            digest: None,
        },
        pod: pod(&labels),
        labels,
        labels_omitted,
        privileged: answer
            .host_config
            .and_then(|host| host.privileged)
            .unwrap_or(false),
        mounts: mounts(answer.mounts.unwrap_or_default()),
        command: texts(command),
        exposed_ports: texts(config.exposed_ports.unwrap_or_default()),
        pid: answer
            .state
            .and_then(|state| state.pid)
            .and_then(|pid| u32::try_from(pid).ok())
            .unwrap_or(0),
        ..ContainerMetadata::default()
    };
    set_networks(&mut metadata, networks.unwrap_or_default());
    metadata
}

/// An image's description.
pub(super) fn image(answer: ImageInspect) -> ImageFacts {
    let config = answer.config.unwrap_or_default();
    ImageFacts {
        id: answer.id.unwrap_or_default(),
        digests: texts(answer.repo_digests.unwrap_or_default()),
        exposed_ports: texts(config.exposed_ports.unwrap_or_default()),
        command: texts(
            [
                config.entrypoint.unwrap_or_default(),
                config.cmd.unwrap_or_default(),
            ]
            .concat(),
        ),
    }
}

impl ImageFacts {
    /// Adds to a container what its image says.
    pub(super) fn complete(&self, metadata: &mut ContainerMetadata) {
        metadata.image.id = Some(self.id.clone());
        metadata.image.digest = self.digest(&metadata.image.reference);
        metadata.exposed_ports.clone_from(&self.exposed_ports);
        if metadata.command.is_empty() {
            metadata.command.clone_from(&self.command);
        }
    }

    /// The manifest digest under which `reference`'s repository has the image; else any.
    fn digest(&self, reference: &str) -> Option<String> {
        let wanted = repository(reference);
        let of = |entry: &'_ String| entry.split_once('@').map(|(_, digest)| digest.to_owned());
        self.digests
            .iter()
            .find(|entry| repository(entry) == wanted)
            .or_else(|| self.digests.first())
            .and_then(of)
    }
}

/// `host:5000/team/web:1.2@sha256:…` → `host:5000/team/web`; Docker's own prefixes are dropped.
fn repository(reference: &str) -> &str {
    let name = reference.split_once('@').map_or(reference, |(name, _)| name);
    let path_start = name.rfind('/').map_or(0, |slash| slash + 1);
    let end = name[path_start..]
        .find(':')
        .map_or(name.len(), |colon| path_start + colon);
    let name = &name[..end];
    let name = name.strip_prefix("docker.io/").unwrap_or(name);
    name.strip_prefix("library/").unwrap_or(name)
}

/// Names come as `/web`.
pub(super) fn name(name: &str) -> String {
    bounded(name.strip_prefix('/').unwrap_or(name).to_owned())
}

fn mounts(mounts: Vec<bollard::models::MountPoint>) -> Vec<MountPoint> {
    let convert = |mount: bollard::models::MountPoint| {
        let bind = mount.typ.as_deref() == Some("bind");
        let source = if bind {
            mount.source
        } else {
            mount.name.or(mount.source)
        };
        MountPoint {
            source: bounded(source.unwrap_or_default()),
            destination: bounded(mount.destination.unwrap_or_default()),
            writable: mount.rw.unwrap_or(false),
            bind,
        }
    };
    mounts.into_iter().take(MAX_ITEMS).map(convert).collect()
}

/// Sorted by name: two answers that say the same are equal.
fn set_networks(metadata: &mut ContainerMetadata, networks: HashMap<String, EndpointSettings>) {
    let sorted: BTreeMap<String, EndpointSettings> = networks.into_iter().collect();
    for (name, endpoint) in sorted.into_iter().take(MAX_ITEMS) {
        let addresses = [
            (endpoint.ip_address, endpoint.ip_prefix_len),
            (endpoint.global_ipv6_address, endpoint.global_ipv6_prefix_len),
        ];
        for (text, prefix) in addresses {
            let Some(address) = text.and_then(|text| text.parse::<IpAddr>().ok()) else {
                continue;
            };
            metadata.addresses.push(address);
            // Zero: the engine does not say.
            let prefix = prefix.and_then(|prefix| u8::try_from(prefix).ok());
            let subnet = prefix
                .filter(|prefix| *prefix != 0)
                .map(|prefix| IpNet::new(address, prefix));
            metadata
                .subnets
                .extend(subnet.and_then(Result::ok).map(|subnet| subnet.trunc()));
        }
        if !ENGINE_NETWORKS.contains(&name.as_str()) {
            metadata.user_networks.push(name.clone());
        }
        metadata.networks.push(name);
    }
}
