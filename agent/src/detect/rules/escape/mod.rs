//! Rules of class `escape`: leaving the container.

mod calls;
mod namespaces;
mod places;

pub(crate) use calls::*;
pub(crate) use namespaces::*;
pub(crate) use places::*;

use crate::detect::{Class, Rule, Severity};

pub(super) static ALL: &[&Rule] = &[
    &RELEASE_AGENT,
    &NOTIFY_ON_RELEASE,
    &DEVICE_CGROUP,
    &CORE_PATTERN,
    &UEVENT_HELPER,
    &BINFMT_MISC,
    &SYSRQ,
    &KERNEL_HELPER,
    &KERNEL_SETTING,
    &KERNEL_MEMORY,
    &HOST_DISK_OPEN,
    &HOST_DISK_MOUNT,
    &SENSITIVE_MOUNT,
    &MASK_REMOVED,
    &PIVOT_ROOT,
    &RUNTIME_SOCKET,
    &HOST_NAMESPACE,
    &CGROUP_LEFT,
    &MODULE_LOAD,
    &MODULE_REQUEST,
    &BPF,
    &FOREIGN_PROCESS,
    &RUNTIME_BINARY,
    &HOST_FILE_WRITE,
    &DEVICE_NODE,
    &DEVICE_REPLACED,
    &OUTSIDE_ROOT,
    &HOST_CHROOT,
    &FOREIGN_MOUNT,
    &HOST_SYMLINK,
    &NAME_EXCHANGE,
    &SCRIPT_OF_PROCFS,
    &FILESYSTEM_DEBUGGER,
    &USER_NAMESPACE,
    &MOUNT,
    &OVERLAY_IN_USER_NAMESPACE,
    &FILESYSTEM_PARAMETERS,
    &NETFILTER_IN_USER_NAMESPACE,
    &BECAME_ROOT,
    &PERF_EVENT,
    &USERFAULTFD,
    &OPENED_BY_HANDLE,
    &KEYRING,
    &IO_PORTS,
    &KERNEL_CONTROL,
    &TERMINAL_INJECTION,
    &PIPE_SPLICE,
    &UNUSUAL_SOCKET,
    &HELPER_STARTED,
];

pub(crate) static RELEASE_AGENT: Rule = Rule {
    id: "escape.release_agent",
    class: Class::Escape,
    severity: Severity::Critical,
    attack: &["T1611"],
    title: "A cgroup release agent was opened for writing",
    meaning: "A process in a container opened `release_agent` of a cgroup v1 hierarchy for writing. The kernel \
        runs that program as root on the host when a cgroup becomes empty.",
    why: "It is a complete escape with one file (CVE-2022-0492).",
    look_alikes: "systemd in a container writes other cgroup files, never this one. Runtimes write none of it from \
        inside.",
    response: "Stop the container and keep its image and timeline; find out how the process was started; treat \
        the host as suspect until its release agents are verified (`/sys/fs/cgroup/*/release_agent`).",
};

pub(crate) static NOTIFY_ON_RELEASE: Rule = Rule {
    id: "escape.notify_on_release",
    class: Class::Escape,
    severity: Severity::High,
    attack: &["T1611"],
    title: "A cgroup was told to call its release agent",
    meaning: "A process in a container opened `notify_on_release` of a cgroup v1 hierarchy for writing.",
    why: "It arms the release agent: half of an escape.",
    look_alikes: "systemd as first process of a container arms its own hierarchy (`name=systemd`) while it starts; \
        that is not told apart.",
    response: "Look for a write to `release_agent` beside it. Remove CAP_SYS_ADMIN from the container.",
};

pub(crate) static DEVICE_CGROUP: Rule = Rule {
    id: "escape.device_cgroup",
    class: Class::Escape,
    severity: Severity::Critical,
    attack: &["T1611"],
    title: "Device permissions of a cgroup were opened for writing",
    meaning: "A process in a container opened `devices.allow` or `devices.deny` for writing.",
    why: "Rewriting them gives the container every device, the disks of the host included.",
    look_alikes: "A nested runtime (docker-in-docker) writes them for its own containers.",
    response: "Stop the container and keep its image and timeline; find out how the process was started; treat \
        the host as suspect until its disks were checked.",
};

