//! The kernel itself: modules, programs, rights.

use super::{fentry, fexit, lsm, may_lack, syscalls, tracepoint, way};
use crate::kernel::backend::{Backend, Capability, Hook, Need, Plan};
use crate::kernel::calls;
use agent_common::event::Trust;

const CALLS: Hook = syscalls("exit_call", &calls::NAMES);
const PRCTL: Hook = syscalls("exit_prctl", &["prctl"]);
const SPLICE: Hook = syscalls("exit_splice", &["splice"]);
const SETSOCKOPT: Hook = syscalls("exit_setsockopt", &["setsockopt"]);
const DELETE_MODULE: Hook = syscalls("exit_delete_module", &["delete_module"]);
const REFUSED_INIT_MODULE: Hook = syscalls("refused_init_module", &["init_module"]);
const REFUSED_FINIT_MODULE: Hook = syscalls("refused_finit_module", &["finit_module"]);
const REFUSED_BPF: Hook = syscalls("refused_bpf", &["bpf"]);
const REFUSED_SETUID: Hook = syscalls("refused_setuid", SETUID);
const REFUSED_SETREUID: Hook = syscalls("refused_setreuid", SETREUID);
const REFUSED_CAPSET: Hook = syscalls("refused_capset", &["capset"]);
const SETUID: &[&str] = &["setuid", "setuid16"];
const SETREUID: &[&str] = &["setreuid", "setresuid", "setreuid16", "setresuid16"];

pub(super) const PLANS: &[Plan] = &[
    Plan {
        capability: Capability::Module,
        ways: &[
            way(
                Backend::Lsm,
                Trust::RESOLVED,
                &[
                    lsm("lsm_module_file", "kernel_read_file"),
                    lsm("lsm_module_data", "kernel_load_data"),
                    may_lack(
                        Need::NoModules,
                        lsm("lsm_module_request", "kernel_module_request"),
                    ),
                    REFUSED_INIT_MODULE,
                    REFUSED_FINIT_MODULE,
                    DELETE_MODULE,
                ],
            ),
            way(
                Backend::Fentry,
                Trust::RESOLVED,
                &[
                    fentry("fentry_module_file", "security_kernel_read_file"),
                    fentry("fentry_module_data", "security_kernel_load_data"),
                    may_lack(
                        Need::NoModules,
                        fentry("fentry_module_request", "security_kernel_module_request"),
                    ),
                    REFUSED_INIT_MODULE,
                    REFUSED_FINIT_MODULE,
                    DELETE_MODULE,
                ],
            ),
            way(
                Backend::Tracepoint,
                Trust::RACY,
                &[
                    may_lack(Need::NoModules, tracepoint("module_request", "module_request")),
                    syscalls("exit_init_module", &["init_module"]),
                    syscalls("exit_finit_module", &["finit_module"]),
                    DELETE_MODULE,
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
                &[lsm("lsm_bpf", "bpf"), REFUSED_BPF],
            ),
            way(
                Backend::Fentry,
                Trust::RESOLVED,
                &[fentry("fentry_bpf", "security_bpf"), REFUSED_BPF],
            ),
            way(
                Backend::Tracepoint,
                Trust::ARGUMENTS,
                &[syscalls("exit_bpf", &["bpf"])],
            ),
        ],
    },
    Plan {
        capability: Capability::Credentials,
        ways: &[
            way(
                Backend::Lsm,
                Trust::RESOLVED,
                &[
                    lsm("lsm_setuid", "task_fix_setuid"),
                    lsm("lsm_capset", "capset"),
                    REFUSED_SETUID,
                    REFUSED_SETREUID,
                    REFUSED_CAPSET,
                ],
            ),
            way(
                Backend::Fentry,
                Trust::RESOLVED,
                &[
                    fentry("fentry_setuid", "security_task_fix_setuid"),
                    fentry("fentry_capset", "security_capset"),
                    REFUSED_SETUID,
                    REFUSED_SETREUID,
                    REFUSED_CAPSET,
                ],
            ),
            way(
                Backend::Tracepoint,
                Trust::RESOLVED,
                &[
                    tracepoint("exec_user", "sched_process_exec"),
                    syscalls("exit_setuid", SETUID),
                    syscalls("exit_setreuid", SETREUID),
                    syscalls("exit_setfsuid", &["setfsuid", "setfsuid16"]),
                    syscalls("exit_capset", &["capset"]),
                ],
            ),
        ],
    },
    Plan {
        capability: Capability::Capable,
        ways: &[
            way(Backend::Lsm, Trust::RESOLVED, &[lsm("lsm_capable", "capable")]),
            way(
                Backend::Fentry,
                Trust::RESOLVED,
                &[fexit("fexit_capable", "security_capable")],
            ),
            way(
                Backend::Tracepoint,
                Trust::RESOLVED,
                &[tracepoint("cap_capable", "cap_capable")],
            ),
        ],
    },
    Plan {
        capability: Capability::Syscall,
        ways: &[
            way(
                Backend::Lsm,
                Trust::ARGUMENTS,
                &[
                    lsm("lsm_netlink", "netlink_send"),
                    fentry("fentry_usermodehelper", "call_usermodehelper_exec"),
                    CALLS,
                    PRCTL,
                    SPLICE,
                    SETSOCKOPT,
                ],
            ),
            way(
                Backend::Fentry,
                Trust::ARGUMENTS,
                &[
                    fentry("fentry_netlink", "security_netlink_send"),
                    fentry("fentry_usermodehelper", "call_usermodehelper_exec"),
                    CALLS,
                    PRCTL,
                    SPLICE,
                    SETSOCKOPT,
                ],
            ),
            way(
                Backend::Tracepoint,
                Trust::ARGUMENTS,
                &[
                    may_lack(
                        Need::NoStarter,
                        tracepoint("usermodehelper_queued", "workqueue_queue_work"),
                    ),
                    may_lack(Need::Refused, tracepoint("netlink_consumed", "consume_skb")),
                    may_lack(Need::Refused, tracepoint("netlink_dropped", "kfree_skb")),
                    CALLS,
                    PRCTL,
                    SPLICE,
                    SETSOCKOPT,
                ],
            ),
        ],
    },
];
