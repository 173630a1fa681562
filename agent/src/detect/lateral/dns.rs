//! Name servers: whom the container asks, and who is one.

use super::DNS;
use super::contact::Contact;
use crate::detect::rules::lateral;
use crate::detect::{DetectContext, Finding, Scope};
use crate::event::Net;
use crate::profile::{ImageName, Protocol};

/// In names of images that resolve names.
const RESOLVERS: [&str; 7] = ["coredns", "dns", "bind", "unbound", "pihole", "adguard", "consul"];

/// A datagram socket is connected: most resolvers do no more before they send.
pub(super) fn asked(context: &DetectContext<'_>, net: &Net) -> Option<Finding> {
    let contact = Contact::of(context, net).filter(|contact| !contact.address.is_loopback())?;
    if context.scope == Scope::Universal || contact.is_allowed() {
        return None;
    }
    unusual_resolver(&contact)
}

/// A container of this host is asked for names that is no resolver: it is given data in questions.
pub(super) fn unusual_resolver(contact: &Contact<'_>) -> Option<Finding> {
    let dns = contact.port == DNS && matches!(contact.proto, Protocol::Udp | Protocol::Tcp);
    let peer = contact.peer.as_ref().filter(|_| dns)?;
    let resolver = names_resolver(&contact.peer_image()) || contact.is_declared();
    if resolver || contact.is_learned() {
        return None;
    }
    let summary = format!(
        "{} in {} asks container {} at {} for names, which is no resolver",
        contact.context.actor(),
        contact.context.container_name(),
        peer.display_name(),
        contact.place()
    );
    let finding = Finding::new(&lateral::UNUSUAL_RESOLVER, contact.address.to_string(), summary);
    Some(finding.step_of(contact.exploration()))
}

/// The container resolves names itself: it asks on behalf of others.
pub(super) fn is_resolver(context: &DetectContext<'_>) -> bool {
    let image = context
        .known()
        .and_then(|known| ImageName::parse(&known.image.reference));
    image.is_some_and(|image| names_resolver(&image.repository.to_lowercase()))
}

/// Of an image's name in small letters.
fn names_resolver(image: &str) -> bool {
    RESOLVERS.iter().any(|word| image.contains(word))
}
