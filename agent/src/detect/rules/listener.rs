//! Rules of class `listener`: listening where nobody should.

use crate::detect::{Class, Rule, Severity};

pub(super) static ALL: &[&Rule] = &[
    &UNEXPECTED,
    &UNEXPECTED_PORT,
    &UNEXPECTED_EXECUTABLE,
    &SHELL_SPAWNED,
    &SSHD_IN_CONTAINER,
    &WEB_SERVER_IN_DATABASE,
    &INHERITED,
    &NESTED_NAMESPACE,
    &ABSTRACT_SOCKET,
    &RAW_SOCKET,
    &PACKET_SOCKET,
    &PACKET_FILTER,
    &SCTP_SOCKET,
    &VSOCK,
    &TUNNEL_INTERFACE,
];

pub(crate) static UNEXPECTED: Rule = Rule {
    id: "listener.unexpected",
    class: Class::Listener,
    severity: Severity::Info,
    attack: &["T1571"],
    title: "A listener that nothing announces",
    meaning: "A process listens on a port that is neither in the image's profile, nor declared by the image, nor \
        usual for its role. With a complete profile the severity is high, with a partial one medium, \
        without one info; low on loopback.",
    why: "Backdoors, proxies and forgotten debug ports are listeners.",
    look_alikes: "Debug ports and exporters that are switched on by configuration: learn or add them.",
    response: "Ask who started the program; add the port to the profile if it belongs there.",
};

pub(crate) static UNEXPECTED_PORT: Rule = Rule {
    id: "listener.unexpected_port",
    class: Class::Listener,
    severity: Severity::High,
    attack: &["T1571"],
    title: "A known program listens on a port of its own choice",
    meaning: "An executable that the profile knows as a listener listens on another port.",
    why: "A second configuration of the real service is a quiet way to serve an attacker.",
    look_alikes: "Ports that are configured per deployment: add them to the profile.",
    response: "Look at the arguments and configuration of the process.",
};

pub(crate) static UNEXPECTED_EXECUTABLE: Rule = Rule {
    id: "listener.unexpected_executable",
    class: Class::Listener,
    severity: Severity::High,
    attack: &["T1036", "T1571"],
    title: "Another program listens on the service's port",
    meaning: "The port is the service's, the executable is not.",
    why: "It takes over the traffic of the service: credentials and data.",
    look_alikes: "An update that moves the executable: learn the new image.",
    response: "Compare the executable with the image. Stop the container.",
};

pub(crate) static SHELL_SPAWNED: Rule = Rule {
    id: "listener.shell_spawned",
    class: Class::Listener,
    severity: Severity::High,
    attack: &["T1059", "T1571"],
    title: "A shell or a tool of shells listens",
    meaning: "netcat, socat or a shell listens; or a program listens that a shell started which came from a \
        network service or from an exec session.",
    why: "It is a bind shell or a tunnel.",
    look_alikes: "Entrypoint scripts also start services from a shell: the entrypoint's own lineage does not count. \
        `nc -z` of health checks does not listen.",
    response: "Read the arguments; stop the process; find out which request or session started the shell.",
};

pub(crate) static SSHD_IN_CONTAINER: Rule = Rule {
    id: "listener.sshd_in_container",
    class: Class::Listener,
    severity: Severity::High,
    attack: &["T1021.004", "T1098"],
    title: "An SSH server in a container",
    meaning: "A process is an SSH server, or listens on port 22. It needs no profile. Images that are SSH \
        servers get severity low.",
    why: "Nobody needs to log in to a container; whoever installs sshd wants to come back.",
    look_alikes: "Git servers and jump hosts: they are SSH servers by purpose; add the listener to their profile by \
        hand.",
    response: "Stop the container; remove sshd from the image; look for added keys.",
};

pub(crate) static WEB_SERVER_IN_DATABASE: Rule = Rule {
    id: "listener.web_server_in_database",
    class: Class::Listener,
    severity: Severity::High,
    attack: &["T1505.003", "T1571"],
    title: "A web server in a database or cache container",
    meaning: "In a container that is a database or a cache, a web server runs or a port of web servers is open. \
        It needs no profile.",
    why: "Data stores do not serve web pages; attackers use them for downloads, web shells and command \
        channels.",
    look_alikes: "Consoles that belong to the product listen on ports that the role knows.",
    response: "Stop the container; find out who started the program.",
};

pub(crate) static INHERITED: Rule = Rule {
    id: "listener.inherited",
    class: Class::Listener,
    severity: Severity::High,
    attack: &["T1571", "T1059"],
    title: "A shell holds a listener that another program made",
    meaning: "A shell or a relay was executed with a listener among its descriptors.",
    why: "It serves the port of the service from now on, and no new listener shows.",
    look_alikes: "Services that leave their listeners open to what they execute: learn them, then the profile has the execution. \
        Servers that execute themselves anew keep theirs on purpose, and are no shells.",
    response: "Look at the shell's arguments and at who executed it.",
};

