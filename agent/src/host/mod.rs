//! What is true of the host while the agent runs: gathered at start and renewed now and then, part of recordings.
//!
//! A plain value, so that detectors stay pure: whoever asks "is this the host's disk, socket, namespace or
//! address?" compares numbers with this. The host is whatever process 1 of the agent's pid namespace sees;
//! in a DaemonSet that needs `hostPID`.

mod gather;
mod parse;

pub use gather::{HostSources, kernel_device};

use crate::event::Clock;
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

/// Facts of the host that rules compare events with.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct HostFacts {
    /// Node name in alerts.
    pub node: String,
    /// Pid of the agent in the first pid namespace, where it knows it.
    pub agent: Option<u32>,
    /// Sockets of container runtimes that exist on this host.
    pub runtime_sockets: Vec<RuntimeSocket>,
    /// Addresses of the host's interfaces, loopback not included.
    pub addresses: Vec<IpAddr>,
    /// Disks of the host that are mounted. A container that opens such a device reads the host's files.
    pub disks: Vec<HostDisk>,
    /// Where pods reach the Kubernetes API, from the agent's own environment; empty outside Kubernetes.
    pub kubernetes_api: Vec<SocketAddr>,
    /// Ports that the kernel gives to clients.
    pub ephemeral_ports: PortRange,
    pub namespaces: HostNamespaces,
    /// Boot clock to wall clock.
    pub clock: Clock,
}

impl HostFacts {
    /// Whether the process, by its pid in the first namespace, is the agent: in a container of its own its trade looks
    /// like an escape. Nobody else has its pid as long as it lives.
    #[must_use]
    pub fn is_agent(&self, pid: u32) -> bool {
        self.agent == Some(pid)
    }
}

/// A runtime's socket by the identity of its inode: renaming or bind-mounting it changes nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuntimeSocket {
    /// On the host.
    pub path: PathBuf,
    /// `docker`, `containerd`, `cri-o`, `podman`.
    pub runtime: String,
    /// Device of the filesystem, kernel-internal encoding (major << 20 | minor).
    pub dev: u32,
    pub ino: u64,
}

/// A mounted block device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostDisk {
    /// Device number, kernel-internal encoding (major << 20 | minor): equals a node's `rdev` and a file's `dev`.
    pub dev: u32,
    /// What `/proc/1/mountinfo` names as source, `/dev/sda1`.
    pub source: String,
    pub mount_point: PathBuf,
    pub fstype: String,
}

/// Ports, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortRange {
    pub first: u16,
    pub last: u16,
}

impl PortRange {
    /// True when `port` lies in the range.
    #[must_use]
    pub fn contains(self, port: u16) -> bool {
        (self.first..=self.last).contains(&port)
    }
}

impl Default for PortRange {
    /// The kernel's own default.
    fn default() -> Self {
        Self {
            first: 32_768,
            last: 60_999,
        }
    }
}

/// Inode numbers of the host's namespaces; 0: not known. Names and order are those of
/// [`crate::event::Namespaces`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct HostNamespaces {
    pub mnt: u32,
    pub pid: u32,
    pub net: u32,
    pub ipc: u32,
    pub uts: u32,
    pub cgroup: u32,
    pub user: u32,
    pub time: u32,
}
