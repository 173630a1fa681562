//! Namespaces, mounts and rights that a container makes for itself.

use crate::detect::{Class, Rule, Severity};

pub(crate) static USER_NAMESPACE: Rule = Rule {
    id: "escape.user_namespace",
    class: Class::Escape,
    severity: Severity::Low,
    attack: &["T1611"],
    title: "A container made a user namespace",
    meaning: "A process in a container made a user namespace, in which it has every capability.",
    why: "Most holes of the kernel that lead out of containers need one. By itself it is little; what is \
        done in it has rules of its own, which are worse.",
    look_alikes: "Browsers, bubblewrap, rootless builders.",
    response: "Leave the default seccomp profile on, which refuses it.",
};

pub(crate) static MOUNT: Rule = Rule {
    id: "escape.mount",
    class: Class::Escape,
    severity: Severity::High,
    attack: &["T1611"],
    title: "A container mounted something after its start",
    meaning: "A process in a container attached a filesystem, made a tree to be attached, or made a \
        mount writable.",
    why: "Mounts come from the runtime. What is mounted later hides files from the runtime, shows \
        others, or is a hole of the kernel.",
    look_alikes: "Nested runtimes (then it is low), systemd as first process, images that mount a share \
        themselves. What a sandbox needs, a procfs for its own process ids, does not count.",
    response: "Remove CAP_SYS_ADMIN; leave the default seccomp profile on.",
};

pub(crate) static OVERLAY_IN_USER_NAMESPACE: Rule = Rule {
    id: "escape.overlay_in_user_namespace",
    class: Class::Escape,
    severity: Severity::High,
    attack: &["T1068", "T1611"],
    title: "An overlay was mounted in a user namespace",
    meaning: "A process in a container made a user namespace and mounted an overlay in it. Critical when \
        it also gave a file capabilities or its owner's rights.",
    why: "Overlays copied such rights out of the namespace (CVE-2021-3493, CVE-2023-2640, CVE-2023-0386).",
    look_alikes: "Rootless builders mount overlays; they give no such rights beside it.",
    response: "Update the kernel; leave the default seccomp profile on.",
};

pub(crate) static FILESYSTEM_PARAMETERS: Rule = Rule {
    id: "escape.filesystem_parameters",
    class: Class::Escape,
    severity: Severity::Critical,
    attack: &["T1068", "T1611"],
    title: "A filesystem was configured with odd parameters in a user namespace",
    meaning: "A process in a container that made a user namespace handed parameters to a filesystem \
        (`fsconfig`) that no filesystem has, or that the kernel refused.",
    why: "Their parser had a hole that any user could use in a namespace of its own (CVE-2022-0185).",
    look_alikes: "A mount helper that is told a wrong option.",
    response: "Stop the container; update the kernel; leave the default seccomp profile on.",
};

pub(crate) static NETFILTER_IN_USER_NAMESPACE: Rule = Rule {
    id: "escape.netfilter_in_user_namespace",
    class: Class::Escape,
    severity: Severity::High,
    attack: &["T1068", "T1611"],
    title: "Packet filters were configured in a user namespace",
    meaning: "A process in a container made a user namespace and asked for a netlink socket of packet \
        filters or of IPsec in it.",
    why: "It is the most used way into holes of the kernel (CVE-2022-34918, CVE-2023-32233, \
        CVE-2024-1086).",
    look_alikes: "Rootless container tools set up their network so.",
    response: "Leave the default seccomp profile on; forbid user namespaces on the host.",
};

pub(crate) static BECAME_ROOT: Rule = Rule {
    id: "escape.became_root",
    class: Class::Escape,
    severity: Severity::High,
    attack: &["T1068", "T1548"],
    title: "A process became root without executing anything",
    meaning: "A process in a container that was an ordinary user became root by a system call.",
    why: "Only a program that kept the right to come back may do so; for others it is the last step of \
        an attack on the kernel.",
    look_alikes: "Servers that act for their users and come back (sshd, cron, mail servers), and su and \
        sudo; those of the image do not count, nor does what a profile allows to use CAP_SETUID.",
    response: "Look at what the process did before; check the kernel's version against known holes.",
};
