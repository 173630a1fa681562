//! Sockets that reach others beside TCP and UDP.

use crate::detect::listener::Unusual;
use crate::detect::rules::lateral;
use crate::detect::{DetectContext, Finding};
use crate::event::{RecordFlags, Socket};

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
        Unusual::Sender => (
            &lateral::PACKET_SENDER,
            "a raw socket that sends packets of its own making",
        ),
        Unusual::Vsock => return vsock(context),
        Unusual::Raw | Unusual::Packet | Unusual::Sctp => return None,
    };
    if unusual.is_expected(context) {
        return None;
    }
    let actor = context.actor();
    let summary = format!("{actor} in {} asked for {what}", context.container_name());
    Some(Finding::new(rule, actor, summary))
}

fn vsock(context: &DetectContext<'_>) -> Option<Finding> {
    if !context.event.raw.header.flags.has(RecordFlags::CONNECTS) || Unusual::Vsock.is_expected(context) {
        return None;
    }
    let actor = context.actor();
    let container = context.container_name();
    let summary =
        format!("{actor} in {container} connects, or tries to, by a socket out of the virtual machine");
    Some(Finding::new(&lateral::VSOCK, actor, summary))
}
