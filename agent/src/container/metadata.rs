use super::Labels;
use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use std::sync::Arc;

/// What is known from runtimes.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Metadata {
    /// A runtime may still answer.
    #[default]
    Pending,
    Resolved(Arc<ContainerMetadata>),
    /// No runtime knows it, or none is there.
    Unavailable,
}

impl Metadata {
    /// The word in alerts.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Resolved(_) => "resolved",
            Self::Unavailable => "unavailable",
        }
    }
}

/// A container in the words of its runtime. Part of recordings.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ContainerMetadata {
    pub name: String,
    /// `docker`, `containerd`, `cri-o`, `podman`.
    pub runtime: String,
    pub image: ImageRef,
    pub labels: Labels,
    /// Labels that were too many or too long to be kept.
    pub labels_omitted: u32,
    pub pod: Option<Pod>,
    pub privileged: bool,
    /// Names of the networks it is attached to.
    pub networks: Vec<String>,
    /// Networks that the user defined (not the runtime's default bridge).
    pub user_networks: Vec<String>,
    pub addresses: Vec<IpAddr>,
    /// Networks that the addresses are in, where the runtime says so.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub subnets: Vec<IpNet>,
    pub mounts: Vec<MountPoint>,
    /// Entrypoint and command of the container as configured.
    pub command: Vec<String>,
    /// Ports that the image declares, `80/tcp`.
    pub exposed_ports: Vec<String>,
    /// Initial pid of the container, host namespace; 0: not running or not known.
    pub pid: u32,
}

impl ContainerMetadata {
    /// What only a runtime knows that has made the container is there; of one that is described so far by its name and image, nothing is.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.pid != 0 || !self.mounts.is_empty() || !self.networks.is_empty() || !self.addresses.is_empty()
    }

    /// Its addresses, each in its network; alone, where that is not known.
    #[must_use]
    pub fn places(&self) -> Vec<IpNet> {
        let place = |address: &IpAddr| {
            let mut subnets = self.subnets.iter();
            let subnet = subnets.find(|subnet| subnet.contains(address));
            let within = subnet.and_then(|subnet| IpNet::new(*address, subnet.prefix_len()).ok());
            within.unwrap_or_else(|| IpNet::from(*address))
        };
        self.addresses.iter().map(place).collect()
    }
}

/// An image by its names.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ImageRef {
    /// As the user wrote it, `nginx:1.25`.
    #[serde(rename = "ref")]
    pub reference: String,
    /// Config digest, `sha256:…`.
    pub id: Option<String>,
    /// Manifest digest, `sha256:…`.
    pub digest: Option<String>,
}

/// A Kubernetes pod.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Pod {
    pub name: String,
    pub namespace: String,
    pub uid: String,
}

/// A mount that the runtime made on request.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct MountPoint {
    /// Path on the host, or the volume's name.
    pub source: String,
    /// Path in the container.
    pub destination: String,
    pub writable: bool,
    /// A bind mount of a host path.
    pub bind: bool,
}
