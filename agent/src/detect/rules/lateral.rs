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
    look_alikes: "Addresses that change by name (content networks): write the network into the profile.",
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
    meaning: "A process in a container connected to the API server.",
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
    meaning: "A process in a container connected to a kubelet (10250, 10255).",
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
    meaning: "A process in a container connected to the ports of etcd (2379, 2380).",
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
        host's network.",
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
    meaning: "A container tried 10 different ports of one host within 10 seconds. One alert stands for the whole \
        window.",
    why: "It looks for the next way in.",
    look_alikes: "Connection pools use one port many times; that is one port.",
    response: "Stop the process; look at what answered.",
};

pub(crate) static HOST_SWEEP: Rule = Rule {
    id: "lateral.host_sweep",
    class: Class::Lateral,
    severity: Severity::High,
    attack: &["T1046", "T1018"],
    title: "One port of many hosts was tried",
    meaning: "A container tried one port of 10 different internal hosts within 10 seconds. One alert stands for \
        the whole window.",
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
        shell connects out by itself and hands itself over.",
    why: "Somebody outside types commands.",
    look_alikes: "inetd-like services hand sockets to programs, not to shells; ssh sessions have a terminal. Scripts \
        that only wait for a port (`/dev/tcp`) do not count.",
    response: "Cut the network of the container; keep its timeline; find the way in.",
};
