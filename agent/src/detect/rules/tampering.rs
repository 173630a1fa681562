//! Rules of class `tampering`: traces that are wiped, and changes that outlive an intrusion.

use crate::detect::{Class, Rule, Severity};

pub(super) static ALL: &[&Rule] = &[
    &PRELOADED_LIBRARY,
    &LIBRARY_PATH,
    &AUTHORIZED_KEYS,
    &SCHEDULED_TASK,
    &ACCOUNTS,
    &NAME_RESOLUTION,
    &PROGRAM_FOLDER,
    &LOG,
    &HISTORY,
    &KERNEL_PROTECTION,
    &SET_USER_ID,
    &TIMESTOMP,
    &IMMUTABLE_FILE,
    &PROCESS_INJECTION,
    &FOREIGN_SIGNAL,
    &CAPABILITY_GAIN,
    &CLOCK,
    &RING_SERVED_BY_KERNEL,
    &WIPING_TOOL,
    &CHANGE_OF_USER,
    &NETWORK_CONFIGURATION,
    &HIDDEN_NAME,
    &ODD_NAME,
    &BULK_ENCRYPTION,
    &DECODED_PROGRAM,
    &EVENT_FLOOD,
];

pub(crate) static PRELOADED_LIBRARY: Rule = Rule {
    id: "tampering.preloaded_library",
    class: Class::Tampering,
    severity: Severity::Critical,
    attack: &["T1574.006"],
    title: "A library was put before every program",
    meaning: "A process opened `/etc/ld.so.preload` for writing, or put a file or link there.",
    why: "The library named there is loaded into every program that starts in the container: it sees and changes what they do.",
    look_alikes: "None is known in a container that runs.",
    response: "Stop the container; start a new one from a clean image.",
};

pub(crate) static LIBRARY_PATH: Rule = Rule {
    id: "tampering.library_path",
    class: Class::Tampering,
    severity: Severity::High,
    attack: &["T1574.006"],
    title: "The search path of libraries was changed",
    meaning: "A process other than `ldconfig` or a package manager wrote to `/etc/ld.so.conf`, a file below `/etc/ld.so.conf.d`, or \
        the cache made of them.",
    why: "Programs load their libraries from where these say.",
    look_alikes: "Hooks of graphics drivers add a file before the container's own program runs: that is the runtime's doing, and no \
        alert.",
    response: "Compare the files with the image's; start a new container.",
};

pub(crate) static AUTHORIZED_KEYS: Rule = Rule {
    id: "tampering.authorized_keys",
    class: Class::Tampering,
    severity: Severity::High,
    attack: &["T1098.004"],
    title: "Somebody was given access by SSH",
    meaning: "A process wrote to a file `authorized_keys` of anybody, or put one there.",
    why: "Whoever has the key comes back at any time.",
    look_alikes: "Servers of repositories that let their users in this way: name the file in the profile's `files.write`.",
    response: "Look at which key was added; look for an SSH server in the container, or a mount of the host's homes.",
};

pub(crate) static SCHEDULED_TASK: Rule = Rule {
    id: "tampering.scheduled_task",
    class: Class::Tampering,
    severity: Severity::High,
    attack: &["T1053.003", "T1543.002"],
    title: "Something is to be started again and again",
    meaning: "A process wrote below `/etc/cron*`, `/var/spool/cron`, `/etc/systemd/system`, `/etc/init.d` or their like, `crontab` \
        included.",
    why: "What stands there is started later, also after the intruder is gone; in a mount of the host by the host.",
    look_alikes: "Package managers, with what they start, and the container's own program.",
    response: "Read the task; remove it; start a new container.",
};

pub(crate) static ACCOUNTS: Rule = Rule {
    id: "tampering.accounts",
    class: Class::Tampering,
    severity: Severity::High,
    attack: &["T1136.001", "T1098", "T1548.003"],
    title: "Users, or who may become root, were changed",
    meaning: "A process other than the programs for it wrote to `passwd`, `shadow`, `group`, `sudoers` or their folders, \
        `nsswitch.conf`, or the rules of PAM.",
    why: "A second user with the number 0 is a second root.",
    look_alikes: "The programs for accounts when they are the image's own; package managers; the container's first process. Entrypoints \
        that add a user by the shell are told once: name the file in the profile's `files.write`.",
    response: "Compare the files with the image's.",
};

