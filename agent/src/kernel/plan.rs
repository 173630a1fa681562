//! The attach set, as data: each capability with the ways to provide it, best first.

use super::backend::{Attach, Backend, Capability, Hook, Plan, Way};
use agent_common::event::Trust;

const fn tracepoint(program: &'static str, tracepoint: &'static str) -> Hook {
    Hook {
        program,
        attach: Attach::Tracepoint(tracepoint),
    }
}

const fn syscalls(program: &'static str, calls: &'static [&'static str]) -> Hook {
    Hook {
        program,
        attach: Attach::Syscalls(calls),
    }
}

const fn lsm(program: &'static str, hook: &'static str) -> Hook {
    Hook {
        program,
        attach: Attach::Lsm(hook),
    }
}

const fn fentry(program: &'static str, function: &'static str) -> Hook {
    Hook {
        program,
        attach: Attach::Fentry(function),
    }
}

const fn way(backend: Backend, trust: Trust, hooks: &'static [Hook]) -> Way {
    Way {
        backend,
        trust,
        hooks,
    }
}

const fn cgroup(program: &'static str) -> Hook {
    Hook {
        program,
        attach: Attach::CgroupRoot,
    }
}

/// Programs that say which container a cgroup is. Attached before the start-up scan.
pub(super) const CGROUPS: &[Hook] = &[
    tracepoint("cgroup_mkdir", "cgroup_mkdir"),
    tracepoint("cgroup_rmdir", "cgroup_rmdir"),
];

/// Programs that label tasks. Attached after the scan; without them there is no sensor.
pub(super) const TASKS: &[Hook] = &[
    tracepoint("cgroup_attach_task", "cgroup_attach_task"),
    tracepoint("sched_process_fork", "sched_process_fork"),
    tracepoint("sched_process_exec", "sched_process_exec"),
];

/// The dispatcher of system calls.
pub(super) const DISPATCHER: Hook = tracepoint("sys_exit", "sys_exit");

/// Calls that open by name. open_by_handle_at(2) has none.
const OPENING: &[&str] = &["open", "openat", "openat2", "creat"];

/// Everything else, each on its own.
pub(super) const PLANS: &[Plan] = &[
    Plan {
        capability: Capability::FileOpen,
        ways: &[
            way(
                Backend::Lsm,
                Trust::RESOLVED,
                &[
                    lsm("lsm_file_open", "file_open"),
                    syscalls("refused_open", OPENING),
                ],
            ),
            way(
                Backend::Fentry,
                Trust::RESOLVED,
                &[
                    fentry("fentry_file_open", "security_file_open"),
                    syscalls("refused_open", OPENING),
                ],
            ),
            way(
                Backend::Tracepoint,
                Trust::RACY,
                &[syscalls(
                    "exit_open",
                    &["open", "openat", "openat2", "creat", "open_by_handle_at"],
                )],
            ),
        ],
    },
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
    Plan {
        capability: Capability::Mount,
        ways: &[
            way(
                Backend::Lsm,
                Trust::RESOLVED,
                &[
                    lsm("lsm_sb_mount", "sb_mount"),
                    lsm("lsm_move_mount", "move_mount"),
                    lsm("lsm_sb_umount", "sb_umount"),
                    lsm("lsm_sb_pivotroot", "sb_pivotroot"),
                    lsm("lsm_sb_kern_mount", "sb_kern_mount"),
                    syscalls("exit_open_tree", &["open_tree"]),
                ],
            ),
            way(
                Backend::Fentry,
                Trust::RESOLVED,
                &[
                    fentry("fentry_sb_mount", "security_sb_mount"),
                    fentry("fentry_move_mount", "security_move_mount"),
                    fentry("fentry_sb_umount", "security_sb_umount"),
                    fentry("fentry_sb_pivotroot", "security_sb_pivotroot"),
                    fentry("fentry_sb_kern_mount", "security_sb_kern_mount"),
                    syscalls("exit_open_tree", &["open_tree"]),
                ],
            ),
            way(
                Backend::Tracepoint,
                Trust::ARGUMENTS,
                &[
                    syscalls("exit_mount", &["mount"]),
                    syscalls("exit_umount", &["umount2"]),
                    syscalls("exit_pivot_root", &["pivot_root"]),
                    syscalls("exit_move_mount", &["move_mount"]),
                    syscalls("exit_fsmount", &["fsmount"]),
                    syscalls("exit_open_tree", &["open_tree"]),
                ],
            ),
        ],
    },
    Plan {
        capability: Capability::Ptrace,
        ways: &[
            way(
                Backend::Lsm,
                Trust::RESOLVED,
                &[lsm("lsm_ptrace", "ptrace_access_check")],
            ),
            way(
                Backend::Fentry,
                Trust::RESOLVED,
                &[fentry("fentry_ptrace", "security_ptrace_access_check")],
            ),
            way(
                Backend::Tracepoint,
                Trust::RACY,
                &[
                    syscalls("exit_ptrace", &["ptrace"]),
                    syscalls("exit_process_vm_readv", &["process_vm_readv"]),
                    syscalls("exit_process_vm_writev", &["process_vm_writev"]),
                    syscalls("exit_pidfd_getfd", &["pidfd_getfd"]),
                ],
            ),
        ],
    },
    Plan {
        capability: Capability::Setns,
        ways: &[way(
            Backend::Tracepoint,
            Trust::RESOLVED,
            &[syscalls("exit_setns", &["setns"])],
        )],
    },
    Plan {
        capability: Capability::Module,
        ways: &[
            way(
                Backend::Lsm,
                Trust::RESOLVED,
                &[
                    lsm("lsm_module_file", "kernel_read_file"),
                    lsm("lsm_module_data", "kernel_load_data"),
                    lsm("lsm_module_request", "kernel_module_request"),
                    syscalls("refused_init_module", &["init_module"]),
                    syscalls("refused_finit_module", &["finit_module"]),
                    syscalls("exit_delete_module", &["delete_module"]),
                ],
            ),
            way(
                Backend::Fentry,
                Trust::RESOLVED,
                &[
                    fentry("fentry_module_file", "security_kernel_read_file"),
                    fentry("fentry_module_data", "security_kernel_load_data"),
                    fentry("fentry_module_request", "security_kernel_module_request"),
                    syscalls("refused_init_module", &["init_module"]),
                    syscalls("refused_finit_module", &["finit_module"]),
                    syscalls("exit_delete_module", &["delete_module"]),
                ],
            ),
            way(
                Backend::Tracepoint,
                Trust::RACY,
                &[
                    syscalls("exit_init_module", &["init_module"]),
                    syscalls("exit_finit_module", &["finit_module"]),
                    syscalls("exit_delete_module", &["delete_module"]),
                ],
            ),
        ],
    },
    Plan {
        capability: Capability::Bpf,
        ways: &[
            way(
                Backend::Lsm,
                Trust::RESOLVED,
                &[lsm("lsm_bpf", "bpf"), syscalls("refused_bpf", &["bpf"])],
            ),
            way(
                Backend::Fentry,
                Trust::RESOLVED,
                &[
                    fentry("fentry_bpf", "security_bpf"),
                    syscalls("refused_bpf", &["bpf"]),
                ],
            ),
            way(
                Backend::Tracepoint,
                Trust::ARGUMENTS,
                &[syscalls("exit_bpf", &["bpf"])],
            ),
        ],
    },
    Plan {
        capability: Capability::Unlink,
        ways: &[
            way(Backend::Lsm, Trust::RESOLVED, &[lsm("lsm_unlink", "path_unlink")]),
            way(
                Backend::Fentry,
                Trust::RESOLVED,
                &[fentry("fentry_unlink", "security_path_unlink")],
            ),
            way(
                Backend::Tracepoint,
                Trust::ARGUMENTS,
                &[
                    syscalls("exit_unlink", &["unlink"]),
                    syscalls("exit_unlinkat", &["unlinkat"]),
                ],
            ),
        ],
    },
    Plan {
        capability: Capability::Rename,
        ways: &[
            way(Backend::Lsm, Trust::RESOLVED, &[lsm("lsm_rename", "path_rename")]),
            way(
                Backend::Fentry,
                Trust::RESOLVED,
                &[fentry("fentry_rename", "security_path_rename")],
            ),
            way(
                Backend::Tracepoint,
                Trust::ARGUMENTS,
                &[
                    syscalls("exit_rename", &["rename"]),
                    syscalls("exit_renameat", &["renameat", "renameat2"]),
                ],
            ),
        ],
    },
];
