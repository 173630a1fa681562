//! What a profile does not name.

use crate::detect::{Class, Rule, Severity};

pub(crate) static EXEC_OUTSIDE_PROFILE: Rule = Rule {
    id: "drift.exec_outside_profile",
    class: Class::Drift,
    severity: Severity::Medium,
    attack: &["T1059"],
    title: "A program that the profile does not know was executed",
    meaning: "The executable (or this parent of it) is not in the profile. Low with a partial profile and in \
        exec sessions. What a container does outside its profile within a minute, executing, writing or by a capability, is one \
        alert; its evidence lists the steps, and the first finding that says what was done names it.",
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
