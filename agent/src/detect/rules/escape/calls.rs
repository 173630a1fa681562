//! System calls that few containers have a use for.

use crate::detect::{Class, Rule, Severity};

pub(crate) static PERF_EVENT: Rule = Rule {
    id: "escape.perf_event",
    class: Class::Escape,
    severity: Severity::Medium,
    attack: &["T1611", "T1057"],
    title: "A container watches the whole machine",
    meaning: "A process in a container asked for a performance event of every process, or of the \
        kernel's own code.",
    why: "It tells what others do, down to their secrets, and had holes.",
    look_alikes: "Profilers of the own process do not count.",
    response: "Remove CAP_PERFMON and CAP_SYS_ADMIN; raise `kernel.perf_event_paranoid`.",
};

pub(crate) static USERFAULTFD: Rule = Rule {
    id: "escape.userfaultfd",
    class: Class::Escape,
    severity: Severity::Medium,
    attack: &["T1068"],
    title: "A container handles page faults itself",
    meaning: "A process in a container called `userfaultfd`.",
    why: "It stops the kernel at a chosen moment, which makes races winnable: exploits of the kernel use \
        it.",
    look_alikes: "QEMU and CRIU of the image do not count.",
    response: "Leave the default seccomp profile on.",
};

pub(crate) static OPENED_BY_HANDLE: Rule = Rule {
    id: "escape.opened_by_handle",
    class: Class::Escape,
    severity: Severity::Critical,
    attack: &["T1611", "T1006"],
    title: "A container opened a file by its handle",
    meaning: "A process in a container called `open_by_handle_at`. Medium when it had no right to.",
    why: "A handle is an inode's number: with one file of the host's disk in the container and \
        CAP_DAC_READ_SEARCH, every file of that disk can be opened, whatever is mounted (\"shocker\").",
    look_alikes: "File servers (NFS-Ganesha), CRIU and scanners that use fanotify: they should be the host's, or be \
        trusted as such.",
    response: "Remove CAP_DAC_READ_SEARCH; treat the host's files as read.",
};

pub(crate) static KEYRING: Rule = Rule {
    id: "escape.keyring",
    class: Class::Escape,
    severity: Severity::Medium,
    attack: &["T1552", "T1611"],
    title: "Keys of the kernel were read or added",
    meaning: "A process in a container listed, searched, read or added keys. Keyrings are not separated \
        between containers.",
    why: "Keys of other containers and of the host can be among them; adding keys exhausts what all \
        share.",
    look_alikes: "Kerberos and NFS helpers of the image do not count.",
    response: "Leave the default seccomp profile on, which refuses these calls.",
};

pub(crate) static IO_PORTS: Rule = Rule {
    id: "escape.io_ports",
    class: Class::Escape,
    severity: Severity::High,
    attack: &["T1611"],
    title: "A container asked for the machine's ports",
    meaning: "A process in a container called `iopl` or `ioperm`.",
    why: "Ports drive disks and buses directly, past the kernel.",
    look_alikes: "None is known.",
    response: "Remove CAP_SYS_RAWIO.",
};

pub(crate) static KERNEL_CONTROL: Rule = Rule {
    id: "escape.kernel_control",
    class: Class::Escape,
    severity: Severity::High,
    attack: &["T1529", "T1611"],
    title: "A container called what steers the whole machine",
    meaning: "A process in a container tried to load another kernel, to restart the machine, to change \
        its swap or its accounting.",
    why: "These calls hold for the host, not for the container.",
    look_alikes: "systemd as first process of a container ends it with `reboot`, which does not count.",
    response: "Remove CAP_SYS_BOOT, CAP_SYS_ADMIN and CAP_SYS_PACCT.",
};

pub(crate) static TERMINAL_INJECTION: Rule = Rule {
    id: "escape.terminal_injection",
    class: Class::Escape,
    severity: Severity::High,
    attack: &["T1611", "T1056"],
    title: "Input was put into a terminal",
    meaning: "A process in a container called `TIOCSTI` or `TIOCLINUX` for a terminal.",
    why: "Who shares a terminal with the host's shell types commands into it.",
    look_alikes: "None is known in containers.",
    response: "Start containers with a terminal of their own; set `dev.tty.legacy_tiocsti=0`.",
};

pub(crate) static PIPE_SPLICE: Rule = Rule {
    id: "escape.pipe_splice",
    class: Class::Escape,
    severity: Severity::High,
    attack: &["T1068", "T1611"],
    title: "A few bytes of a file that may only be read were put into a pipe",
    meaning: "A process in a container spliced a few bytes of a file that it had open for reading into a \
        pipe.",
    why: "The pipe then holds the file's own pages, and more than one hole let them be written: files of \
        the image and of the host (CVE-2022-0847).",
    look_alikes: "Servers splice whole files, many bytes at once; the end of one can be short.",
    response: "Update the kernel; compare the file with the image.",
};

pub(crate) static UNUSUAL_SOCKET: Rule = Rule {
    id: "escape.unusual_socket",
    class: Class::Escape,
    severity: Severity::Medium,
    attack: &["T1068", "T1611"],
    title: "A socket of an unusual family was asked for",
    meaning: "A process in a container asked for a socket of a family that applications do not use: \
        ciphers of the kernel, vsock, Bluetooth, CAN, TIPC, RDS, X.25 and others.",
    why: "The kernel may load a module for it, and such modules are seldom looked at: exploits begin \
        there.",
    look_alikes: "cryptsetup (ciphers); agents in virtual machines (kata-agent, qemu-ga), when they are the image's own, may \
        have vsock.",
    response: "Leave the default seccomp profile on.",
};

pub(crate) static HELPER_STARTED: Rule = Rule {
    id: "escape.helper_started",
    class: Class::Escape,
    severity: Severity::Critical,
    attack: &["T1611", "T1546"],
    title: "The kernel started a program of a container as root on the host",
    meaning: "Because of what a container did, the kernel started a helper that is no program of the \
        system: a handler of core dumps, cgroups or modules that was put there.",
    why: "It is the second half of an escape: the program runs as root outside of every container.",
    look_alikes: "Handlers below `/usr`, `/sbin`, `/bin` and `/lib` do not count.",
    response: "Treat the host as taken. Read `core_pattern`, `modprobe` and release agents, and restore \
        them.",
};
