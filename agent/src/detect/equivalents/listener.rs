//! Of rules of class `listener`.

use super::{Entry, falco};

pub(super) static ALL: &[Entry] = &[
    ("listener.unexpected", &[]),
    ("listener.unexpected_port", &[]),
    ("listener.unexpected_executable", &[]),
    (
        "listener.shell_spawned",
        &[
            falco("Netcat Remote Code Execution in Container"),
            falco("System procs network activity"),
        ],
    ),
    ("listener.sshd_in_container", &[]),
    ("listener.web_server_in_database", &[]),
    ("listener.inherited", &[]),
    ("listener.nested_namespace", &[]),
    ("listener.abstract_socket", &[]),
    ("listener.raw_socket", &[]),
    (
        "listener.packet_socket",
        &[falco("Packet socket created in container")],
    ),
    ("listener.packet_filter", &[]),
    ("listener.sctp_socket", &[]),
    ("listener.vsock", &[]),
    ("listener.tunnel_interface", &[]),
];
