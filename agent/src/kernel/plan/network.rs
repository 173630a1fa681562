//! Sockets.

use super::{cgroup, fentry, fexit, lsm, natively, shared, syscalls, tracepoint, way};
use crate::kernel::backend::{Backend, Capability, Hook, Plan};
use agent_common::event::Trust;

/// Behind the program that labels tasks.
const INHERITED: Hook = tracepoint("inherited_listen", "sched_process_exec");

/// Whose listeners no other hook passes.
const SCTP: Hook = tracepoint("sctp_listen", "inet_sock_set_state");

pub(super) const PLANS: &[Plan] = &[
    Plan {
        capability: Capability::Bind,
        ways: &[
            way(
                Backend::Lsm,
                Trust::RESOLVED,
                &[
                    lsm("lsm_bind", "socket_bind"),
                    syscalls("exit_bind_unix", &["bind"]),
                ],
            ),
            way(
                Backend::Fentry,
                Trust::RESOLVED,
                &[
                    fentry("fentry_bind", "security_socket_bind"),
                    syscalls("exit_bind_unix", &["bind"]),
                ],
            ),
            way(
                Backend::Tracepoint,
                Trust::RACY,
                &[syscalls("exit_bind", &["bind"])],
            ),
        ],
    },
    Plan {
        capability: Capability::Listen,
        ways: &[
            // No LSM way: only when listen(2) is done its port is certain.
            way(
                Backend::Fentry,
                Trust::RESOLVED,
                &[fexit("fexit_listen", "inet_csk_listen_start"), SCTP, INHERITED],
            ),
            natively(way(
                Backend::Tracepoint,
                Trust::RESOLVED,
                &[
                    tracepoint("inet_states", "inet_sock_set_state"),
                    syscalls("exit_listen", &["listen"]),
                    INHERITED,
                ],
            )),
            way(
                Backend::Tracepoint,
                Trust::RESOLVED,
                &[cgroup("cgroup_listen"), SCTP, INHERITED],
            ),
            // Up to 6.12 at least cgroup programs cannot use task storage.
            way(
                Backend::Tracepoint,
                Trust::RESOLVED,
                &[
                    tracepoint("tcp_listen", "inet_sock_set_state"),
                    syscalls("exit_listen", &["listen"]),
                    INHERITED,
                ],
            ),
        ],
    },
    Plan {
        capability: Capability::Connect,
        ways: &[
            way(
                Backend::Lsm,
                Trust::RESOLVED,
                &[
                    lsm("lsm_connect", "socket_connect"),
                    lsm("lsm_fastopen", "socket_sendmsg"),
                ],
            ),
            way(
                Backend::Fentry,
                Trust::RESOLVED,
                &[
                    fentry("fentry_connect", "security_socket_connect"),
                    fentry("fentry_fastopen", "security_socket_sendmsg"),
                ],
            ),
            way(Backend::Tracepoint, Trust::RESOLVED, &[shared("inet_states")]),
            way(
                Backend::Tracepoint,
                Trust::RESOLVED,
                &[tracepoint("tcp_connect", "inet_sock_set_state")],
            ),
        ],
    },
    Plan {
        capability: Capability::Send,
        ways: &[
            way(
                Backend::Lsm,
                Trust::RESOLVED,
                &[lsm("lsm_send", "socket_sendmsg")],
            ),
            way(
                Backend::Fentry,
                Trust::RESOLVED,
                &[fentry("fentry_send", "security_socket_sendmsg")],
            ),
            way(
                Backend::Tracepoint,
                Trust::RESOLVED,
                &[cgroup("sendmsg4"), cgroup("sendmsg6")],
            ),
            // Up to 6.12 at least cgroup programs cannot use task storage.
            way(
                Backend::Tracepoint,
                Trust::RESOLVED,
                &[cgroup("sendmsg4_by_cgroup"), cgroup("sendmsg6_by_cgroup")],
            ),
        ],
    },
    Plan {
        capability: Capability::Dns,
        ways: &[
            way(
                Backend::Lsm,
                Trust::RESOLVED,
                &[
                    lsm("lsm_dns_connect", "socket_connect"),
                    lsm("lsm_dns_send", "socket_sendmsg"),
                    cgroup("dns_egress"),
                    cgroup("dns_ingress"),
                ],
            ),
            way(
                Backend::Fentry,
                Trust::RESOLVED,
                &[
                    fentry("fentry_dns_connect", "security_socket_connect"),
                    fentry("fentry_dns_send", "security_socket_sendmsg"),
                    cgroup("dns_egress"),
                    cgroup("dns_ingress"),
                ],
            ),
            // Up to 6.12 at least cgroup programs cannot use task storage: the container would be known, and not who asks.
            way(
                Backend::Tracepoint,
                Trust::RESOLVED,
                &[
                    cgroup("dns_connect4"),
                    cgroup("dns_connect6"),
                    cgroup("dns_send4"),
                    cgroup("dns_send6"),
                    cgroup("dns_egress"),
                    cgroup("dns_ingress"),
                ],
            ),
        ],
    },
    Plan {
        capability: Capability::UnixConnect,
        ways: &[
            way(
                Backend::Lsm,
                Trust::RESOLVED,
                &[
                    lsm("lsm_unix_connect", "unix_stream_connect"),
                    syscalls("exit_connect_refused", &["connect"]),
                ],
            ),
            way(
                Backend::Fentry,
                Trust::RESOLVED,
                &[
                    fentry("fentry_unix_connect", "security_unix_stream_connect"),
                    syscalls("exit_connect_refused", &["connect"]),
                ],
            ),
            way(
                Backend::Tracepoint,
                Trust::RACY,
                // Of datagram sockets too, which the capability `connect` promises.
                &[syscalls("exit_connect", &["connect"])],
            ),
        ],
    },
    Plan {
        capability: Capability::Socket,
        ways: &[
            way(
                Backend::Lsm,
                Trust::RESOLVED,
                &[lsm("lsm_socket_create", "socket_create")],
            ),
            way(
                Backend::Fentry,
                Trust::RESOLVED,
                &[fentry("fentry_socket_create", "security_socket_create")],
            ),
            way(
                Backend::Tracepoint,
                Trust::ARGUMENTS,
                &[syscalls("exit_socket", &["socket"])],
            ),
        ],
    },
    Plan {
        capability: Capability::Receive,
        ways: &[
            way(
                Backend::Lsm,
                Trust::RESOLVED,
                &[lsm("lsm_receive", "file_receive")],
            ),
            way(
                Backend::Fentry,
                Trust::RESOLVED,
                &[fentry("fentry_receive", "security_file_receive")],
            ),
            way(
                Backend::Tracepoint,
                Trust::RACY,
                &[
                    syscalls("exit_recvmsg", &["recvmsg"]),
                    syscalls("exit_recvmmsg", &["recvmmsg", "recvmmsg_time64"]),
                ],
            ),
        ],
    },
];
