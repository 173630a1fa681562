//! Sockets that reach others beside TCP and UDP.

use crate::detect::listener::Unusual;
use crate::detect::rules::lateral;
use crate::detect::{DetectContext, Finding};
use crate::event::Socket;

pub(super) fn inspect(context: &DetectContext<'_>, socket: &Socket) -> Option<Finding> {
    let unusual = Unusual::of(socket)?;
    let (rule, what) = match unusual {
        Unusual::Arp => (
            &lateral::ARP_SOCKET,
            "a socket for ARP, with which it can take the addresses of others",
        ),
        Unusual::Ping => (
            &lateral::ICMP_SOCKET,
            "a socket for ICMP, through which data leaves unseen",
        ),
        Unusual::Vsock => (
            &lateral::VSOCK,
            "a socket between virtual machines and their host",
        ),
        Unusual::Raw | Unusual::Packet => return None,
    };
    if unusual.is_expected(context) {
        return None;
    }
    let actor = context.actor();
    let summary = format!("{actor} in {} asked for {what}", context.container_name());
    Some(Finding::new(rule, actor, summary))
}
