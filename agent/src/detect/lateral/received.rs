//! Connections that another process made and handed over: its profile was asked, not the receiver's.

use super::contact::Contact;
use crate::detect::rules::lateral;
use crate::detect::{DetectContext, Finding};
use crate::event::{Net, Received};

const SOCK_STREAM: u16 = 1;
const TCP_ESTABLISHED: u16 = 1;

pub(super) fn inspect(context: &DetectContext<'_>, received: &Received) -> Option<Finding> {
    let ports = context.host.ephemeral_ports;
    // A server's own connections are handed from the process that accepts to those that work.
    let outward = ports.contains(received.local.port) && !ports.contains(received.remote.port);
    let connection = received.socket_type == SOCK_STREAM && received.state == TCP_ESTABLISHED;
    if !outward || !connection {
        return None;
    }
    let net = Net {
        local: received.local,
        remote: received.remote,
        protocol: received.protocol,
        socket_type: received.socket_type,
        backlog: 0,
    };
    let contact = Contact::of(context, &net)?;
    if contact.address.is_loopback() || contact.is_allowed() {
        return None;
    }
    let summary = format!(
        "{} in {} was handed a connection to {} that another process made",
        context.actor(),
        context.container_name(),
        contact.place()
    );
    Some(Finding::new(
        &lateral::CONNECTION_HANDED_OVER,
        contact.socket(),
        summary,
    ))
}
