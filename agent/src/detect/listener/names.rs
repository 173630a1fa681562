//! Abstract unix sockets: they are no files, and leave no trace.

use crate::detect::lateral::has_host_network;
use crate::detect::program::is_main;
use crate::detect::rules::listener;
use crate::detect::{DetectContext, Finding, Severity};
use crate::event::UnixConnect;

/// How names of well-known programs begin, without the `@`.
const KNOWN: [&[u8]; 15] = [
    b"/tmp/dbus-",
    b"/var/run/dbus",
    b"/run/dbus",
    b"dbus-",
    b"/tmp/.X11-unix/",
    b"/tmp/.ICE-unix/",
    b"/containerd-shim",
    b"containerd-shim",
    b"/org/freedesktop/",
    b"/org/kernel/",
    b"/com/ubuntu/",
    b"userdb-",
    b"xtables",
    b"ISCSIADM_ABSTRACT_NAMESPACE",
    b"ISCSID_UIP_ABSTRACT_NAMESPACE",
];

/// Of a unix socket that is given a name.
pub(super) fn inspect(context: &DetectContext<'_>, bind: &UnixConnect) -> Option<Finding> {
    let path: &[u8] = &bind.path.bytes;
    let name = path.strip_prefix(b"@")?;
    let runtime = context.role.is_some_and(|role| role.name() == "runtime");
    if is_known(name) || runtime || is_main(context.event) {
        return None;
    }
    let actor = context.actor();
    let summary = format!(
        "{actor} in {} serves the abstract unix socket {}",
        context.container_name(),
        bind.path
    );
    let finding = Finding::new(&listener::ABSTRACT_SOCKET, bind.path.to_text(), summary);
    let finding = finding.step_of(format!("abstract {actor}"));
    // Names are those of a network: there everybody of the host reaches it.
    Some(if has_host_network(context) {
        finding.severity(Severity::High)
    } else {
        finding
    })
}

fn is_known(name: &[u8]) -> bool {
    KNOWN.iter().any(|known| name.starts_with(known)) || is_of_bus(name)
}

/// Clients of systemd's bus: `ADDRESS/bus/PROGRAM/…`, the address in hexadecimal digits.
fn is_of_bus(name: &[u8]) -> bool {
    let digits = name.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
    digits > 0 && name[digits..].starts_with(b"/bus/")
}