pub(crate) static CORE_PATTERN: Rule = Rule {
    id: "escape.core_pattern",
    class: Class::Escape,
    severity: Severity::Critical,
    attack: &["T1611"],
    title: "The kernel's core dump handler was opened for writing",
    meaning: "A process in a container opened `kernel/core_pattern` for writing, wherever that procfs is \
        mounted.",
    why: "A pattern that begins with `|` is a program that the kernel runs as root on the host at the next \
        crash.",
    look_alikes: "systemd-coredump writes it from the host, never from a container.",
    response: "Read `/proc/sys/kernel/core_pattern` on the host and restore it. Stop the container.",
};

pub(crate) static UEVENT_HELPER: Rule = Rule {
    id: "escape.uevent_helper",
    class: Class::Escape,
    severity: Severity::Critical,
    attack: &["T1611"],
    title: "The kernel's device event helper was opened for writing",
    meaning: "A process in a container opened sysfs' `uevent_helper` or `kernel/hotplug` for writing.",
    why: "The kernel runs that program as root on the host at the next device event.",
    look_alikes: "None is known.",
    response: "Read both files on the host and empty them. Stop the container.",
};

pub(crate) static BINFMT_MISC: Rule = Rule {
    id: "escape.binfmt_misc",
    class: Class::Escape,
    severity: Severity::Critical,
    attack: &["T1611", "T1546"],
    title: "A binary format handler was opened for registration",
    meaning: "A process in a container opened a control file of binfmt_misc for writing.",
    why: "A handler with the credentials flag runs with the rights of whatever program the host executes \
        next.",
    look_alikes: "Installers of multi-architecture builds register handlers on purpose; run them outside monitored \
        hosts or expect the alert.",
    response: "List `/proc/sys/fs/binfmt_misc` on the host; remove handlers that nobody knows.",
};

pub(crate) static SYSRQ: Rule = Rule {
    id: "escape.sysrq",
    class: Class::Escape,
    severity: Severity::High,
    attack: &["T1499", "T1611"],
    title: "The kernel's emergency keys were opened for writing",
    meaning: "A process in a container opened `sysrq-trigger` or `kernel/sysrq` for writing.",
    why: "It can reboot the host, kill every process or remount disks.",
    look_alikes: "None is known.",
    response: "Stop the container; take away its privileges.",
};

pub(crate) static KERNEL_HELPER: Rule = Rule {
    id: "escape.kernel_helper",
    class: Class::Escape,
    severity: Severity::Critical,
    attack: &["T1611"],
    title: "A program path of the kernel was opened for writing",
    meaning: "A process in a container opened a sysctl that names a program which the kernel runs: `modprobe`, \
        `poweroff_cmd`, `usermodehelper`.",
    why: "The kernel runs that program as root on the host.",
    look_alikes: "None is known.",
    response: "Compare the value with another host and restore it. Stop the container.",
};

pub(crate) static KERNEL_SETTING: Rule = Rule {
    id: "escape.kernel_setting",
    class: Class::Escape,
    severity: Severity::Medium,
    attack: &["T1611", "T1562"],
    title: "A setting of the whole host was opened for writing",
    meaning: "A process in a container opened a sysctl for writing that has no namespace: it holds for the host \
        and every container.",
    why: "It weakens the host (address randomisation, pointer hiding, namespaces) or takes resources from \
        others.",
    look_alikes: "Init containers that set `vm.max_map_count` for Elasticsearch, `vm.overcommit_memory` for Redis. \
        Set these on the host.",
    response: "Compare the value with the host's configuration.",
};

pub(crate) static KERNEL_MEMORY: Rule = Rule {
    id: "escape.kernel_memory",
    class: Class::Escape,
    severity: Severity::Critical,
    attack: &["T1611", "T1003"],
    title: "Memory of the kernel or the machine was opened",
    meaning: "A process in a container opened `/proc/kcore`, or the devices `mem`, `kmem` or `port`, by whatever \
        name.",
    why: "All secrets of the host are readable there; writing is an escape.",
    look_alikes: "None is known: debuggers of the kernel run on the host.",
    response: "Stop the container; rotate what was in memory.",
};

pub(crate) static HOST_DISK_OPEN: Rule = Rule {
    id: "escape.host_disk_open",
    class: Class::Escape,
    severity: Severity::Critical,
    attack: &["T1611", "T1006"],
    title: "A disk of the host was opened",
    meaning: "A process in a container opened a block device that the host has mounted, or any other disk.",
    why: "Whoever reads the device reads all files, whoever writes it owns the host. The node's name does \
        not matter: the device number decides.",
    look_alikes: "CSI drivers and backup agents open disks on purpose.",
    response: "Stop the container; check the host's filesystems for changes; remove the device from the \
        container.",
};

