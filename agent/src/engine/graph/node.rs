use crate::container::{Container, ImageRef};
use crate::detect::{Contact, DetectContext};
use crate::event::{ContainerId, is_internal};
use std::sync::Arc;

/// Bytes of a name that are kept: the names of all edges together have to fit an answer.
const MAX_NAME: usize = 256;

/// An end of an edge. Addresses that are nobody's here are told apart by their reach alone, so that the graph stays small.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Node {
    /// By its reference, else by its digest or id: whatever stands behind a tag is one.
    Image(Arc<str>),
    /// A container whose image nobody knows.
    Container(ContainerId),
    /// An address of the host; its loopback too, from containers that have the host's network.
    Host,
    /// Addresses that no router forwards to the internet: other hosts, and the containers there.
    Private,
    /// All others.
    Public,
}

impl Node {
    /// A container as an end.
    pub(super) fn of(container: &Container) -> Self {
        let image = container.known().and_then(|known| name_of(&known.image));
        image.map_or_else(|| Self::Container(container.id.clone()), Self::Image)
    }

    /// Who is contacted.
    pub(super) fn contacted(context: &DetectContext<'_>, contact: &Contact<'_>) -> Self {
        if let Some(peer) = &contact.peer {
            return Self::of(peer);
        }
        let address = contact.address;
        if address.is_loopback() || context.host.addresses.contains(&address) {
            Self::Host
        } else if is_internal(address) {
            Self::Private
        } else {
            Self::Public
        }
    }
}

fn name_of(image: &ImageRef) -> Option<Arc<str>> {
    let names = [Some(&image.reference), image.digest.as_ref(), image.id.as_ref()];
    let name = names.into_iter().flatten().find(|name| !name.is_empty())?;
    let end = name.floor_char_boundary(MAX_NAME);
    // A character without a picture takes six times its room in JSON.
    let kept = name[..end].replace(char::is_control, "?");
    Some(Arc::from(kept))
}
