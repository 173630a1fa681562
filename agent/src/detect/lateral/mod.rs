//! Moving sideways: contacts that the image's work does not need.

mod fan_out;
mod shell;

#[cfg(test)]
mod tests;

use super::rules::lateral;
use super::{Class, DetectContext, Detector, Finding, Rule, Scope, Severity};
use crate::container::{Container, ContainerMetadata};
use crate::event::{EnrichedEvent, Net, Payload, SlotKey};
use crate::event::{canonical, is_internal, is_nobody, peer_address};
use crate::profile::{CompiledProfile, ConnectQuery, ImageName, Mode, ProfileState, Protocol};
use fan_out::FanOut;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

/// Metadata services of clouds: AWS, Azure, GCP, OpenStack; their IPv6 forms; ECS and EKS; Alibaba; Oracle; Azure's wire.
const METADATA_SERVICES: [&str; 8] = [
    "169.254.169.254",
    "fd00:ec2::254",
    "fd20:ce::254",
    "169.254.170.2",
    "169.254.170.23",
    "100.100.100.200",
    "192.0.0.192",
    "168.63.129.16",
];
const DNS: u16 = 53;
/// Containers whose contacts are counted at once: as many as there are slots.
const MAX_CONTAINERS: usize = agent_common::limits::MAX_SLOTS as usize;

/// Finds lateral movement.
#[derive(Debug, Default)]
pub(super) struct LateralDetector {
    fans: HashMap<SlotKey, FanOut>,
}

impl Detector for LateralDetector {
    fn inspect(&mut self, context: &DetectContext<'_>, findings: &mut Vec<Finding>) {
        let raw = &context.event.raw;
        if let Payload::Exec(exec) = &raw.payload {
            findings.extend(shell::on_exec(context, exec));
        }
        if let Some(contact) = raw.contact().and_then(|net| Contact::of(context, net)) {
            self.contact(&contact, findings);
        }
    }

    fn forget(&mut self, container: SlotKey) {
        self.fans.remove(&container);
    }

    fn kept(&self) -> usize {
        self.fans.len()
    }
}

impl LateralDetector {
    fn contact(&mut self, contact: &Contact<'_>, findings: &mut Vec<Finding>) {
        let outward = !contact.address.is_loopback();
        if outward {
            findings.extend(shell::on_connect(contact));
        }
        if contact.context.scope == Scope::Universal || contact.is_allowed() {
            return;
        }
        findings.extend(contact.control_plane());
        if !outward {
            return;
        }
        findings.extend(self.scans(contact));
        findings.extend(contact.first_contact());
        if findings.is_empty() {
            findings.extend(contact.outside_profile());
        }
    }

    fn scans(&mut self, contact: &Contact<'_>) -> Vec<Finding> {
        let DetectContext { event, scope, .. } = contact.context;
        let slot = event.raw.slot().filter(|_| *scope == Scope::All);
        let fan = slot.filter(|slot| self.fans.len() < MAX_CONTAINERS || self.fans.contains_key(slot));
        fan.map(|slot| self.fans.entry(slot).or_default().contact(contact))
            .unwrap_or_default()
    }
}

/// An outgoing contact with what is known of it.
pub(super) struct Contact<'a> {
    context: &'a DetectContext<'a>,
    proto: Protocol,
    address: IpAddr,
    port: u16,
    peer: Option<Arc<Container>>,
}

impl<'a> Contact<'a> {
    /// `None`: nobody else is contacted.
    fn of(context: &'a DetectContext<'a>, net: &Net) -> Option<Self> {
        let (proto, address) = (Protocol::from_number(net.protocol)?, peer_address(&net.remote)?);
        // Servers answer to ports that clients were given.
        let answer = proto == Protocol::Udp && context.host.ephemeral_ports.contains(net.remote.port);
        let nobody = is_nobody(address) && !(address.is_loopback() && has_host_network(context));
        if nobody || answer || is_own(context, address) {
            return None;
        }
        let peer = context
            .neighbours
            .by_address(address)
            .filter(|peer| !is_same(context, peer));
        Some(Self {
            context,
            proto,
            address,
            port: net.remote.port,
            peer,
        })
    }

    fn is_allowed(&self) -> bool {
        let image = self
            .peer_known()
            .and_then(|known| ImageName::parse(&known.image.reference));
        self.context.profile.is_some_and(|profile| {
            profile.connect(&ConnectQuery {
                proto: self.proto,
                address: self.address,
                port: self.port,
                exe: &self.context.event.process.exe.bytes,
                peer: image.as_ref(),
                ephemeral: self.context.host.ephemeral_ports,
            })
        })
    }

    fn peer_known(&self) -> Option<&ContainerMetadata> {
        self.peer.as_ref().and_then(|peer| peer.known())
    }

    /// Services that hand out credentials or control.
    fn control_plane(&self) -> Option<Finding> {
        let (rule, what) = self.service()?;
        let summary = format!(
            "{} in {} contacted {what} at {}",
            self.context.actor(),
            self.context.container_name(),
            self.place()
        );
        let related = self.peer.is_some() && self.is_related();
        let severity = if related { Severity::Low } else { rule.severity };
        Some(Finding::new(rule, self.address.to_string(), summary).severity(severity))
    }

