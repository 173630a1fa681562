//! Of rules of class `lateral`.

use super::{Entry, falco, kubescape, tetragon, tracee};

pub(super) static ALL: &[Entry] = &[
    ("lateral.first_contact", &[]),
    (
        "lateral.unexpected_connection",
        &[
            falco("Network Connection outside Local Subnet"),
            kubescape("R0005 DNS Anomalies in container"),
            kubescape("R0011 Unexpected Egress Network Traffic"),
            tetragon("policylibrary/egress.yaml"),
        ],
    ),
    (
        "lateral.metadata_service",
        &[
            falco("Contact EC2 Instance Metadata Service From Container"),
            falco("Contact cloud metadata service from container"),
        ],
    ),
    (
        "lateral.kubernetes_api",
        &[
            falco("Contact K8S API Server From Container"),
            tracee("k8s_api_connection"),
            kubescape("R0007 Workload uses Kubernetes API unexpectedly"),
        ],
    ),
    ("lateral.kubelet", &[]),
    ("lateral.etcd", &[]),
    ("lateral.docker_api", &[]),
    ("lateral.port_scan", &[]),
    ("lateral.host_sweep", &[]),
    (
        "lateral.reverse_shell",
        &[
            falco("Netcat Remote Code Execution in Container"),
            falco("Redirect STDOUT/STDIN to Network Connection in Container"),
            falco("Reverse Shell from Web Server"),
            falco("System procs network activity"),
            tracee("stdio_over_socket"),
        ],
    ),
    ("lateral.unusual_resolver", &[]),
    (
        "lateral.dns_tunnelling",
        &[kubescape("R0005 DNS Anomalies in container")],
    ),
    (
        "lateral.zone_walk",
        &[kubescape("R0005 DNS Anomalies in container")],
    ),
    (
        "lateral.relay_tool",
        &[falco("Netcat Remote Code Execution in Container")],
    ),
    ("lateral.ssh_tunnel", &[]),
    ("lateral.brute_force", &[]),
    (
        "lateral.mining_pool",
        &[
            falco("Detect outbound connections to common miner pool ports"),
            kubescape("R1009 Crypto Mining Related Port Communication"),
        ],
    ),
    (
        "lateral.control_client",
        &[
            falco("Kubernetes Client Tool Launched in Container"),
            kubescape("R0007 Workload uses Kubernetes API unexpectedly"),
        ],
    ),
    ("lateral.connection_handed_over", &[]),
    ("lateral.shared_socket", &[]),
    ("lateral.icmp_socket", &[]),
    (
        "lateral.arp_socket",
        &[falco("Packet socket created in container")],
    ),
    ("lateral.packet_sender", &[]),
    ("lateral.vsock", &[]),
];