pub(crate) static NAME_RESOLUTION: Rule = Rule {
    id: "tampering.name_resolution",
    class: Class::Tampering,
    severity: Severity::Medium,
    attack: &["T1565.001", "T1584.002"],
    title: "Names lead elsewhere",
    meaning: "A process in the container wrote to `/etc/hosts`, `/etc/resolv.conf` or `/etc/hostname`.",
    why: "Who answers for a name gets what is sent to it.",
    look_alikes: "Runtimes write them from the host, which is no alert; clients of DHCP and VPNs when they are the image's own.",
    response: "Compare the files with what the runtime wrote.",
};

pub(crate) static PROGRAM_FOLDER: Rule = Rule {
    id: "tampering.program_folder",
    class: Class::Tampering,
    severity: Severity::High,
    attack: &["T1554", "T1036.005"],
    title: "A program or library was put where the system's are",
    meaning: "A process other than a package manager or the container's own wrote to a file in a folder of programs, or to a library \
        in one of libraries.",
    why: "What is called there next is the intruder's.",
    look_alikes: "Package managers and build tools, with what they start; applications that update themselves are the container's first \
        process.",
    response: "Compare the file with the image's; `drift` tells when it was executed.",
};

pub(crate) static LOG: Rule = Rule {
    id: "tampering.log",
    class: Class::Tampering,
    severity: Severity::Medium,
    attack: &["T1070.002"],
    title: "A log was emptied, replaced or removed",
    meaning: "A process other than one that keeps logs emptied, replaced or removed a file below `/var/log`.",
    why: "Intruders wipe their traces.",
    look_alikes: "`logrotate`, loggers and `cron` of the image, package managers, the container's own program; a log that is moved \
        aside (`log` to `log.1`).",
    response: "Look at what was sent elsewhere; look at what the session did before.",
};

pub(crate) static HISTORY: Rule = Rule {
    id: "tampering.history",
    class: Class::Tampering,
    severity: Severity::Medium,
    attack: &["T1070.003"],
    title: "A shell's history was wiped",
    meaning: "A process emptied, replaced or removed the file in which a shell or client keeps what was typed.",
    why: "Intruders wipe their traces.",
    look_alikes: "A shell that cuts its own history.",
    response: "The events of the session are in `agent timeline`.",
};

pub(crate) static KERNEL_PROTECTION: Rule = Rule {
    id: "tampering.kernel_protection",
    class: Class::Tampering,
    severity: Severity::High,
    attack: &["T1562.001", "T1562.006"],
    title: "A protection of the host's kernel was opened for writing",
    meaning: "A process in a container opened a setting for writing that protects the kernel or processes from each other: random \
        addresses, hidden pointers, who may trace, who may use bpf. Other settings of the host are `escape.kernel_setting`.",
    why: "Exploits need it off; it holds for the host and every container.",
    look_alikes: "None: hosts are configured from the host.",
    response: "Compare the value with the host's configuration.",
};

pub(crate) static SET_USER_ID: Rule = Rule {
    id: "tampering.set_user_id",
    class: Class::Tampering,
    severity: Severity::High,
    attack: &["T1548.001"],
    title: "A program was given more rights than who executes it has",
    meaning: "A process set the set-user-ID or set-group-ID bit of a file, or gave it capabilities. Low for a bit of a file \
        that the profile lets the program write.",
    why: "It is a way back to root for whoever gets in again.",
    look_alikes: "Package managers, with what they start. Folders whose files belong to their group are none.",
    response: "Look at the file; start a new container.",
};

pub(crate) static TIMESTOMP: Rule = Rule {
    id: "tampering.timestomp",
    class: Class::Tampering,
    severity: Severity::Low,
    attack: &["T1070.006"],
    title: "A program was given times of somebody's choice",
    meaning: "A process set the times of an executable file that is not in the image.",
    why: "What seems old is not looked at.",
    look_alikes: "Programs that bring files with their times: `tar`, `rsync`, `git`, `cp`, package managers.",
    response: "Look at the file.",
};

