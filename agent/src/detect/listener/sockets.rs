//! Sockets that see or make packets by themselves, or go around the network: who asks for one tells, whether it gets it or
//! not.

use crate::detect::program::is_of_image;
use crate::detect::rules::listener;
use crate::detect::{DetectContext, Finding, Rule};
use crate::event::{RecordFlags, Socket};
use crate::profile::Protocol;

const AF_INET: u16 = 2;
const AF_INET6: u16 = 10;
const AF_PACKET: u16 = 17;
const AF_VSOCK: u16 = 40;
const AF_XDP: u16 = 44;
const SOCK_DGRAM: u16 = 2;
const SOCK_RAW: u16 = 3;
/// Packet sockets of old.
const SOCK_PACKET: u16 = 10;
const IPPROTO_ICMP: u32 = 1;
const IPPROTO_SCTP: u32 = 132;
/// Such a socket only sends.
const IPPROTO_RAW: u32 = 255;
const IPPROTO_ICMPV6: u32 = 58;
/// `ETH_P_ARP` in either order of its bytes: the record has what the program gave, which is to be the network's.
const ETH_P_ARP: [u32; 2] = [0x0806, 0x0608];
/// `CAP_NET_RAW`.
const NET_RAW: u32 = 13;

/// Programs that ask whether a host is there.
const PINGERS: [&str; 17] = [
    "ping",
    "ping6",
    "ping4",
    "traceroute",
    "traceroute6",
    "tracepath",
    "tcptraceroute",
    "mtr",
    "mtr-packet",
    "arping",
    "fping",
    "fping6",
    "gping",
    "smokeping",
    "blackbox_exporter",
    "smokeping_prober",
    "telegraf",
];
/// Programs whose work packets are: routers, filters, clients and servers of DHCP, captures.
const PACKET_PROGRAMS: [&str; 62] = [
    "keepalived",
    "vrrpd",
    "ucarp",
    "bird",
    "bird6",
    "ospfd",
    "ospf6d",
    "isisd",
    "zebra",
    "bgpd",
    "pimd",
    "lldpd",
    "radvd",
    "ndppd",
    "dnsmasq",
    "dhclient",
    "dhcpcd",
    "udhcpc",
    "udhcpd",
    "dhcpd",
    "dhcrelay",
    "kea-dhcp4",
    "kea-dhcp6",
    "systemd-networkd",
    "NetworkManager",
    "avahi-autoipd",
    "wpa_supplicant",
    "hostapd",
    "tcpdump",
    "tshark",
    "dumpcap",
    "wireshark",
    "ngrep",
    "suricata",
    "Suricata-Main",
    "snort",
    "zeek",
    "ntopng",
    "arpwatch",
    "softflowd",
    "pmacctd",
    "conntrackd",
    "iptables",
    "ip6tables",
    "iptables-legacy",
    "ip6tables-legacy",
    "xtables-legacy-multi",
    "xtables-nft-multi",
    "ebtables",
    "arptables",
    "ipvsadm",
    "kube-proxy",
    "calico-node",
    "cilium-agent",
    "flanneld",
    "speaker",
    "kube-vip",
    "dockerd",
    "slirp4netns",
    "pasta",
    "passt",
    "ovs-vswitchd",
];
/// Who speaks to a hypervisor, or is one.
const VIRTUAL: [&str; 10] = [
    "kata-agent",
    "qemu-ga",
    "vmtoolsd",
    "qemu-system-x86_64",
    "qemu-system-aarch64",
    "qemu-kvm",
    "virt-launcher",
    "virt-handler",
    "firecracker",
    "systemd",
];

/// Sockets that few programs have a use for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::detect) enum Unusual {
    /// Over IP, below TCP and UDP.
    Raw,
    /// The same, to send what the program made, the addresses too.
    Sender,
    /// Streams beside TCP.
    Sctp,
    /// Below IP.
    Packet,
    Arp,
    /// Echoes without a capability.
    Ping,
    /// To the hypervisor, or between virtual machines.
    Vsock,
}

