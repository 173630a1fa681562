//! Rules of class `drift`: code that is not in the image.

use crate::detect::{Class, Rule, Severity};

pub(super) static ALL: &[&Rule] = &[
    &EXEC_FROM_UPPER,
    &EXEC_FROM_TMP,
    &EXEC_FROM_MEMORY,
    &EXEC_UNLINKED,
    &EXEC_FROM_VOLUME,
    &EXEC_OUTSIDE_PROFILE,
    &WRITE_OUTSIDE_PROFILE,
    &CAPABILITY_OUTSIDE_PROFILE,
];

pub(crate) static EXEC_FROM_UPPER: Rule = Rule {
    id: "drift.exec_from_upper",
    class: Class::Drift,
    severity: Severity::High,
    attack: &["T1105", "T1036"],
    title: "A program that is not in the image was executed",
    meaning: "The executable is in the container's writable layer: it was dropped or changed after the start. \
        Medium when a package manager or compiler started it.",
    why: "Images are complete; what comes later was brought by somebody.",
    look_alikes: "Package installation and builds at run time; programs that update themselves.",
    response: "Take a copy of the file; find out which process wrote it.",
};

pub(crate) static EXEC_FROM_TMP: Rule = Rule {
    id: "drift.exec_from_tmp",
    class: Class::Drift,
    severity: Severity::High,
    attack: &["T1105", "T1059"],
    title: "A program was executed from a place for temporary files",
    meaning: "The executable is in a memory filesystem, or below /tmp, /var/tmp, /dev/shm or /run; or it is a script \
        (`#!`) of which the name says so, or hides it behind a descriptor. A script that a shell is told to read \
        (`sh x.sh`) is no executable. Medium when a package manager or compiler started it.",
    why: "Everybody may write there, so it is where attackers drop their tools.",
    look_alikes: "Builds and self-extracting programs (PyInstaller, JNA). Scripts that s6 keeps below /run do not \
        count.",
    response: "Take a copy of the file; mount these places noexec.",
};

pub(crate) static EXEC_FROM_MEMORY: Rule = Rule {
    id: "drift.exec_from_memory",
    class: Class::Drift,
    severity: Severity::High,
    attack: &["T1620"],
    title: "A program was executed from memory",
    meaning: "The executable is a memfd: it never was on any disk.",
    why: "It leaves no trace; few programs need it.",
    look_alikes: "runc does so before the container begins; that is not counted to the container.",
    response: "Take a copy from /proc/PID/exe before the process ends.",
};

pub(crate) static EXEC_UNLINKED: Rule = Rule {
    id: "drift.exec_unlinked",
    class: Class::Drift,
    severity: Severity::High,
    attack: &["T1070.004"],
    title: "A program was executed whose file was deleted",
    meaning: "No name leads to the executable any more.",
    why: "Deleting the file hides the tool.",
    look_alikes: "Self-updating programs restart from the new file, not from the old.",
    response: "Take a copy from /proc/PID/exe before the process ends.",
};

pub(crate) static EXEC_FROM_VOLUME: Rule = Rule {
    id: "drift.exec_from_volume",
    class: Class::Drift,
    severity: Severity::Low,
    attack: &["T1105"],
    title: "A program was executed from a writable volume",
    meaning: "The executable, or a script by its name, is on a writable volume or folder of the host.",
    why: "It is not in the image, so nobody has scanned it.",
    look_alikes: "Development setups run the code they mount.",
    response: "Mount the volume noexec or read-only.",
};

pub(crate) static EXEC_OUTSIDE_PROFILE: Rule = Rule {
    id: "drift.exec_outside_profile",
    class: Class::Drift,
    severity: Severity::Medium,
    attack: &["T1059"],
    title: "A program that the profile does not know was executed",
    meaning: "The executable (or this parent of it) is not in the profile. Low with a partial profile and in \
        exec sessions.",
    why: "An intruder uses the tools of the image.",
    look_alikes: "Health checks and rare maintenance: learn them.",
    response: "See the ancestry: what started it?",
};

pub(crate) static WRITE_OUTSIDE_PROFILE: Rule = Rule {
    id: "drift.write_outside_profile",
    class: Class::Drift,
    severity: Severity::Medium,
    attack: &["T1565", "T1105"],
    title: "A file was opened for writing that the profile does not name",
    meaning: "The profile says which files and folders the image writes, and this is none of them. Low with a partial profile and in \
        exec sessions. Devices, pipes and the kernel's own filesystems have rules of their own.",
    why: "Images write where they are meant to; what is written elsewhere is often a tool, a web shell or a changed configuration.",
    look_alikes: "Log files and caches of rare tasks: add their folder to `files.write`.",
    response: "Look at the file and at the process that wrote it.",
};

pub(crate) static CAPABILITY_OUTSIDE_PROFILE: Rule = Rule {
    id: "drift.capability_outside_profile",
    class: Class::Drift,
    severity: Severity::Medium,
    attack: &["T1548", "T1611"],
    title: "A capability was used that the profile does not name",
    meaning: "The profile says which capabilities the image uses, and this is none of them. Low with a partial profile and in exec sessions. In a \
        user namespace of its own a process has them all.",
    why: "Runtimes give containers more capabilities than their work needs, and each is a way for an intruder.",
    look_alikes: "Maintenance as root uses `CAP_DAC_OVERRIDE` and `CAP_CHOWN`; starts need more than what runs on: learn from the start on.",
    response: "Drop what the image does not need (`--cap-drop`); see what used it.",
};
