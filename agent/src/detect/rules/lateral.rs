//! Rules of class `lateral`: moving sideways.

use crate::detect::{Class, Rule, Severity};

pub(super) static ALL: &[&Rule] = &[
    &FIRST_CONTACT,
    &UNEXPECTED_CONNECTION,
    &METADATA_SERVICE,
    &KUBERNETES_API,
    &KUBELET,
    &ETCD,
    &DOCKER_API,
    &PORT_SCAN,
    &HOST_SWEEP,
    &REVERSE_SHELL,
    &UNUSUAL_RESOLVER,
    &DNS_TUNNELLING,
    &ZONE_WALK,
    &RELAY_TOOL,
    &SSH_TUNNEL,
    &BRUTE_FORCE,
    &MINING_POOL,
    &CONTROL_CLIENT,
    &CONNECTION_HANDED_OVER,
    &SHARED_SOCKET,
    &ICMP_SOCKET,
    &ARP_SOCKET,
    &PACKET_SENDER,
    &VSOCK,
];

pub(crate) static FIRST_CONTACT: Rule = Rule {
    id: "lateral.first_contact",
    class: Class::Lateral,
    severity: Severity::Medium,
    attack: &["T1021", "T1046"],
    title: "First contact with another container",
    meaning: "A process connected to a container that its profile does not name (or that has no profile). \
        Severity low when both share a network of the user, a pod or a Compose project. Told once for two \
        containers, until one of them is gone. What one program contacts and scans within a minute is one \
        alert; its evidence lists the steps.",
    why: "Walking from container to container is what follows a break-in.",
    look_alikes: "Services that need each other: learn them. DNS, published ports and the gateway do not count.",
    response: "Ask whether these two should talk; restrict the network; add the contact to the profile.",
};

pub(crate) static UNEXPECTED_CONNECTION: Rule = Rule {
    id: "lateral.unexpected_connection",
    class: Class::Lateral,
    severity: Severity::Medium,
    attack: &["T1071"],
    title: "A connection outside the profile",
    meaning: "The profile says whom the image contacts; this address, port or executable is not among them. \
        Medium for internal addresses, low for others.",
    why: "Command channels and stolen data leave through new connections.",
    look_alikes: "Services whose addresses change (content networks): name them in the profile, `connect: [{dns: \"*.example.org\"}]`.",
    response: "See which program connects, and to whom.",
};

pub(crate) static METADATA_SERVICE: Rule = Rule {
    id: "lateral.metadata_service",
    class: Class::Lateral,
    severity: Severity::High,
    attack: &["T1552.005"],
    title: "The cloud's metadata service was contacted",
    meaning: "A process in a container connected to 169.254.169.254, fd00:ec2::254 or another metadata address.",
    why: "It gives out the credentials of the machine.",
    look_alikes: "Programs that use the instance's role on purpose: add them to the profile.",
    response: "Rotate the role's credentials. Block the address for containers.",
};

pub(crate) static KUBERNETES_API: Rule = Rule {
    id: "lateral.kubernetes_api",
    class: Class::Lateral,
    severity: Severity::High,
    attack: &["T1613", "T1552.007"],
    title: "The Kubernetes API was contacted",
    meaning: "A process in a container connected to the API server. Where nobody told the agent its address, also to port 443 \
        of an internal host within a minute after the pod's token was read. Low between containers of one network of the user \
        when the peer's image is a cluster's.",
    why: "With the service account's token it reads secrets and starts pods.",
    look_alikes: "Operators, ingress controllers and monitoring use it on purpose: add them to the profile.",
    response: "Check the audit log for the service account; turn off automounting of tokens.",
};

pub(crate) static KUBELET: Rule = Rule {
    id: "lateral.kubelet",
    class: Class::Lateral,
    severity: Severity::High,
    attack: &["T1613", "T1609"],
    title: "A kubelet was contacted",
    meaning: "A process in a container connected to a kubelet (10250, 10255). Low between containers of one network of the \
        user when the peer's image is a cluster's.",
    why: "It runs commands in every pod of the node.",
    look_alikes: "metrics-server and Prometheus: add them to the profile.",
    response: "Check the kubelet's authentication; block the port for pods.",
};

pub(crate) static ETCD: Rule = Rule {
    id: "lateral.etcd",
    class: Class::Lateral,
    severity: Severity::High,
    attack: &["T1552.007"],
    title: "An etcd was contacted",
    meaning: "A process in a container connected to the ports of etcd (2379, 2380). Low between containers of one network of \
        the user when the peer's image is etcd's or a cluster's.",
    why: "All secrets of the cluster are in it.",
    look_alikes: "API servers, backups, and applications with an etcd of their own: add them to the profile.",
    response: "Check etcd's client certificates.",
};

