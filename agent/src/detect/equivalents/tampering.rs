//! Of rules of class `tampering`.

use super::{Entry, falco, kubescape, tetragon, tracee};

pub(super) static ALL: &[Entry] = &[
    (
        "tampering.preloaded_library",
        &[
            tracee("ld_preload"),
            kubescape("R1011 ld_preload Mechanism Use or ld.so.preload Modification"),
        ],
    ),
    ("tampering.library_path", &[]),
    (
        "tampering.authorized_keys",
        &[falco("Adding ssh keys to authorized_keys")],
    ),
    (
        "tampering.scheduled_task",
        &[
            falco("Schedule Cron Jobs"),
            tracee("rcd_modification"),
            tracee("scheduled_task_mod"),
        ],
    ),
    ("tampering.accounts", &[tracee("sudoers_modification")]),
    ("tampering.name_resolution", &[]),
    (
        "tampering.program_folder",
        &[
            falco("Modify binary dirs"),
            falco("Write below binary dir"),
            falco("Write below monitored dir"),
            tracee("default_loader_mod"),
        ],
    ),
    ("tampering.log", &[falco("Clear Log Activities")]),
    ("tampering.history", &[falco("Delete or rename shell history")]),
    ("tampering.kernel_protection", &[]),
    ("tampering.set_user_id", &[falco("Set Setuid or Setgid bit")]),
    ("tampering.timestomp", &[]),
    ("tampering.immutable_file", &[]),
    (
        "tampering.process_injection",
        &[
            tracee("proc_mem_code_injection"),
            tracee("process_vm_write_inject"),
        ],
    ),
    ("tampering.foreign_signal", &[]),
    (
        "tampering.capability_gain",
        &[tetragon("policylibrary/privileges/privileges-raise.yaml")],
    ),
    (
        "tampering.clock",
        &[tetragon("tracingpolicy/sys_clock_settime.yaml")],
    ),
    ("tampering.ring_served_by_kernel", &[]),
    ("tampering.wiping_tool", &[falco("Remove Bulk Data from Disk")]),
    (
        "tampering.change_of_user",
        &[
            falco("Polkit Local Privilege Escalation Vulnerability (CVE-2021-4034)"),
            falco("Sudo Potential Privilege Escalation"),
        ],
    ),
    ("tampering.network_configuration", &[]),
    ("tampering.hidden_name", &[]),
    ("tampering.odd_name", &[]),
    ("tampering.bulk_encryption", &[]),
    (
        "tampering.decoded_program",
        &[falco("Decoding Payload in Container")],
    ),
    ("tampering.event_flood", &[]),
];
