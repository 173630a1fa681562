//! Of rules of class `escape`.

use super::{Entry, falco, kubescape, tetragon, tracee};

pub(super) static ALL: &[Entry] = &[
    (
        "escape.release_agent",
        &[
            falco("Detect release_agent File Container Escapes"),
            tracee("cgroup_release_agent"),
        ],
    ),
    ("escape.notify_on_release", &[tracee("cgroup_notify_on_release")]),
    ("escape.device_cgroup", &[]),
    ("escape.core_pattern", &[tracee("core_pattern_modification")]),
    ("escape.uevent_helper", &[]),
    ("escape.binfmt_misc", &[]),
    ("escape.sysrq", &[tracee("system_request_key_mod")]),
    ("escape.kernel_helper", &[]),
    ("escape.kernel_setting", &[]),
    (
        "escape.kernel_memory",
        &[
            falco("Privileged Container Device Access"),
            tracee("proc_kcore_read"),
        ],
    ),
    (
        "escape.host_disk_open",
        &[falco("Privileged Container Device Access")],
    ),
    (
        "escape.host_disk_mount",
        &[
            falco("Mount Launched in Privileged Container"),
            tracee("disk_mount"),
            tetragon("tracingpolicy/sys_mount.yaml"),
        ],
    ),
    (
        "escape.sensitive_mount",
        &[
            falco("Mount Launched in Privileged Container"),
            tetragon("tracingpolicy/sys_mount.yaml"),
        ],
    ),
    ("escape.mask_removed", &[]),
    (
        "escape.pivot_root",
        &[tetragon("tracingpolicy/sys_pivot_root.yaml")],
    ),
    ("escape.runtime_socket", &[tracee("docker_abuse")]),
    ("escape.host_namespace", &[falco("Change thread namespace")]),
    ("escape.cgroup_left", &[]),
    (
        "escape.module_load",
        &[
            falco("Linux Kernel Module Injection Detected"),
            tracee("kernel_module_loading"),
            kubescape("R1002 Process tries to load a kernel module"),
            tetragon("policylibrary/modules.yaml"),
            tetragon("tracingpolicy/host-changes/monitor-kernel-modules.yaml"),
        ],
    ),
    (
        "escape.module_request",
        &[
            tetragon("policylibrary/modules.yaml"),
            tetragon("tracingpolicy/host-changes/monitor-kernel-modules.yaml"),
        ],
    ),
    (
        "escape.bpf",
        &[
            falco("BPF Program Not Profiled"),
            kubescape("R0009 eBPF Program Load"),
            tetragon("policylibrary/bpf.yaml"),
        ],
    ),
    (
        "escape.foreign_process",
        &[
            falco("PTRACE attached to process"),
            tracee("proc_mem_access"),
            tracee("proc_mem_code_injection"),
            tracee("process_vm_write_inject"),
            tracee("ptrace_code_injection"),
            kubescape("R1015 Unexpected Ptrace Syscall Usage"),
            tetragon("tracingpolicy/sys_ptrace.yaml"),
        ],
    ),
    ("escape.runtime_binary", &[falco("Modify Container Entrypoint")]),
    (
        "escape.host_file_write",
        &[falco("Container Access to Host Sensitive Paths")],
    ),
    ("escape.device_node", &[]),
    ("escape.device_replaced", &[]),
    ("escape.outside_root", &[]),
    ("escape.host_chroot", &[]),
    ("escape.foreign_mount", &[]),
    ("escape.host_symlink", &[]),
    ("escape.name_exchange", &[]),
    ("escape.script_of_procfs", &[]),
    (
        "escape.filesystem_debugger",
        &[falco("Debugfs Launched in Privileged Container")],
    ),
    (
        "escape.user_namespace",
        &[
            falco("Change namespace privileges via unshare"),
            kubescape("R1006 Unexpected unshare Syscall in Container"),
            tetragon("policylibrary/privileges/privileges-raise.yaml"),
        ],
    ),
    (
        "escape.mount",
        &[
            falco("Mount Launched in Privileged Container"),
            tetragon("tracingpolicy/sys_mount.yaml"),
        ],
    ),
    (
        "escape.overlay_in_user_namespace",
        &[tetragon("tracingpolicy/cves/cve-2023-2640-overlayfs-ubuntu.yaml")],
    ),
    ("escape.filesystem_parameters", &[]),
    ("escape.netfilter_in_user_namespace", &[]),
    (
        "escape.became_root",
        &[
            falco("Non sudo setuid"),
            tetragon("policylibrary/privileges/privileges-raise.yaml"),
            tetragon("policylibrary/privileges/privileges-setuid-root.yaml"),
        ],
    ),
    ("escape.perf_event", &[tetragon("policylibrary/bpf.yaml")]),
    (
        "escape.userfaultfd",
        &[falco(
            "Unprivileged Delegation of Page Faults Handling to a Userspace Process",
        )],
    ),
    ("escape.opened_by_handle", &[]),
    ("escape.keyring", &[]),
    ("escape.io_ports", &[]),
    ("escape.kernel_control", &[]),
    ("escape.terminal_injection", &[]),
    ("escape.pipe_splice", &[tracee("dirty_pipe_splice")]),
    ("escape.unusual_socket", &[]),
    ("escape.helper_started", &[]),
];
