//! Capabilities of the sensor and the ways to provide each: the attach set, as data.

use agent_common::event::Trust;

/// How a capability is hooked. In the order of preference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Backend {
    Lsm,
    Fentry,
    Tracepoint,
}

impl Backend {
    /// Name in `agent check` and in evidence.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Lsm => "lsm",
            Self::Fentry => "fentry",
            Self::Tracepoint => "tracepoint",
        }
    }
}

/// Something that the sensor can see.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Capability {
    Identity,
    Exec,
    FileOpen,
    Bind,
    Listen,
    Connect,
    Send,
    UnixConnect,
    Mount,
    Ptrace,
    Setns,
    Module,
    Bpf,
    Unlink,
    Rename,
}

impl Capability {
    /// Without these the agent is not ready: it cannot tell containers apart, or misses what most rules look at.
    pub const REQUIRED: [Self; 3] = [Self::Identity, Self::Exec, Self::FileOpen];

    /// Name in `agent check`, metrics and alerts.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Exec => "exec",
            Self::FileOpen => "file_open",
            Self::Bind => "bind",
            Self::Listen => "listen",
            Self::Connect => "connect",
            Self::Send => "send",
            Self::UnixConnect => "unix_connect",
            Self::Mount => "mount",
            Self::Ptrace => "ptrace",
            Self::Setns => "setns",
            Self::Module => "module",
            Self::Bpf => "bpf",
            Self::Unlink => "unlink",
            Self::Rename => "rename",
        }
    }
}

/// Where a program goes.
#[derive(Debug, Clone, Copy)]
pub(super) enum Attach {
    /// `tp_btf`.
    Tracepoint(&'static str),
    /// The dispatcher's table, for these system calls.
    Syscalls(&'static [&'static str]),
    Lsm(&'static str),
    Fentry(&'static str),
    Fexit(&'static str),
    /// `cgroup_sock_addr` at the root of cgroup2.
    CgroupRoot,
}

/// A program of the object and its place.
#[derive(Debug, Clone, Copy)]
pub(super) struct Hook {
    pub(super) program: &'static str,
    pub(super) attach: Attach,
}

/// One way to provide a capability: all its hooks, or none.
#[derive(Debug, Clone, Copy)]
pub(super) struct Way {
    pub(super) backend: Backend,
    pub(super) trust: Trust,
    pub(super) hooks: &'static [Hook],
}

/// A capability with its ways, best first.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plan {
    pub(super) capability: Capability,
    pub(super) ways: &'static [Way],
}

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

/// Everything else, each on its own.
pub(super) const PLANS: &[Plan] = &[
    Plan {
        capability: Capability::FileOpen,
        ways: &[
            way(
                Backend::Lsm,
                Trust::RESOLVED,
                &[lsm("lsm_file_open", "file_open")],
            ),
            way(
                Backend::Fentry,
                Trust::RESOLVED,
                &[fentry("fentry_file_open", "security_file_open")],
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
