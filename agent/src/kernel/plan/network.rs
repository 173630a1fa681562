//! Sockets.

use super::{cgroup, fentry, lsm, syscalls, tracepoint, way};
use crate::kernel::backend::{Attach, Backend, Capability, Hook, Plan};
use agent_common::event::Trust;

pub(super) const PLANS: &[Plan] = &[
    Plan {
        capability: Capability::Bind,
        ways: &[
            way(Backend::Lsm, Trust::RESOLVED, &[lsm("lsm_bind", "socket_bind")]),
            way(
                Backend::Fentry,
                Trust::RESOLVED,
                &[fentry("fentry_bind", "security_socket_bind")],
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
                &[Hook {
                    program: "fexit_listen",
                    attach: Attach::Fexit("inet_csk_listen_start"),
                }],
            ),
            way(
                Backend::Tracepoint,
                Trust::RESOLVED,
                &[
                    tracepoint("tcp_listen", "inet_sock_set_state"),
                    syscalls("exit_listen", &["listen"]),
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
        capability: Capability::UnixConnect,
        ways: &[
            way(
                Backend::Lsm,
                Trust::RESOLVED,
                &[lsm("lsm_unix_connect", "unix_stream_connect")],
            ),
            way(
                Backend::Fentry,
                Trust::RESOLVED,
                &[fentry("fentry_unix_connect", "security_unix_stream_connect")],
            ),
            way(
                Backend::Tracepoint,
                Trust::RACY,
                &[syscalls("exit_unix_connect", &["connect"])],
            ),
        ],
    },
];
