//! Of rules of class `credential`.

use super::{Entry, falco, kubescape, tracee};

pub(super) static ALL: &[Entry] = &[
    (
        "credential.read_outside_profile",
        &[
            kubescape("R0002 Files Access Anomalies in container"),
            kubescape("R0010 Unexpected Sensitive File Access"),
        ],
    ),
    (
        "credential.password_hashes",
        &[
            falco("Create Hardlink Over Sensitive Files"),
            falco("Read sensitive file trusted after startup"),
            falco("Read sensitive file untrusted"),
            kubescape("R0010 Unexpected Sensitive File Access"),
            kubescape("R1012 Hard link created over sensitive file"),
        ],
    ),
    (
        "credential.service_account_token",
        &[
            tracee("k8s_service_account_token"),
            kubescape("R0006 Unexpected service account token access"),
        ],
    ),
    ("credential.cloud_credentials", &[]),
    ("credential.ssh_key", &[falco("Read ssh information")]),
    (
        "credential.node_credentials",
        &[
            falco("Container Access to Host Sensitive Paths"),
            tracee("k8s_cert_theft"),
        ],
    ),
    ("credential.mounted_secret", &[]),
    (
        "credential.secret_search",
        &[
            falco("Find AWS Credentials"),
            falco("Search Private Keys or Passwords"),
        ],
    ),
    (
        "credential.foreign_environment",
        &[
            falco("Read environment variable from /proc files"),
            kubescape("R0008 Read Environment Variables from procfs"),
        ],
    ),
    ("credential.process_memory", &[tracee("proc_mem_access")]),
    (
        "credential.kernel_layout",
        &[tracee("aslr_inspection"), tracee("sched_debug_recon")],
    ),
];