pub(crate) static DOCKER_API: Rule = Rule {
    id: "lateral.docker_api",
    class: Class::Lateral,
    severity: Severity::Critical,
    attack: &["T1610", "T1611"],
    title: "A Docker API was contacted over TCP",
    meaning: "A process in a container connected to port 2375, 2376 or 2377; on loopback, where the container has the \
        host's network. Low between containers of one network of the user when the peer's image is Docker's.",
    why: "Whoever speaks to Docker is root on its host.",
    look_alikes: "docker-in-docker with a client beside it: add it to the profile.",
    response: "Turn the TCP port off. List containers started since.",
};

pub(crate) static PORT_SCAN: Rule = Rule {
    id: "lateral.port_scan",
    class: Class::Lateral,
    severity: Severity::High,
    attack: &["T1046"],
    title: "Many ports of one host were tried",
    meaning: "A container tried 10 different ports of one host within 10 seconds, or 15 within 10 minutes that are not in the \
        range of clients. One alert stands for the whole window.",
    why: "It looks for the next way in.",
    look_alikes: "Connection pools use one port many times; that is one port. FTP and the like are given ports by their server, \
        from the range of clients.",
    response: "Stop the process; look at what answered.",
};

pub(crate) static HOST_SWEEP: Rule = Rule {
    id: "lateral.host_sweep",
    class: Class::Lateral,
    severity: Severity::High,
    attack: &["T1046", "T1018"],
    title: "One port of many hosts was tried",
    meaning: "A container tried one port of 10 different internal hosts within 10 seconds, or of 15 within 10 minutes. One \
        alert stands for the whole window.",
    why: "It looks for hosts with a known weakness.",
    look_alikes: "Monitoring that starts and scrapes its targets: add the network to its profile.",
    response: "Stop the process; look at which hosts answered.",
};

pub(crate) static REVERSE_SHELL: Rule = Rule {
    id: "lateral.reverse_shell",
    class: Class::Lateral,
    severity: Severity::Critical,
    attack: &["T1059.004", "T1071"],
    title: "A reverse shell",
    meaning: "A shell (or a program that it started) has an internet socket as standard input or output, or a \
        shell connects out by itself and hands itself over, or a shell that reads its commands and a program that \
        is connected outwards (netcat, socat, telnet, `openssl s_client`) were executed by one process within a minute, or \
        such a shell by an interpreter that connected outwards, or socat was told to join a shell with a peer.",
    why: "Somebody outside types commands.",
    look_alikes: "inetd-like services hand sockets to programs, not to shells; ssh sessions have a terminal. Scripts \
        that only wait for a port (`/dev/tcp`, `nc -z`) do not count, nor entrypoints that end in a shell.",
    response: "Cut the network of the container; keep its timeline; find the way in.",
};

pub(crate) static UNUSUAL_RESOLVER: Rule = Rule {
    id: "lateral.unusual_resolver",
    class: Class::Lateral,
    severity: Severity::Medium,
    attack: &["T1071.004", "T1048.003"],
    title: "Names are asked of a container that is no resolver",
    meaning: "A process sent to port 53 of another container of the host, over UDP or TCP, or connected a datagram socket to \
        it. The image of that container is not called like a resolver and does not declare the port.",
    why: "Data leaves in questions for names, and commands come in the answers: port 53 is open everywhere.",
    look_alikes: "Resolvers whose images have other names: add the contact to the profile. Docker's own is on loopback; \
        gateways and hosts are no containers.",
    response: "See what the peer is; look at the questions (`agent watch --kind dns`).",
};

pub(crate) static DNS_TUNNELLING: Rule = Rule {
    id: "lateral.dns_tunnelling",
    class: Class::Lateral,
    severity: Severity::High,
    attack: &["T1071.004", "T1048.003", "T1572"],
    title: "Data in questions for names",
    meaning: "Within ten minutes a container asked for at least 12 different names below one domain whose labels hold data: long \
        runs of letters and digits without a seam, or very long labels or names, 1,536 bytes in all. Questions for TXT, NULL, \
        CNAME, MX, SRV and unknown types count twice; so do long answers of such types, beyond 128 bytes each. Whatever program \
        asks, and whatever server is asked. A domain is what was registered, as far as a name shows that: its last two labels, or \
        three below `co.uk` and its like.",
    why: "Whoever answers for the domain reads the questions, through every firewall, and sends commands in the answers.",
    look_alikes: "Names of content networks, clusters and services are short or few; lists that mail servers ask have short \
        labels, and digests there weigh a sixteenth. Names below `.local`, `.internal` and `.arpa` are the own network's. A \
        product that works so: name its domain in the profile, `connect: [{dns: \"*.example.org\", port: 443}]`. Images that are \
        called like resolvers ask for others and are left out.",
    response: "Look at the names (`agent watch --kind dns`) and find out whose the domain is; block it at the resolver; stop the \
        container.",
};

