//! Of Falco.

use super::{EXECUTED, SSH_PORT, SYMBOLIC_LINK, Unmatched};
use crate::detect::equivalents::falco;

const CONFIGURATION: &str =
    "How a container is configured is for admission to judge; alerts say whether theirs is privileged.";
const ENVIRONMENT: &str = "Environment variables are not read.";
const HOST: &str = "Vigia watches containers, not the host's own programs.";
const TOOL: &str = "A program is told by what it does, or brings; with a profile, also by its name.";

pub(super) static ALL: &[Unmatched] = &[
    Unmatched {
        rule: falco("Backdoored library loaded into SSHD (CVE-2024-3094)"),
        partly: &["listener.sshd_in_container"],
        reason: "Versions of libraries are what scanners of images look at.",
    },
    Unmatched {
        rule: falco("Container Drift Detected (chmod)"),
        partly: &["drift.exec_from_upper"],
        reason: EXECUTED,
    },
    Unmatched {
        rule: falco("Container Drift Detected (open+create)"),
        partly: &["drift.exec_from_upper"],
        reason: EXECUTED,
    },
    Unmatched {
        rule: falco("Container Run as Root User"),
        partly: &[],
        reason: CONFIGURATION,
    },
    Unmatched {
        rule: falco("Create Hidden Files or Directories"),
        partly: &["tampering.hidden_name"],
        reason: "A name that begins with one dot is usual; told are names that lists do not show, or show as \
            something else.",
    },
    Unmatched {
        rule: falco("Create Symlink Over Sensitive Files"),
        partly: &["credential.password_hashes", "escape.host_symlink"],
        reason: SYMBOLIC_LINK,
    },
    Unmatched {
        rule: falco("Create files below dev"),
        partly: &["drift.exec_from_tmp", "escape.device_replaced"],
        reason: "A file there is told when it replaces a device, or is executed.",
    },
    Unmatched {
        rule: falco("Directory traversal monitored file read"),
        partly: &["credential.password_hashes", "credential.ssh_key"],
        reason: "A file is known by where it is, not by the way that was written: secrets are told however they were \
            reached.",
    },
    Unmatched {
        rule: falco("Disallowed SSH Connection Non Standard Port"),
        partly: &["lateral.ssh_tunnel", "lateral.unexpected_connection"],
        reason: SSH_PORT,
    },
    Unmatched {
        rule: falco("Exfiltrating Artifacts via Kubernetes Control Plane"),
        partly: &["drift.exec_outside_profile"],
        reason: "With a profile: `tar` in a session is a program that it does not name.",
    },
    Unmatched {
        rule: falco("Interpreted procs inbound network activity"),
        partly: &["listener.unexpected", "listener.unexpected_executable"],
        reason: "What listens is compared with the profile, whatever it is written in.",
    },
    Unmatched {
        rule: falco("Interpreted procs outbound network activity"),
        partly: &["lateral.unexpected_connection"],
        reason: "With a profile: who connects where, whatever it is written in.",
    },
    Unmatched {
        rule: falco("Java Process Class File Download"),
        partly: &[],
        reason: "What connections carry is not read.",
    },
    Unmatched {
        rule: falco("Launch Disallowed Container"),
        partly: &[],
        reason: CONFIGURATION,
    },
    Unmatched {
        rule: falco("Launch Excessively Capable Container"),
        partly: &["drift.capability_outside_profile"],
        reason: CONFIGURATION,
    },
    Unmatched {
        rule: falco("Launch Ingress Remote File Copy Tools in Container"),
        partly: &["drift.exec_from_upper", "drift.exec_outside_profile"],
        reason: TOOL,
    },
    Unmatched {
        rule: falco("Launch Privileged Container"),
        partly: &[],
        reason: CONFIGURATION,
    },
    Unmatched {
        rule: falco("Launch Remote File Copy Tools in Container"),
        partly: &["drift.exec_from_upper", "drift.exec_outside_profile"],
        reason: TOOL,
    },
    Unmatched {
        rule: falco("Launch Sensitive Mount Container"),
        partly: &["escape.runtime_socket"],
        reason: CONFIGURATION,
    },
    Unmatched {
        rule: falco("Launch Suspicious Network Tool in Container"),
        partly: &[
            "lateral.port_scan",
            "lateral.relay_tool",
            "lateral.zone_walk",
            "listener.packet_socket",
        ],
        reason: TOOL,
    },
    Unmatched {
        rule: falco("Launch Suspicious Network Tool on Host"),
        partly: &[],
        reason: HOST,
    },
    Unmatched {
        rule: falco("Mkdir binary dirs"),
        partly: &["tampering.program_folder"],
        reason: "An empty folder is no program: told is what is put into it.",
    },
    Unmatched {
        rule: falco("Netcat/Socat Remote Code Execution on Host"),
        partly: &[],
        reason: HOST,
    },
    Unmatched {
        rule: falco("Network Tool Executed During NPM Package Install"),
        partly: &["drift.exec_outside_profile", "lateral.unexpected_connection"],
        reason: TOOL,
    },
    Unmatched {
        rule: falco("Potential Local Privilege Escalation via Environment Variables Misuse"),
        partly: &["tampering.change_of_user"],
        reason: ENVIRONMENT,
    },
    Unmatched {
        rule: falco("Program run with disallowed http proxy env"),
        partly: &[],
        reason: ENVIRONMENT,
    },
    Unmatched {
        rule: falco("Read Shell Configuration File"),
        partly: &[],
        reason: "Such files are no secrets; changes of them are `drift.startup_file`.",
    },
    Unmatched {
        rule: falco("System user interactive"),
        partly: &["drift.exec_session_shell"],
        reason: "Logins to the host are not followed; those who enter a container are.",
    },
    Unmatched {
        rule: falco("Unexpected K8s NodePort Connection"),
        partly: &["lateral.unexpected_connection"],
        reason: "With a profile, whatever the port.",
    },
    Unmatched {
        rule: falco("Unexpected UDP Traffic"),
        partly: &["lateral.unexpected_connection"],
        reason: "With a profile, whatever the protocol.",
    },
    Unmatched {
        rule: falco("Unexpected inbound connection source"),
        partly: &["lateral.first_contact"],
        reason: "Contacts are told of the container that makes them; clients outside the host are not compared.",
    },
    Unmatched {
        rule: falco("Update Package Repository"),
        partly: &["drift.package_manager", "drift.write_outside_profile"],
        reason: "With a profile: the file is one that it does not name.",
    },
    Unmatched {
        rule: falco("User mgmt binaries"),
        partly: &["tampering.accounts"],
        reason: HOST,
    },
    Unmatched {
        rule: falco("Write below etc"),
        partly: &[
            "drift.startup_file",
            "drift.write_outside_profile",
            "tampering.accounts",
            "tampering.library_path",
            "tampering.name_resolution",
            "tampering.scheduled_task",
        ],
        reason: "Files that matter by themselves have rules of their own; others are told beside a profile.",
    },
    Unmatched {
        rule: falco("Write below root"),
        partly: &[
            "drift.startup_file",
            "drift.write_outside_profile",
            "tampering.authorized_keys",
        ],
        reason: "Files that matter by themselves have rules of their own; others are told beside a profile.",
    },
    Unmatched {
        rule: falco("Write below rpm database"),
        partly: &["drift.write_outside_profile"],
        reason: "With a profile: the file is one that it does not name.",
    },
];
