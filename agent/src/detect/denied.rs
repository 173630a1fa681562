//! What the kernel kept a container from is told in any case: also where no other rule would mind, such as a bind that is half a listener.

use super::rules::{credential, drift, escape, lateral, listener};
use super::{DetectContext, Detector, Finding, Rule};
use crate::event::{Payload, RecordFlags, peer_address};
use std::net::SocketAddr;

/// Finds denials that no other detector told.
#[derive(Debug)]
pub(super) struct DeniedDetector;

impl Detector for DeniedDetector {
    fn inspect(&mut self, context: &DetectContext<'_>, findings: &mut Vec<Finding>) {
        let flags = context.event.raw.header.flags;
        let denied = flags.has(RecordFlags::DENIED) || flags.has(RecordFlags::KILLED);
        if denied && findings.is_empty() {
            findings.extend(denial(context));
        }
    }
}

fn denial(context: &DetectContext<'_>) -> Option<Finding> {
    if let Payload::Mount(mount) = &context.event.raw.payload {
        // The kernel knows what is on a disk; rules know some names.
        let deed = mount.fstype.to_text();
        let (actor, container) = (context.actor(), context.container_name());
        let summary =
            format!("{actor} in {container} was kept from mounting a filesystem on a disk ({deed})");
        return Some(Finding::new(&escape::HOST_DISK_MOUNT, deed, summary));
    }
    let (rule, deed): (&Rule, String) = match &context.event.raw.payload {
        Payload::Bind(net) | Payload::Listen(net) => (
            &listener::UNEXPECTED,
            format!("listening on {}", place(&net.local)?),
        ),
        Payload::Connect(net) | Payload::Send(net) => (
            &lateral::UNEXPECTED_CONNECTION,
            format!("contacting {}", place(&net.remote)?),
        ),
        Payload::Exec(exec) => (
            &drift::EXEC_OUTSIDE_PROFILE,
            format!("executing {}", exec.path.to_text()),
        ),
        Payload::FileOpen(open) if !open.writes() => (
            &credential::READ_OUTSIDE_PROFILE,
            format!("reading {}", open.path.to_text()),
        ),
        Payload::FileOpen(open) => (
            &drift::WRITE_OUTSIDE_PROFILE,
            format!("writing {}", open.path.to_text()),
        ),
        Payload::Capable(used) => (
            &drift::CAPABILITY_OUTSIDE_PROFILE,
            format!("using {}", used.name()),
        ),
        _ => return None,
    };
    let summary = format!(
        "{} in {} was kept from {deed}{}, which its profile does not name",
        context.actor(),
        context.container_name(),
        peer_name(context)
    );
    Some(Finding::new(rule, deed, summary))
}

/// Of who was to be contacted, in brackets.
fn peer_name(context: &DetectContext<'_>) -> String {
    let peer = match &context.event.raw.payload {
        Payload::Connect(net) | Payload::Send(net) => peer_address(&net.remote),
        _ => None,
    };
    peer.map_or_else(String::new, |peer| context.name_in_brackets(peer))
}

fn place(address: &crate::event::SocketAddress) -> Option<SocketAddr> {
    Some(SocketAddr::new(peer_address(address)?, address.port))
}