pub(crate) static IMMUTABLE_FILE: Rule = Rule {
    id: "tampering.immutable_file",
    class: Class::Tampering,
    severity: Severity::Medium,
    attack: &["T1222.002"],
    title: "A file was made unchangeable",
    meaning: "A process set the immutable or append-only attribute of a file.",
    why: "Miners and implants keep others, and their like, from removing them.",
    look_alikes: "None is known in containers.",
    response: "Look at the file; `chattr -ia` undoes it.",
};

pub(crate) static PROCESS_INJECTION: Rule = Rule {
    id: "tampering.process_injection",
    class: Class::Tampering,
    severity: Severity::High,
    attack: &["T1055.009"],
    title: "Something was written into another process",
    meaning: "A process opened `/proc/PID/mem` of another one of its container for writing, or used `process_vm_writev`. Of \
        processes of other containers and the host `escape.foreign_process` tells.",
    why: "Code in another process acts with its rights and under its name.",
    look_alikes: "Debuggers of the image: low.",
    response: "Stop the container: what its processes are is not known any more.",
};

pub(crate) static FOREIGN_SIGNAL: Rule = Rule {
    id: "tampering.foreign_signal",
    class: Class::Tampering,
    severity: Severity::High,
    attack: &["T1489", "T1562.001"],
    title: "A process outside the container was sent a signal",
    meaning: "A process sent a signal, be it only to ask whether somebody is there, to a process of the host or of another \
        container. Medium when it was refused.",
    why: "Services and agents are stopped so; it also means that the container sees the host's processes.",
    look_alikes: "Containers of one pod that share their processes.",
    response: "Look at which process it was; take the host's pid namespace from the container.",
};

pub(crate) static CAPABILITY_GAIN: Rule = Rule {
    id: "tampering.capability_gain",
    class: Class::Tampering,
    severity: Severity::Medium,
    attack: &["T1548"],
    title: "A process gave itself capabilities",
    meaning: "A process added to its capabilities, or to those that what it executes inherits (ambient).",
    why: "What it starts keeps rights that it would lose.",
    look_alikes: "Programs that change users and drop rights (`setpriv`, `gosu`, `su`), when they are the image's own.",
    response: "Look at what it executed next.",
};

pub(crate) static CLOCK: Rule = Rule {
    id: "tampering.clock",
    class: Class::Tampering,
    severity: Severity::Medium,
    attack: &["T1070.006", "T1565"],
    title: "The clock of the host was set, or was to be",
    meaning: "A process in a container called `clock_settime`, `settimeofday` or `adjtimex` to set a clock, with whatever success.",
    why: "Clocks have no namespace: certificates, logs and schedules of the whole host follow.",
    look_alikes: "Time services of the image (`chronyd`, `ntpd`).",
    response: "Compare the host's clock with others; take CAP_SYS_TIME from the container.",
};

pub(crate) static RING_SERVED_BY_KERNEL: Rule = Rule {
    id: "tampering.ring_served_by_kernel",
    class: Class::Tampering,
    severity: Severity::High,
    attack: &["T1562.001"],
    title: "A ring was made whose requests a thread of the kernel carries out",
    meaning: "A process called `io_uring_setup` with `IORING_SETUP_SQPOLL`: it needs no system call any more to open, send or \
        rename.",
    why: "Tools that watch system calls see nothing of it.",
    look_alikes: "Databases and storage servers that want the last microsecond. Switch io_uring off by seccomp where nothing needs it.",
    response: "Look at what the process does; `kernel.io_uring_disabled` switches it off for a host.",
};

pub(crate) static WIPING_TOOL: Rule = Rule {
    id: "tampering.wiping_tool",
    class: Class::Tampering,
    severity: Severity::Medium,
    attack: &["T1485", "T1070.004"],
    title: "A tool that destroys files was executed",
    meaning: "`shred`, `wipe`, `srm` or one of their like was executed.",
    why: "Traces and data are destroyed so.",
    look_alikes: "Jobs that erase data by order. What a profile has the image execute does not count.",
    response: "Find out what was overwritten; restore it.",
};