pub(crate) static HOST_DISK_MOUNT: Rule = Rule {
    id: "escape.host_disk_mount",
    class: Class::Escape,
    severity: Severity::Critical,
    attack: &["T1611", "T1006"],
    title: "A disk was mounted in a container",
    meaning: "A process in a container mounted a block device.",
    why: "The host's files are one `chroot` away.",
    look_alikes: "CSI node plugins and docker-in-docker with loop devices mount on purpose.",
    response: "Unmount it; stop the container; check the filesystem for changes.",
};

pub(crate) static SENSITIVE_MOUNT: Rule = Rule {
    id: "escape.sensitive_mount",
    class: Class::Escape,
    severity: Severity::High,
    attack: &["T1611"],
    title: "A filesystem that controls the kernel was mounted in a container",
    meaning: "A process in a container mounted cgroup, procfs, sysfs, binfmt_misc, debugfs, tracefs, securityfs, \
        bpf or a similar filesystem after its start.",
    why: "A new mount is without the masks and read-only flags of the runtime's own; it is the usual first \
        step of an escape.",
    look_alikes: "systemd in a container, nested runtimes and rootless builders mount procfs and cgroup for their \
        own.",
    response: "See what was opened below the mount. Remove CAP_SYS_ADMIN.",
};

pub(crate) static MASK_REMOVED: Rule = Rule {
    id: "escape.mask_removed",
    class: Class::Escape,
    severity: Severity::High,
    attack: &["T1611"],
    title: "The runtime's protection of procfs or sysfs was undone",
    meaning: "A process in a container unmounted, remounted or covered a place below /proc or /sys.",
    why: "The runtime masks these places because the host can be taken over through them.",
    look_alikes: "systemd in a privileged container remounts its own /sys.",
    response: "See what was opened there afterwards. Remove CAP_SYS_ADMIN.",
};

pub(crate) static PIVOT_ROOT: Rule = Rule {
    id: "escape.pivot_root",
    class: Class::Escape,
    severity: Severity::High,
    attack: &["T1611"],
    title: "The root of a running container was exchanged",
    meaning: "A process in a container called pivot_root after the container had started.",
    why: "It is how one leaves a mounted host filesystem for good.",
    look_alikes: "Runtimes inside containers do it for their own; sandboxes (bubblewrap) do it in a namespace of \
        their own.",
    response: "See which mounts came before.",
};

pub(crate) static RUNTIME_SOCKET: Rule = Rule {
    id: "escape.runtime_socket",
    class: Class::Escape,
    severity: Severity::Critical,
    attack: &["T1611", "T1610"],
    title: "The container runtime's API was used from a container",
    meaning: "A process in a container connected to the socket of Docker, containerd, CRI-O, Podman, BuildKit or \
        the kubelet. The socket's inode decides, so renaming or bind-mounting it changes nothing; of sockets that \
        the agent has not seen on the host, the name. The kubelet's sockets for device plugins do not count. A connection \
        that failed is an attempt, by the name that was asked for; where no such socket exists it is for your information only.",
    why: "Whoever speaks to the runtime can start a privileged container: that is root on the host.",
    look_alikes: "Portainer, Traefik, watchtower and CI agents are given the socket on purpose. No profile can allow \
        it: each container alerts once per repeat window; silence the image where alerts are received, or give it a \
        proxy that passes only the requests it needs. Clients that wait for a runtime of their own (Docker in Docker) try \
        before it is there.",
    response: "Take the socket out of the container. List containers that were started since.",
};

pub(crate) static HOST_NAMESPACE: Rule = Rule {
    id: "escape.host_namespace",
    class: Class::Escape,
    severity: Severity::Critical,
    attack: &["T1611"],
    title: "A process of a container entered a namespace of the host",
    meaning: "A task of a container has a namespace that is the host's and was not its own when the container \
        started.",
    why: "It sees and changes what the host sees: files, processes, network.",
    look_alikes: "Containers that were started with host namespaces do not gain them. Debug containers on nodes use \
        nsenter on purpose.",
    response: "Stop the process and the container; see how it got a handle on the host's process (hostPID?).",
};