pub(crate) static ZONE_WALK: Rule = Rule {
    id: "lateral.zone_walk",
    class: Class::Lateral,
    severity: Severity::Medium,
    attack: &["T1046", "T1018", "T1590.002"],
    title: "A whole zone, or all services of a cluster, were asked for",
    meaning: "A program asked to transfer a zone (AXFR, IXFR), for `any.any.svc`, or for the service records of a cluster or of its \
        usual namespaces; or, within a minute, for the names of 64 addresses of one private network that lie side by side, or for 50 \
        different words in one zone that do not exist there. The questions tell, whatever program asks; `dig`, `host`, `nslookup`, \
        `drill` and their like are told by their arguments, too. All that one program asks for is one alert.",
    why: "The answer is a map of what can be attacked next.",
    look_alikes: "Clients look for a named port (`_http._tcp.…`) of one service; what resolvers put behind a name when they search \
        counts once. Mail servers and pipelines of logs ask for the names of clients, which are elsewhere or do not lie side by \
        side. Lists that mail servers ask are no words in one zone. Secondary name servers, and other images that are called like \
        resolvers, ask for others and are left out, and so are names that the profile names (`connect: [{dns: …}]`).",
    response: "See what the session did before and after; forbid transfers.",
};

pub(crate) static RELAY_TOOL: Rule = Rule {
    id: "lateral.relay_tool",
    class: Class::Lateral,
    severity: Severity::High,
    attack: &["T1090", "T1572"],
    title: "A program that passes connections on was started",
    meaning: "socat between a listener and another socket, netcat that executes a program for its peer or is there twice in \
        one pipeline, or a program made for tunnels (chisel, gost, frpc, ngrok, rinetd, ligolo …), by its name.",
    why: "Through it others reach the container's neighbours.",
    look_alikes: "The container's own program may be a relay; where a profile names what is executed, it decides. Proxies such \
        as haproxy and envoy are none of these. `nc -z` passes nothing on.",
    response: "Read where it leads; stop it; find out who brought it.",
};

pub(crate) static SSH_TUNNEL: Rule = Rule {
    id: "lateral.ssh_tunnel",
    class: Class::Lateral,
    severity: Severity::High,
    attack: &["T1572", "T1021.004"],
    title: "A tunnel through SSH",
    meaning: "ssh, autossh, plink or dbclient was executed with a forwarding (`-L`, `-R`, `-D`, `-w`, or as an option behind \
        `-o`), however the options are joined.",
    why: "A forwarding opens the network of the container to whoever is at the other end, past every firewall.",
    look_alikes: "git, rsync and Ansible use SSH without forwarding. Tunnels that are the container's purpose are its own \
        program, or in its profile.",
    response: "See where it leads, and whose key was used.",
};

pub(crate) static BRUTE_FORCE: Rule = Rule {
    id: "lateral.brute_force",
    class: Class::Lateral,
    severity: Severity::High,
    attack: &["T1110"],
    title: "Somebody tries to log in again and again",
    meaning: "Five processes of a container connected within a minute to one service that asks who one is (SSH, databases, \
        remote desktops …), one of them five times (to a database fifteen times, and to another service of the \
        same address too, or beside a profile that says whom the image contacts), SSH was executed for five different \
        logins, or a program that guesses passwords was executed.",
    why: "With enough tries a weak password is found.",
    look_alikes: "Large pools of connections to a database, and checks that execute a client each time: add the contact to \
        the profile.",
    response: "Look for a login that succeeded at the service; stop the container; change weak passwords.",
};

pub(crate) static MINING_POOL: Rule = Rule {
    id: "lateral.mining_pool",
    class: Class::Lateral,
    severity: Severity::High,
    attack: &["T1496"],
    title: "A port of mining pools was contacted",
    meaning: "A process connected to TCP port 3333, 5555, 7777, 14444 or 45700, or, outside the own network, 4444. A \
        container that declares the port is none.",
    why: "Mining is what most intruders in containers are after.",
    look_alikes: "Services on these ports by chance: add the contact to the profile.",
    response: "Look at what uses the processor; stop the container; find the way in.",
};