pub(crate) static CHANGE_OF_USER: Rule = Rule {
    id: "tampering.change_of_user",
    class: Class::Tampering,
    severity: Severity::Medium,
    attack: &["T1548.003"],
    title: "A program that acts as another user was executed",
    meaning: "`su`, `sudo`, `doas`, `pkexec` or `runuser` was executed.",
    why: "A service needs no second user; an intruder wants to be root.",
    look_alikes: "Images that begin as root and go on as another. What a profile has the image execute does not count.",
    response: "Look at what it started.",
};

pub(crate) static NETWORK_CONFIGURATION: Rule = Rule {
    id: "tampering.network_configuration",
    class: Class::Tampering,
    severity: Severity::Medium,
    attack: &["T1562.004", "T1557"],
    title: "Routes, addresses or filters were changed",
    meaning: "`ip`, `tc`, `iptables`, `nft` or one of their like was executed to change something.",
    why: "Traffic is led elsewhere, or let through.",
    look_alikes: "Whatever the network of containers is made with: `kube-proxy`, `calico-node`, `istio-iptables`, Docker in Docker, \
        VPNs, when they are the image's own. What a profile has the image execute does not count.",
    response: "Compare routes and filters with those of another container of the image.",
};

pub(crate) static HIDDEN_NAME: Rule = Rule {
    id: "tampering.hidden_name",
    class: Class::Tampering,
    severity: Severity::Low,
    attack: &["T1564.001"],
    title: "A name was made that hides",
    meaning: "A file was made whose path has a component of three dots or more, or of dots and blanks.",
    why: "Lists do not show it, or show it as something else.",
    look_alikes: "None is known.",
    response: "Look at what is there.",
};

pub(crate) static ODD_NAME: Rule = Rule {
    id: "tampering.odd_name",
    class: Class::Tampering,
    severity: Severity::Medium,
    attack: &["T1036"],
    title: "Something has a name that cannot be told, or is made to be misread",
    meaning: "Something was executed whose path is longer than what is kept of it, or whose name has control characters or is no \
        text; or a file was made whose name has control characters.",
    why: "Paths are cut and terminals misled, so that nobody sees what was made or executed.",
    look_alikes: "None is known: deep folders have names that fit.",
    response: "Look at the file; the event has its inode and device.",
};

pub(crate) static BULK_ENCRYPTION: Rule = Rule {
    id: "tampering.bulk_encryption",
    class: Class::Tampering,
    severity: Severity::High,
    attack: &["T1486"],
    title: "Files are renamed as ransomware does it",
    meaning: "A process gave a file its old name with `.enc`, `.locked`, `.crypt` or another word of ransomware behind it. The first \
        rename in a folder is told at once; the count of repeats says how many there were.",
    why: "Ransomware marks what it has encrypted, folder by folder.",
    look_alikes: "Somebody encrypts a single file and moves it so; tools that write the encrypted file under its own name do not count, \
        nor do package managers and build tools.",
    response: "Stop the process at once; restore from a backup that the container cannot write.",
};

pub(crate) static DECODED_PROGRAM: Rule = Rule {
    id: "tampering.decoded_program",
    class: Class::Tampering,
    severity: Severity::High,
    attack: &["T1140", "T1027"],
    title: "A text was decoded and executed",
    meaning: "Within a minute one program started a decoder (`base64 -d`, `xxd -r`, `openssl enc -d`, `gpg -d`) and a shell or \
        interpreter that was told no program, or a file that is not in the image; in whichever order.",
    why: "Payloads are brought as text, past filters that look for programs.",
    look_alikes: "Entrypoints that decode a secret into a file execute nothing of it. Where a profile has the image execute both, they \
        do not count.",
    response: "Look at the arguments of the program that started both: the text is there, or where it came from.",
};

pub(crate) static EVENT_FLOOD: Rule = Rule {
    id: "tampering.event_flood",
    class: Class::Tampering,
    severity: Severity::High,
    attack: &["T1562.006", "T1499"],
    title: "A program is executed again and again at full speed",
    meaning: "One program executed another a thousand times within four seconds.",
    why: "So many events blind those who record each: what happens meanwhile gets lost. The agent counts repeats in the kernel, \
        and is not blinded; see also `sensor.events_lost`.",
    look_alikes: "Loops of scripts on fast machines. Builds do not count, nor does what a profile has the image execute.",
    response: "Look at what else the container did at that time.",
};
