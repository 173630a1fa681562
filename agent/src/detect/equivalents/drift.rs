//! Of rules of class `drift`.

use super::{Entry, falco, kubescape, tetragon, tracee};

pub(super) static ALL: &[Entry] = &[
    (
        "drift.exec_from_upper",
        &[
            falco("Drop and execute new binary in container"),
            kubescape("R1001 Drifted process executed"),
        ],
    ),
    (
        "drift.exec_from_tmp",
        &[
            falco("Execution from /dev/shm"),
            kubescape("R1000 Process Executed from /dev/shm"),
        ],
    ),
    (
        "drift.exec_from_memory",
        &[
            falco("Fileless execution via memfd_create"),
            tracee("fileless_execution"),
            kubescape("R1005 Fileless execution detected"),
        ],
    ),
    ("drift.exec_unlinked", &[]),
    (
        "drift.exec_from_volume",
        &[kubescape("R1004 Process executed from mount")],
    ),
    (
        "drift.exec_outside_profile",
        &[
            kubescape("R0001 Unexpected process launched"),
            kubescape("R0040 Unexpected process arguments"),
        ],
    ),
    (
        "drift.write_outside_profile",
        &[kubescape("R0002 Files Access Anomalies in container")],
    ),
    (
        "drift.capability_outside_profile",
        &[kubescape("R0004 Linux Capabilities Anomalies in container")],
    ),
    ("drift.exec_refused", &[]),
    ("drift.loader_used", &[]),
    (
        "drift.library_outside_image",
        &[
            tracee("ld_preload"),
            kubescape("R1011 ld_preload Mechanism Use or ld.so.preload Modification"),
        ],
    ),
    (
        "drift.executable_memory",
        &[tracee("dynamic_code_loading"), tracee("mem_prot_alert")],
    ),
    ("drift.script_dropped", &[falco("Execution from /dev/shm")]),
    ("drift.startup_file", &[falco("Modify Shell Configuration File")]),
    (
        "drift.shell_from_service",
        &[
            falco("DB program spawned process"),
            falco("Reverse Shell from Web Server"),
            falco("Run shell untrusted"),
            falco("Web Server Spawned Shell"),
            falco("Web Server Spawned Suspicious Child Process"),
            tracee("illegitimate_shell"),
        ],
    ),
    ("drift.piped_script", &[]),
    (
        "drift.exec_session_shell",
        &[falco("Terminal shell in container")],
    ),
    ("drift.masquerade", &[]),
    ("drift.kernel_thread_name", &[]),
    ("drift.process_forged", &[]),
    (
        "drift.miner",
        &[
            falco("Detect crypto miners using the Stratum protocol"),
            falco("Known Cryptominer Process Executed"),
            kubescape("R1007 Crypto miner launched"),
        ],
    ),
    (
        "drift.package_manager",
        &[falco("Launch Package Management Process in Container")],
    ),
    (
        "drift.discovery_burst",
        &[falco("Basic Interactive Reconnaissance")],
    ),
    (
        "drift.process_traced",
        &[
            falco("PTRACE attached to process"),
            tracee("ptrace_code_injection"),
            kubescape("R1015 Unexpected Ptrace Syscall Usage"),
            tetragon("tracingpolicy/sys_ptrace.yaml"),
        ],
    ),
    (
        "drift.anti_debug",
        &[falco("PTRACE anti-debug attempt"), tracee("anti_debugging")],
    ),
];
