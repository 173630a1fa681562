//! Reverse shells.

use super::Contact;
use crate::detect::program::{called, inner_ancestors, is_shell};
use crate::detect::rules::lateral;
use crate::detect::{DetectContext, Finding, Severity};
use crate::event::peer_address;
use crate::event::{Exec, SocketAddress, StdioFlags};
use bstr::ByteSlice;
use std::net::IpAddr;

/// A shell with an internet socket as input or output, or what such a shell starts.
pub(super) fn on_exec(context: &DetectContext<'_>, exec: &Exec) -> Option<Finding> {
    let [stdin, stdout, _] = StdioFlags::INET;
    let both = exec.stdio & (stdin | stdout) == stdin | stdout;
    let shell = is_shell(&called(&context.event.process)) && exec.stdio & (stdin | stdout) != 0;
    let parent = inner_ancestors(context.event).next();
    let below = both && parent.is_some_and(|parent| is_shell(&called(parent)));
    let peer = connected(&exec.stdio_peer)?;
    if !shell && !below {
        return None;
    }
    let severity = if peer.is_loopback() {
        Severity::Medium
    } else {
        Severity::Critical
    };
    let summary = format!(
        "Reverse shell: {} in {} has a connection to {peer}{} as its input or output",
        context.actor(),
        context.container_name(),
        context.name_in_brackets(peer)
    );
    Some(Finding::new(&lateral::REVERSE_SHELL, peer.to_string(), summary).severity(severity))
}

/// A listening socket has no peer: FastCGI servers keep theirs as standard input.
fn connected(peer: &SocketAddress) -> Option<IpAddr> {
    peer_address(peer).filter(|address| peer.port != 0 && !address.is_unspecified())
}

/// A shell that connects by itself and hands itself over.
pub(super) fn on_connect(contact: &Contact<'_>) -> Option<Finding> {
    let process = &contact.context.event.process;
    if !is_shell(&called(process)) {
        return None;
    }
    let arguments: &[u8] = &process.args.bytes;
    let has = |text: &str| arguments.contains_str(text);
    let interactive = process
        .arguments()
        .skip(1)
        .any(|argument| argument.bytes == "-i" || argument.bytes == "-li");
    // `exec 5<>/dev/tcp/…; cat <&5 | while …`: reads and writes what it connects to. Scripts that wait for a port do not.
    let hands_over = (has("/dev/tcp/") || has("/dev/udp/")) && (has("<&") || has("0<")) && has(">&");
    if !interactive && !hands_over {
        return None;
    }
    let summary = format!(
        "Reverse shell: {} in {} connected to {} by itself",
        contact.context.actor(),
        contact.context.container_name(),
        contact.place()
    );
    Some(Finding::new(
        &lateral::REVERSE_SHELL,
        contact.address.to_string(),
        summary,
    ))
}