impl Unusual {
    pub(in crate::detect) fn of(socket: &Socket) -> Option<Self> {
        let inet = matches!(socket.family, AF_INET | AF_INET6);
        match (socket.family, socket.socket_type) {
            (AF_VSOCK, _) => Some(Self::Vsock),
            (AF_PACKET, _) if ETH_P_ARP.contains(&socket.protocol) => Some(Self::Arp),
            (AF_PACKET | AF_XDP, _) => Some(Self::Packet),
            (_, SOCK_PACKET) if inet => Some(Self::Packet),
            (_, SOCK_RAW) if inet && socket.protocol == IPPROTO_RAW => Some(Self::Sender),
            (_, SOCK_RAW) if inet => Some(Self::Raw),
            _ if inet && socket.protocol == IPPROTO_SCTP => Some(Self::Sctp),
            (_, SOCK_DGRAM) if inet && matches!(socket.protocol, IPPROTO_ICMP | IPPROTO_ICMPV6) => {
                Some(Self::Ping)
            }
            _ => None,
        }
    }

    /// Who asks for it has packets for its work, or the profile lets it have them.
    pub(in crate::detect) fn is_expected(self, context: &DetectContext<'_>) -> bool {
        let process = &context.event.process;
        match self {
            Self::Vsock => return is_of_image(process, &VIRTUAL),
            Self::Sctp => return speaks_sctp(context),
            _ => {}
        }
        let allowed = context.profile.and_then(|profile| profile.capability(NET_RAW));
        allowed == Some(true) || is_of_image(process, &PINGERS) || is_of_image(process, &PACKET_PROGRAMS)
    }

    /// A program can look for a sign among the packets that it sees through it.
    pub(super) fn sees_packets(self) -> bool {
        matches!(self, Self::Raw | Self::Packet | Self::Arp)
    }
}

/// Those that wait for something. The others are lateral's.
pub(super) fn inspect(context: &DetectContext<'_>, socket: &Socket) -> Option<Finding> {
    let unusual = Unusual::of(socket)?;
    let (rule, what): (&'static Rule, _) = match unusual {
        Unusual::Raw => (
            &listener::RAW_SOCKET,
            "a raw socket, which sees what comes for others",
        ),
        Unusual::Packet => (
            &listener::PACKET_SOCKET,
            "a packet socket, which sees all that passes",
        ),
        Unusual::Sctp => (&listener::SCTP_SOCKET, "a socket for SCTP"),
        Unusual::Vsock => return vsock(context),
        Unusual::Sender | Unusual::Arp | Unusual::Ping => return None,
    };
    if unusual.is_expected(context) {
        return None;
    }
    let actor = context.actor();
    let summary = format!("{actor} in {} asked for {what}", context.container_name());
    Some(Finding::new(rule, actor, summary).step_of(deed(context)))
}

/// The profile has a listener or contact of the protocol, or the image declares one.
fn speaks_sctp(context: &DetectContext<'_>) -> bool {
    let profiled = context
        .profile
        .is_some_and(|profile| profile.speaks(Protocol::Sctp));
    let declares = |port: &String| port.ends_with("/sctp");
    profiled
        || context
            .known()
            .is_some_and(|known| known.exposed_ports.iter().any(declares))
}

/// What is done with it tells which way it goes; that it is made is escape's.
fn vsock(context: &DetectContext<'_>) -> Option<Finding> {
    if !context.event.raw.header.flags.has(RecordFlags::BINDS) || Unusual::Vsock.is_expected(context) {
        return None;
    }
    let actor = context.actor();
    let container = context.container_name();
    let summary = format!("{actor} in {container} waits on a socket that leads out of the virtual machine");
    Some(Finding::new(&listener::VSOCK, actor, summary))
}

/// Socket and filter are one behaviour.
pub(super) fn deed(context: &DetectContext<'_>) -> String {
    format!("packets {}", context.actor())
}