pub(crate) static CONTROL_CLIENT: Rule = Rule {
    id: "lateral.control_client",
    class: Class::Lateral,
    severity: Severity::High,
    attack: &["T1609", "T1610", "T1613"],
    title: "A client of a runtime or a cluster was executed",
    meaning: "kubectl, docker, crictl, ctr, nerdctl, podman, helm, kubeadm, oc, k9s, etcdctl or calicoctl was executed, by the \
        name that was asked for, its own word or its file's name.",
    why: "It starts containers, reads secrets and executes programs elsewhere with whatever credentials it finds.",
    look_alikes: "Images made for it run it as their own program; CI images and operators have it in their profile. Images \
        that run containers themselves do not count.",
    response: "See with which credentials it was used, and what the other side did.",
};

pub(crate) static CONNECTION_HANDED_OVER: Rule = Rule {
    id: "lateral.connection_handed_over",
    class: Class::Lateral,
    severity: Severity::High,
    attack: &["T1559", "T1071"],
    title: "A connection was handed over by another process",
    meaning: "A process was given an established TCP connection that another one had made outwards, over a unix socket or \
        from its descriptors, to a peer that its profile does not name for it.",
    why: "Who uses the connection is not who made it: what looks at connecting alone does not see the user.",
    look_alikes: "Servers hand accepted connections and listeners to their workers; those do not count.",
    response: "See what both processes are, and what was sent.",
};

pub(crate) static SHARED_SOCKET: Rule = Rule {
    id: "lateral.shared_socket",
    class: Class::Lateral,
    severity: Severity::Medium,
    attack: &["T1559", "T1570"],
    title: "A unix socket that containers share",
    meaning: "A process connected to a unix socket that another container serves, or, below a folder of the host that is \
        mounted, to one whose server is not known; also when nobody answered.",
    why: "It is a channel between containers that no rule of the network sees.",
    look_alikes: "Containers of one pod, project or network of the user, the host's own daemons, logs and the pod's own \
        volumes do not count. Sockets of runtimes are told as escapes.",
    response: "Ask whether the two should share the folder; mount it for reading, or not at all.",
};

pub(crate) static ICMP_SOCKET: Rule = Rule {
    id: "lateral.icmp_socket",
    class: Class::Lateral,
    severity: Severity::Medium,
    attack: &["T1095"],
    title: "A socket for ICMP echoes",
    meaning: "A program that is not one for it asked for a datagram socket of ICMP, which needs no capability.",
    why: "Data leaves in echoes where nobody looks for it.",
    look_alikes: "ping, traceroute and their like, when they are the image's own. Health checks that ping by themselves: allow \
        NET_RAW in the profile.",
    response: "See whom it pings, and how large the echoes are.",
};

pub(crate) static ARP_SOCKET: Rule = Rule {
    id: "lateral.arp_socket",
    class: Class::Lateral,
    severity: Severity::High,
    attack: &["T1557.002"],
    title: "A socket for ARP",
    meaning: "A program that is not one for it asked for a packet socket with the protocol of ARP.",
    why: "Whoever answers for another's address is given its traffic.",
    look_alikes: "keepalived, load balancers, DHCP clients and arping, when they are the image's own, and whatever a profile \
        allows NET_RAW.",
    response: "Look at the neighbours' tables of addresses; take NET_RAW from the container.",
};

pub(crate) static PACKET_SENDER: Rule = Rule {
    id: "lateral.packet_sender",
    class: Class::Lateral,
    severity: Severity::High,
    attack: &["T1046", "T1095"],
    title: "A socket for packets of a program's own making",
    meaning: "A program that is not one for it asked for a raw socket of IPPROTO_RAW, which only sends, whether it got it or \
        not.",
    why: "It scans without connecting, and sends in others' names: no connection shows.",
    look_alikes: "traceroute, keepalived and routers, when they are the image's own, and whatever a profile allows NET_RAW.",
    response: "Take NET_RAW from the container; look at what the neighbours received.",
};

pub(crate) static VSOCK: Rule = Rule {
    id: "lateral.vsock",
    class: Class::Lateral,
    severity: Severity::High,
    attack: &["T1095", "T1611"],
    title: "A connection to the hypervisor",
    meaning: "A process connected a socket of the family vsock, or tried to: to the host or another virtual machine.",
    why: "It leads past every network, to the services of the hypervisor.",
    look_alikes: "Agents in virtual machines (kata-agent, qemu-ga) and virtual machines in containers, when they are the \
        image's own.",
    response: "Forbid the family with seccomp, as Docker's own profile does.",
};
