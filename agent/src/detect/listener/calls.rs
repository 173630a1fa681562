//! Filters on sockets that see packets, and interfaces that lead elsewhere.

use super::sockets::{self, Unusual};
use crate::detect::program::is_of_image;
use crate::detect::rules::listener;
use crate::detect::{DetectContext, Finding};
use crate::event::{Call, CallName};

const SOL_SOCKET: u64 = 1;
const SO_ATTACH_FILTER: u64 = 26;
const SO_ATTACH_BPF: u64 = 50;
const TUNSETIFF: u64 = 0x4004_54ca;
/// The descriptor is no file, or none of that sort.
const OTHER_FILE: [i32; 2] = [-9, -25];
/// `CAP_NET_ADMIN`.
const NET_ADMIN: u32 = 12;
/// Programs whose work tunnels are.
const TUNNELLERS: [&str; 24] = [
    "openvpn",
    "tailscaled",
    "wireguard-go",
    "boringtun",
    "boringtun-cli",
    "openconnect",
    "ocserv",
    "ocserv-worker",
    "vpnc",
    "tincd",
    "zerotier-one",
    "nebula",
    "netbird",
    "charon",
    "pppd",
    "slirp4netns",
    "pasta",
    "passt",
    "rootlesskit",
    "qemu-system-x86_64",
    "qemu-system-aarch64",
    "qemu-kvm",
    "firecracker",
    "virt-launcher",
];

/// A program is put on a socket: it wakes up when a packet is what it waits for.
pub(super) fn is_filter(call: &Call) -> bool {
    let [_, level, option, _] = call.args;
    call.call == CallName::SETSOCKOPT
        && level == SOL_SOCKET
        && matches!(option, SO_ATTACH_FILTER | SO_ATTACH_BPF)
}

/// Of a program that has a socket that sees packets.
pub(super) fn filter(context: &DetectContext<'_>) -> Option<Finding> {
    if Unusual::Packet.is_expected(context) {
        return None;
    }
    let actor = context.actor();
    let summary = format!(
        "{actor} in {} put a filter on a socket that sees packets: it waits for a sign",
        context.container_name()
    );
    let finding = Finding::new(&listener::PACKET_FILTER, actor, summary);
    Some(finding.step_of(sockets::deed(context)))
}

/// A network interface whose packets a program makes.
pub(super) fn tunnel(context: &DetectContext<'_>, call: &Call) -> Option<Finding> {
    let makes = call.call == CallName::IOCTL && call.args[1] == TUNSETIFF;
    if !makes || OTHER_FILE.contains(&context.event.raw.header.ret) {
        return None;
    }
    let allowed = context.profile.and_then(|profile| profile.capability(NET_ADMIN));
    if allowed == Some(true) || is_of_image(&context.event.process, &TUNNELLERS) {
        return None;
    }
    let actor = context.actor();
    let summary = format!(
        "{actor} in {} made a network interface of its own (TUN or TAP)",
        context.container_name()
    );
    Some(Finding::new(&listener::TUNNEL_INTERFACE, actor, summary))
}