pub(crate) static NESTED_NAMESPACE: Rule = Rule {
    id: "listener.nested_namespace",
    class: Class::Listener,
    severity: Severity::Medium,
    attack: &["T1564", "T1571"],
    title: "A listener in another network than the container's",
    meaning: "A process listens in a network namespace that is not the one in which the container began.",
    why: "It is not seen from the container's network, nor by what guards that.",
    look_alikes: "Images that run containers themselves do not count; tests of networks do.",
    response: "See who made the namespace, and how it is reached.",
};

pub(crate) static ABSTRACT_SOCKET: Rule = Rule {
    id: "listener.abstract_socket",
    class: Class::Listener,
    severity: Severity::Medium,
    attack: &["T1559"],
    title: "An abstract unix socket is served",
    meaning: "A program other than the container's own gave a unix socket an abstract name. High with the host's network, where \
        everybody on the host reaches it.",
    why: "Such a socket is no file: nobody finds it who looks for files, and no permission guards it.",
    look_alikes: "D-Bus, X11, systemd and shims of containerd, by their names; the container's first process.",
    response: "See which program it is, and who is connected (`ss -xp`).",
};

pub(crate) static RAW_SOCKET: Rule = Rule {
    id: "listener.raw_socket",
    class: Class::Listener,
    severity: Severity::High,
    attack: &["T1205", "T1095"],
    title: "A raw socket",
    meaning: "A program that is not one for it asked for a raw socket, whether it got it or not.",
    why: "It sees packets that no listener announces, and answers to those that it waits for.",
    look_alikes: "ping and its like, routers, firewalls and servers of DHCP, when they are the image's own, and whatever a \
        profile allows NET_RAW. Java asks for one to see whether a host is there.",
    response: "Take NET_RAW from the container; look at what the program waits for.",
};

pub(crate) static PACKET_SOCKET: Rule = Rule {
    id: "listener.packet_socket",
    class: Class::Listener,
    severity: Severity::High,
    attack: &["T1040"],
    title: "A packet socket",
    meaning: "A program that is not one for it asked for a packet socket (or AF_XDP), whether it got it or not.",
    why: "It reads what the container's network carries: passwords, sessions, data.",
    look_alikes: "Captures, DHCP clients and routers, when they are the image's own, and whatever a profile allows NET_RAW.",
    response: "Take NET_RAW from the container; change what was sent in the clear.",
};

pub(crate) static PACKET_FILTER: Rule = Rule {
    id: "listener.packet_filter",
    class: Class::Listener,
    severity: Severity::Critical,
    attack: &["T1205.002", "T1205.001"],
    title: "A filter on a socket that sees packets",
    meaning: "A program that asked for a raw or packet socket put a filter on a socket.",
    why: "So back doors sleep until a certain packet comes: no port is open meanwhile.",
    look_alikes: "Captures and DHCP clients, when they are the image's own, and whatever a profile allows NET_RAW.",
    response: "Stop the container, keep its memory and files; look for the same program elsewhere.",
};

pub(crate) static SCTP_SOCKET: Rule = Rule {
    id: "listener.sctp_socket",
    class: Class::Listener,
    severity: Severity::High,
    attack: &["T1571", "T1095"],
    title: "A socket for SCTP",
    meaning: "A program asked for a socket of SCTP, whether it got it or not, in a container whose image and profile know \
        nothing of that protocol.",
    why: "Filters and proxies that watch TCP and UDP let it pass. Asking for it also loads a large part of the kernel that \
        hardly anybody needs.",
    look_alikes: "Telephony and signalling speak it: their images declare it (`EXPOSE 3868/sctp`), or their profiles have it.",
    response: "See which program it is; forbid the protocol with seccomp, or the kernel's module on the node.",
};

pub(crate) static VSOCK: Rule = Rule {
    id: "listener.vsock",
    class: Class::Listener,
    severity: Severity::High,
    attack: &["T1571", "T1095"],
    title: "A socket that the hypervisor can reach",
    meaning: "A process gave an address to a socket of the family vsock: it is to be reached by the host or other virtual \
        machines.",
    why: "Whoever is on the hypervisor reaches it past every network.",
    look_alikes: "Agents in virtual machines (kata-agent, qemu-ga) and virtual machines in containers, when they are the \
        image's own.",
    response: "Forbid the family with seccomp, as Docker's own profile does.",
};

pub(crate) static TUNNEL_INTERFACE: Rule = Rule {
    id: "listener.tunnel_interface",
    class: Class::Listener,
    severity: Severity::High,
    attack: &["T1572"],
    title: "A network interface of a program's own",
    meaning: "A process made a TUN or TAP interface, or tried to.",
    why: "Through it another network becomes part of the container's.",
    look_alikes: "VPN programs and virtual machines, when they are the image's own, and whatever a profile allows NET_ADMIN.",
    response: "See where the tunnel leads; take `/dev/net/tun` and NET_ADMIN from the container.",
};
