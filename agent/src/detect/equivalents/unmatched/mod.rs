//! Rules of other agents that no rule of ours takes the place of, and why.

mod falco;

use super::{Equivalent, kubescape, tetragon, tracee};

/// One of them.
#[derive(Debug)]
pub(super) struct Unmatched {
    pub(super) rule: Equivalent,
    /// Ids of our rules that tell of some of what it tells of, sorted.
    pub(super) partly: &'static [&'static str],
    /// In Markdown, of one or two sentences.
    pub(super) reason: &'static str,
}

/// All of them, by peer and name.
pub(super) fn unmatched() -> impl Iterator<Item = &'static Unmatched> {
    [falco::ALL, OTHERS].into_iter().flatten()
}

const CLUSTER: &str = "Only the API server knows it: use its audit log.";
const EXECUTED: &str = "Told when it is executed, not when it is made.";
const KERNEL_CODE: &str = "Code of the kernel is not verified; told is what gets there.";
const POOL_NAMES: &str =
    "Pools are known by their ports, not by a list of names: that is a rule of one's own, of kind `dns`.";
const SSH_PORT: &str =
    "SSH is told by what it is asked to forward; with a profile, also by where it connects.";
const SYMBOLIC_LINK: &str =
    "A link by itself is told only in a folder of the host; a secret that is read through one is.";

static OTHERS: &[Unmatched] = &[
    Unmatched {
        rule: tracee("dropped_executable"),
        partly: &[
            "drift.exec_from_upper",
            "drift.write_outside_profile",
            "tampering.program_folder",
        ],
        reason: EXECUTED,
    },
    Unmatched {
        rule: tracee("ftrace_hook"),
        partly: &["escape.bpf", "escape.module_load"],
        reason: KERNEL_CODE,
    },
    Unmatched {
        rule: tracee("hidden_file_created"),
        partly: &["drift.exec_from_upper", "tampering.hidden_name"],
        reason: EXECUTED,
    },
    Unmatched {
        rule: tracee("hidden_kernel_module"),
        partly: &["escape.module_load"],
        reason: KERNEL_CODE,
    },
    Unmatched {
        rule: tracee("hooked_seq_ops_detector"),
        partly: &["escape.module_load"],
        reason: KERNEL_CODE,
    },
    Unmatched {
        rule: tracee("hooked_syscall"),
        partly: &["escape.module_load"],
        reason: KERNEL_CODE,
    },
    Unmatched {
        rule: tracee("hooked_syscall_detector"),
        partly: &["escape.module_load"],
        reason: KERNEL_CODE,
    },
    Unmatched {
        rule: tracee("proc_fops_hooking"),
        partly: &["escape.module_load"],
        reason: KERNEL_CODE,
    },
    Unmatched {
        rule: tracee("stack_pivot"),
        partly: &["drift.executable_memory"],
        reason: "Where the stack of a call lies is not looked at.",
    },
    Unmatched {
        rule: tracee("suspicious_syscall_source"),
        partly: &["drift.executable_memory"],
        reason: "Where a call comes from is not looked at: told is memory from which code could be run.",
    },
    Unmatched {
        rule: tracee("symbols_loaded"),
        partly: &["drift.library_outside_image"],
        reason: "Symbols of libraries are not read: told is a library that is not in the image.",
    },
    Unmatched {
        rule: tracee("syscall_hooking"),
        partly: &["escape.module_load"],
        reason: KERNEL_CODE,
    },
    Unmatched {
        rule: kubescape("R0003 Syscalls Anomalies in container"),
        partly: &[],
        reason: "Profiles do not list system calls; those that are telling have rules of their own, among them \
            `escape.keyring` and `escape.kernel_control`.",
    },
    Unmatched {
        rule: kubescape("R1003 SSH Connection to Unexpected Destination on Non-Standard Port"),
        partly: &["lateral.ssh_tunnel", "lateral.unexpected_connection"],
        reason: SSH_PORT,
    },
    Unmatched {
        rule: kubescape("R1008 Crypto Mining Domain Communication"),
        partly: &["drift.miner", "lateral.mining_pool"],
        reason: POOL_NAMES,
    },
    Unmatched {
        rule: kubescape("R1010 Soft link created over sensitive file"),
        partly: &["credential.password_hashes", "escape.host_symlink"],
        reason: SYMBOLIC_LINK,
    },
    Unmatched {
        rule: kubescape("R1030 Unexpected io_uring Operation Detected"),
        partly: &["tampering.ring_served_by_kernel"],
        reason: "What is asked for through io_uring is judged as if it were called, not for being asked so.",
    },
    Unmatched {
        rule: kubescape("R2000 Exec to pod"),
        partly: &["drift.exec_session_shell"],
        reason: CLUSTER,
    },
    Unmatched {
        rule: kubescape("R2001 Port forward to pod"),
        partly: &[],
        reason: CLUSTER,
    },
    Unmatched {
        rule: tetragon("policylibrary/library.yaml"),
        partly: &["drift.library_outside_image"],
        reason: "Told is a library that is not in the image, not every one that is loaded.",
    },
    Unmatched {
        rule: tetragon("policylibrary/sshd.yaml"),
        partly: &["listener.sshd_in_container"],
        reason: "Sessions of a server that belongs there are not told.",
    },
];
