//! Names: whom the container asks, and who asks for all of them.

use super::contact::Contact;
use super::{DNS, clients};
use crate::detect::rules::lateral;
use crate::detect::{DetectContext, Finding, Scope};
use crate::event::{Exec, Net};
use crate::profile::Protocol;

/// In names of images that resolve names.
const RESOLVERS: [&str; 7] = ["coredns", "dns", "bind", "unbound", "pihole", "adguard", "consul"];
const QUERIES: [&str; 6] = ["dig", "host", "nslookup", "drill", "kdig", "delv"];

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
    let image = contact.peer_image();
    let resolver = RESOLVERS.iter().any(|word| image.contains(word)) || contact.is_declared();
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

/// A whole zone is asked for, or all services of a cluster.
pub(super) fn walk(context: &DetectContext<'_>, exec: &Exec) -> Option<Finding> {
    let names = clients::names(context, exec);
    if !QUERIES.iter().any(|query| clients::is_among(&names, query)) {
        return None;
    }
    let arguments: Vec<String> = exec
        .arguments()
        .skip(1)
        .map(|argument| argument.to_text().to_lowercase())
        .collect();
    if !is_walk(&arguments) {
        return None;
    }
    let summary = format!(
        "{} in {} asks for a whole zone or all services: {}",
        context.actor(),
        context.container_name(),
        arguments.join(" ")
    );
    let finding = Finding::new(&lateral::ZONE_WALK, context.actor(), summary);
    // Its questions are contacts of the same program.
    Some(finding.step_of(context.actor()))
}

/// Of arguments in small letters.
fn is_walk(arguments: &[String]) -> bool {
    let transfer =
        |argument: &String| argument == "-l" || argument.ends_with("axfr") || argument.starts_with("ixfr=");
    let every = |argument: &String| argument.contains("any.any.svc") || argument.contains("*.svc");
    // Who asks for a named port of one service looks for that service.
    let services = |argument: &String| {
        let name = argument.trim_end_matches('.');
        name == "svc.cluster.local" || name.ends_with(".svc.cluster.local") && !name.starts_with('_')
    };
    let of_services = arguments.iter().any(|argument| argument.ends_with("srv"));
    arguments
        .iter()
        .any(|argument| transfer(argument) || every(argument))
        || of_services && arguments.iter().any(services)
}
