//! What is done with names, roots and nodes.

use crate::detect::{Class, Rule, Severity};

pub(crate) static DEVICE_NODE: Rule = Rule {
    id: "escape.device_node",
    class: Class::Escape,
    severity: Severity::Critical,
    attack: &["T1611", "T1006"],
    title: "A node of a disk or of the machine's memory was made",
    meaning: "A process in a container made, or tried to make, a node of a block device or of `/dev/mem` \
        and its kin, whatever its name.",
    why: "With the node comes the device: reading the host's disk needs nothing else.",
    look_alikes: "debootstrap and udev make nodes of null, zero, random and terminals; those do not \
        count. Loop devices and CD-ROMs do not either.",
    response: "Remove CAP_MKNOD from the container; see whether the node was opened \
        (`escape.host_disk_open`).",
};

pub(crate) static DEVICE_REPLACED: Rule = Rule {
    id: "escape.device_replaced",
    class: Class::Escape,
    severity: Severity::Critical,
    attack: &["T1611"],
    title: "A device file of the container was replaced",
    meaning: "A process in a container removed, renamed or replaced `/dev/null`, `/dev/console` or \
        another file that the runtime puts into `/dev`.",
    why: "Runtimes mount such files over what they mask, and follow what lies there: a link in their \
        place leads the next mount to the host (CVE-2025-31133, CVE-2025-52565).",
    look_alikes: "A builder that fills the `/dev` of another root changes names below that root, which \
        do not count.",
    response: "Do not start further containers from this one's filesystem; update runc; look at what the \
        name points to.",
};

pub(crate) static OUTSIDE_ROOT: Rule = Rule {
    id: "escape.outside_root",
    class: Class::Escape,
    severity: Severity::Critical,
    attack: &["T1611"],
    title: "A process left its root directory",
    meaning: "The working directory, or the new root, of a process in a container lies outside the root \
        that it has: it was reached by a descriptor that was open before.",
    why: "Whoever stands outside his root walks up to the host's (CVE-2024-21626), or out of a chroot.",
    look_alikes: "None is known: services enter the directory first and make it their root then.",
    response: "Stop the container; update runc; find out which descriptor led there.",
};

pub(crate) static HOST_CHROOT: Rule = Rule {
    id: "escape.host_chroot",
    class: Class::Escape,
    severity: Severity::Critical,
    attack: &["T1611"],
    title: "A folder of the host was made the root",
    meaning: "A process in a container called chroot for a folder that a mount of the host shows.",
    why: "What it starts then uses the host's programs, accounts and packages: the usual way from a \
        mounted `/` to the host.",
    look_alikes: "Installers that run as privileged DaemonSets do so on purpose (`chroot /host`). \
        Services that lock themselves up in a folder of the image do not count; a volume counts as \
        medium.",
    response: "Stop the container; mount only the folder that is needed, and read-only.",
};

pub(crate) static FOREIGN_MOUNT: Rule = Rule {
    id: "escape.foreign_mount",
    class: Class::Escape,
    severity: Severity::Critical,
    attack: &["T1611"],
    title: "A file of another mount namespace was opened",
    meaning: "A process in a container opened a file of one of the host's disks that no mount of the \
        container shows: through `/proc/PID/root`, `/proc/PID/cwd`, or a descriptor of another process.",
    why: "Sharing the host's process ids is then access to the host's files.",
    look_alikes: "Monitoring agents with `hostPID` read files through `/proc/PID/root` on purpose.",
    response: "Remove hostPID and CAP_SYS_PTRACE; see what was read.",
};

pub(crate) static HOST_SYMLINK: Rule = Rule {
    id: "escape.host_symlink",
    class: Class::Escape,
    severity: Severity::High,
    attack: &["T1611", "T1574"],
    title: "A symbolic link out of a host folder was made",
    meaning: "A process in a container put a symbolic link into a mounted folder of the host that leads \
        to the root, or to where the host keeps its configuration, keys, processes or devices.",
    why: "Whatever reads that folder on the host follows it there with its own rights: kubelet's logs \
        are the known case.",
    look_alikes: "Links to programs and relative links do not count.",
    response: "Remove the link; mount the folder read-only.",
};

pub(crate) static NAME_EXCHANGE: Rule = Rule {
    id: "escape.name_exchange",
    class: Class::Escape,
    severity: Severity::High,
    attack: &["T1611"],
    title: "A folder and another name changed places",
    meaning: "A process in a container exchanged two names at once (`RENAME_EXCHANGE`), of which one is \
        a folder or a symbolic link. Repeats are counted.",
    why: "In a loop it wins races of runtimes that check a path first and use it then (CVE-2019-19921, \
        CVE-2021-30465).",
    look_alikes: "Package managers of whole systems (ostree, snapd) exchange folders once; they do not \
        count.",
    response: "Stop the container; do not start others that share a volume with it.",
};

pub(crate) static SCRIPT_OF_PROCFS: Rule = Rule {
    id: "escape.script_of_procfs",
    class: Class::Escape,
    severity: Severity::High,
    attack: &["T1611", "T1059"],
    title: "A script names the running program as its interpreter",
    meaning: "A script was executed whose `#!` line names a file of procfs, such as `/proc/self/exe`.",
    why: "It makes the runtime execute itself inside of the container, where it can be overwritten \
        (CVE-2019-5736).",
    look_alikes: "Programs that execute `/proc/self/exe` themselves do not count: only a script's first \
        line does.",
    response: "Stop the container; verify the runtime's programs.",
};

pub(crate) static FILESYSTEM_DEBUGGER: Rule = Rule {
    id: "escape.filesystem_debugger",
    class: Class::Escape,
    severity: Severity::High,
    attack: &["T1006"],
    title: "A tool that reads filesystems by their blocks was executed",
    meaning: "`debugfs`, `xfs_db` or a tool of that kind was executed in a container.",
    why: "Together with a node of the host's disk it reads and writes the host's files past all \
        permissions.",
    look_alikes: "Builds and tests of these tools.",
    response: "See whether a block device was opened (`escape.host_disk_open`); remove CAP_MKNOD and \
        devices.",
};