pub(crate) static CGROUP_LEFT: Rule = Rule {
    id: "escape.cgroup_left",
    class: Class::Escape,
    severity: Severity::Critical,
    attack: &["T1611"],
    title: "A process left its container's cgroup",
    meaning: "A task moved to a cgroup outside its container. Vigia goes on counting it to the container.",
    why: "It evades resource limits and every tool that knows containers by cgroup.",
    look_alikes: "Nested runtimes and systemd move tasks below their own cgroup; that does not count.",
    response: "Stop the process; remove write access to the host's cgroups.",
};

pub(crate) static MODULE_LOAD: Rule = Rule {
    id: "escape.module_load",
    class: Class::Escape,
    severity: Severity::Critical,
    attack: &["T1611", "T1547.006"],
    title: "A kernel module was loaded from a container",
    meaning: "A process in a container called init_module, finit_module or delete_module. Failed attempts are \
        reported with severity high.",
    why: "A module is code in the kernel of the host.",
    look_alikes: "Driver installers (GPU, storage, sensors) do so on purpose.",
    response: "If it succeeded the host is no longer to be trusted: replace it.",
};

pub(crate) static MODULE_REQUEST: Rule = Rule {
    id: "escape.module_request",
    class: Class::Escape,
    severity: Severity::Medium,
    attack: &["T1068"],
    title: "The kernel was made to look for a module",
    meaning: "A process in a container used a protocol, filesystem or device whose module was not loaded.",
    why: "Unusual modules are where exploits of the kernel begin.",
    look_alikes: "First use of ip6_tables, overlay or nfs by networking components.",
    response: "See which program asked, and for what.",
};

pub(crate) static BPF: Rule = Rule {
    id: "escape.bpf",
    class: Class::Escape,
    severity: Severity::High,
    attack: &["T1611", "T1014"],
    title: "A container used bpf()",
    meaning: "A process in a container loaded, attached or fetched BPF programs or maps.",
    why: "BPF sees and changes what the whole host does, and can blind security tools.",
    look_alikes: "Cilium, Tetragon, Falco, Pixie; systemd in a container attaches device and firewall programs.",
    response: "Find out what was loaded (`bpftool prog` on the host). Remove CAP_BPF and CAP_SYS_ADMIN.",
};

pub(crate) static FOREIGN_PROCESS: Rule = Rule {
    id: "escape.foreign_process",
    class: Class::Escape,
    severity: Severity::Critical,
    attack: &["T1611", "T1055"],
    title: "A process outside the container was traced or its memory was accessed",
    meaning: "A process in a container attached to, read or wrote a process of the host or of another container.",
    why: "Code is put into a process that has more rights.",
    look_alikes: "Debuggers in a container that shares the pid namespace of its pod; then severity is medium.",
    response: "Stop the container; restart the process that was accessed; remove hostPID and CAP_SYS_PTRACE.",
};

pub(crate) static RUNTIME_BINARY: Rule = Rule {
    id: "escape.runtime_binary",
    class: Class::Escape,
    severity: Severity::Critical,
    attack: &["T1611"],
    title: "The container runtime's own binary was opened for writing",
    meaning: "A process in a container opened runc, a shim or another running program for writing, by name or \
        through `/proc/PID/exe`. By name only what is not on the container's own overlay counts.",
    why: "The next start of any container would run the attacker's code as root on the host (CVE-2019-5736).",
    look_alikes: "Updaters replace files by renaming; they do not open a running program for writing.",
    response: "Verify the runtime's binaries against the package. Stop the container.",
};

pub(crate) static HOST_FILE_WRITE: Rule = Rule {
    id: "escape.host_file_write",
    class: Class::Escape,
    severity: Severity::Critical,
    attack: &["T1611", "T1053", "T1098.004"],
    title: "A sensitive file of the host was opened for writing, placed or replaced",
    meaning: "A process in a container opened a file for writing, or put one in a place, that decides who is root on \
        the host (accounts, keys, cron, units, static pods, preload), through a mount of a host folder. The path \
        within the host's filesystem decides, and the path below the mount: what is laid out like a root is one.",
    why: "It is a way back in as root, without any exploit.",
    look_alikes: "Configuration management as a DaemonSet does so on purpose. Files of the image itself do not \
        count.",
    response: "Compare the file with a backup. Mount the folder read-only.",
};
