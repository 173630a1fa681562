//! An outgoing contact: who is there, whether the profile allows it, and what is told of it for itself.

use super::DNS;
use crate::container::{Container, ContainerMetadata};
use crate::detect::rules::lateral;
use crate::detect::{Class, DetectContext, Finding, Severity};
use crate::event::{EnrichedEvent, Net, RecordFlags};
use crate::event::{canonical, is_internal, is_nobody, peer_address};
use crate::profile::{CompiledProfile, ConnectQuery, ImageName, Mode, ProfileState, Protocol};
use std::net::IpAddr;
use std::sync::Arc;

/// An outgoing contact with what is known of it.
pub(crate) struct Contact<'a> {
    pub(super) context: &'a DetectContext<'a>,
    pub(crate) proto: Protocol,
    /// Loopback only where it is the host's.
    pub(crate) address: IpAddr,
    pub(crate) port: u16,
    /// The other container that has the address.
    pub(crate) peer: Option<Arc<Container>>,
}

impl<'a> Contact<'a> {
    /// `None`: nobody else is contacted.
    pub(crate) fn of(context: &'a DetectContext<'a>, net: &Net) -> Option<Self> {
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

    pub(super) fn is_allowed(&self) -> bool {
        let image = self
            .peer_known()
            .and_then(|known| ImageName::parse(&known.image.reference));
        let query = ConnectQuery {
            proto: self.proto,
            address: self.address,
            port: self.port,
            exe: &self.context.event.process.exe.bytes,
            peer: image.as_ref(),
            ephemeral: self.context.host.ephemeral_ports,
        };
        let profile = self.context.profile;
        profile.is_some_and(|profile| profile.connect_named(&query, &self.context.names(self.address)))
    }

    /// Whether the profile names it. `None`: there is none, or it says nothing of contacts.
    pub(crate) fn is_named(&self) -> Option<bool> {
        let profile = self.context.profile.filter(|profile| describes(profile));
        profile.map(|_| self.is_allowed())
    }

    pub(super) fn peer_known(&self) -> Option<&ContainerMetadata> {
        self.peer.as_ref().and_then(|peer| peer.known())
    }

    pub(super) fn first_contact(&self) -> Option<Finding> {
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
            ProfileState::None if self.is_related() || self.is_described_in_part() => Severity::Low,
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

    pub(super) fn outside_profile(&self) -> Option<Finding> {
        let profile = self.context.profile?;
        if self.peer.is_some() || !describes(profile) || !profile.judges(Class::Lateral) {
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
        let finding = Finding::new(&lateral::UNEXPECTED_CONNECTION, self.socket(), summary);
        Some(finding.severity(severity).step_of(self.exploration()))
    }

    /// The deed that it is a step of: what one program looks for among neighbours; on the internet, at one address.
    pub(super) fn exploration(&self) -> String {
        let actor = self.context.actor();
        if self.peer.is_some() || is_internal(self.address) {
            actor
        } else {
            format!("{actor} {}", self.address)
        }
    }

    /// Both are in one pod, Compose project or network of the user's own.
    pub(super) fn is_related(&self) -> bool {
        match (self.context.known(), self.peer_known()) {
            (Some(own), Some(peer)) => are_related(own, peer),
            _ => false,
        }
    }

    /// Who its neighbours are is still to be told: it is judged again then.
    fn is_described_in_part(&self) -> bool {
        let own = self.context.event.container.as_deref();
        own.is_some_and(Container::is_described_in_part)
    }

    /// What the peer's image is called, in small letters; empty when nobody knows.
    pub(super) fn peer_image(&self) -> String {
        let reference = self.peer_known().map(|known| known.image.reference.as_str());
        let image = reference.and_then(ImageName::parse);
        image.map_or_else(String::new, |image| image.repository.to_lowercase())
    }

    /// The peer's image says that it serves the port: EXPOSE.
    pub(super) fn is_declared(&self) -> bool {
        let declared = format!("{}/{}", self.port, self.proto.name());
        self.peer_known()
            .is_some_and(|known| known.exposed_ports.contains(&declared))
    }

    /// It is a repeat, and completes many within a minute.
    pub(super) fn is_burst(&self) -> bool {
        self.context.event.raw.header.flags.has(RecordFlags::BURST)
    }

    /// The profile is being learned, contacts with it.
    pub(super) fn is_learned(&self) -> bool {
        self.context.profile.is_some_and(|profile| {
            profile.mode(Class::Lateral) == Mode::Learn || profile.state() == ProfileState::Learning
        })
    }

    /// Who is contacted, in a sentence: `203.0.113.9:443/tcp (updates.example.org)`.
    pub(super) fn place(&self) -> String {
        format!("{}{}", self.socket(), self.context.name_in_brackets(self.address))
    }

    /// What identifies the peer, whatever it is called: `203.0.113.9:443/tcp`.
    pub(super) fn socket(&self) -> String {
        format!(
            "{}/{}",
            std::net::SocketAddr::new(self.address, self.port),
            self.proto.name()
        )
    }
}

/// Whether the profile says anything of contacts. A partial one without contacts was not asked for them; a complete one
/// knows that there are none.
fn describes(profile: &CompiledProfile) -> bool {
    !profile.source().connect.is_empty() || profile.state() == ProfileState::Complete
}

/// An address of the container itself.
fn is_own(context: &DetectContext<'_>, address: IpAddr) -> bool {
    context
        .known()
        .is_some_and(|known| known.addresses.iter().any(|own| canonical(*own) == address))
}

/// Its loopback is the host's, with what listens there for the host alone.
pub(in crate::detect) fn has_host_network(context: &DetectContext<'_>) -> bool {
    let host = context.host.namespaces.net;
    host != 0 && context.event.raw.header.net_ns == host
}

/// The container itself, or one of its pod that shares its address.
pub(super) fn is_same(context: &DetectContext<'_>, peer: &Container) -> bool {
    let EnrichedEvent {
        container: Some(own), ..
    } = context.event
    else {
        return false;
    };
    let pod = |container: &Container| container.known().and_then(|known| known.pod.clone());
    own.key == peer.key || pod(own).is_some_and(|own| pod(peer) == Some(own))
}

/// Both are in one pod, Compose project or network of the user's own.
pub(super) fn are_related(own: &ContainerMetadata, peer: &ContainerMetadata) -> bool {
    const PROJECT: &str = "com.docker.compose.project";
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
