//! Rules of class `drift`: code that is not in the image.

use crate::detect::{Class, Rule, Severity};

pub(super) static ALL: &[&Rule] = &[
    &EXEC_FROM_UPPER,
    &EXEC_FROM_TMP,
    &EXEC_FROM_MEMORY,
    &EXEC_UNLINKED,
    &EXEC_FROM_VOLUME,
    &EXEC_OUTSIDE_PROFILE,
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