    fn service(&self) -> Option<(&'static Rule, &'static str)> {
        let metadata = |text: &&str| text.parse().map(canonical) == Ok(self.address);
        // Clouds resolve names at the same addresses (168.63.129.16, and 169.254.169.254 of GCP).
        if self.port != DNS && METADATA_SERVICES.iter().any(metadata) {
            return Some((&lateral::METADATA_SERVICE, "the cloud's metadata service"));
        }
        let api = self.context.host.kubernetes_api.iter();
        if api
            .clone()
            .any(|api| canonical(api.ip()) == self.address && api.port() == self.port)
        {
            return Some((&lateral::KUBERNETES_API, "the Kubernetes API"));
        }
        match (self.proto, self.port) {
            (Protocol::Tcp, 6443) => Some((&lateral::KUBERNETES_API, "a Kubernetes API")),
            (Protocol::Tcp, 10_250 | 10_255) => Some((&lateral::KUBELET, "a kubelet")),
            (Protocol::Tcp, 2379 | 2380) => Some((&lateral::ETCD, "an etcd")),
            (Protocol::Tcp, 2375..=2377) => Some((&lateral::DOCKER_API, "a Docker API")),
            _ => None,
        }
    }

    fn first_contact(&self) -> Option<Finding> {
        let peer = self.peer.as_ref().filter(|_| self.port != DNS)?;
        let profile = self.context.profile;
        if profile.is_some_and(|profile| profile.mode(Class::Lateral) == Mode::Learn) {
            return None;
        }
        let state = profile.map_or(ProfileState::None, CompiledProfile::state);
        let severity = match state {
            ProfileState::Learning => return None,
            ProfileState::Complete => Severity::High,
            ProfileState::Partial => Severity::Medium,
            ProfileState::None if self.is_related() => Severity::Low,
            ProfileState::None => Severity::Medium,
        };
        let summary = format!(
            "{} in {} contacted container {} at {} for the first time",
            self.context.actor(),
            self.context.container_name(),
            peer.display_name(),
            self.place()
        );
        let finding = Finding::new(&lateral::FIRST_CONTACT, peer.id.as_str(), summary);
        Some(
            finding
                .severity(severity)
                .step_of(self.exploration())
                .once_with(&peer.id),
        )
    }

    fn outside_profile(&self) -> Option<Finding> {
        let profile = self.context.profile?;
        // A partial profile without contacts was not asked for them; a complete one knows that there are none.
        let silent = profile.source().connect.is_empty() && profile.state() != ProfileState::Complete;
        if self.peer.is_some() || silent || !profile.judges(Class::Lateral) {
            return None;
        }
        let severity = if is_internal(self.address) {
            Severity::Medium
        } else {
            Severity::Low
        };
        let summary = format!(
            "{} in {} contacted {}, which its profile does not name",
            self.context.actor(),
            self.context.container_name(),
            self.place()
        );
        let finding = Finding::new(&lateral::UNEXPECTED_CONNECTION, self.place(), summary);
        Some(finding.severity(severity).step_of(self.exploration()))
    }

    /// The deed that it is a step of: what one program looks for among neighbours; on the internet, at one address.
    fn exploration(&self) -> String {
        let actor = self.context.actor();
        if self.peer.is_some() || is_internal(self.address) {
            actor
        } else {
            format!("{actor} {}", self.address)
        }
    }

    /// Both are in one pod, Compose project or network of the user's own.
    fn is_related(&self) -> bool {
        const PROJECT: &str = "com.docker.compose.project";
        let (Some(own), Some(peer)) = (self.context.known(), self.peer_known()) else {
            return false;
        };
        let pod = own.pod.is_some() && own.pod == peer.pod;
        let project = own
            .labels
            .get(PROJECT)
            .is_some_and(|project| peer.labels.get(PROJECT) == Some(project));
        pod || project
            || own
                .user_networks
                .iter()
                .any(|network| peer.user_networks.contains(network))
    }

    fn place(&self) -> String {
        format!(
            "{}/{}",
            std::net::SocketAddr::new(self.address, self.port),
            self.proto.name()
        )
    }
}

/// An address of the container itself.
fn is_own(context: &DetectContext<'_>, address: IpAddr) -> bool {
    context
        .known()
        .is_some_and(|known| known.addresses.iter().any(|own| canonical(*own) == address))
}

/// Its loopback is the host's, with what listens there for the host alone.
fn has_host_network(context: &DetectContext<'_>) -> bool {
    let host = context.host.namespaces.net;
    host != 0 && context.event.raw.header.net_ns == host
}

/// The container itself, or one of its pod that shares its address.
fn is_same(context: &DetectContext<'_>, peer: &Container) -> bool {
    let EnrichedEvent {
        container: Some(own), ..
    } = context.event
    else {
        return false;
    };
    let pod = |container: &Container| container.known().and_then(|known| known.pod.clone());
    own.key == peer.key || pod(own).is_some_and(|own| pod(peer) == Some(own))
}
