//! Code that comes from files, or from no file.

use crate::detect::{Class, Rule, Severity};

pub(crate) static EXEC_FROM_UPPER: Rule = Rule {
    id: "drift.exec_from_upper",
    class: Class::Drift,
    severity: Severity::Critical,
    attack: &["T1105", "T1036"],
    title: "A program that is not in the image was executed",
    meaning: "The executable is in the container's writable layer: it was dropped or changed after the start. \
        Medium when a package manager or compiler started it, and in a step of an image's build; low where both hold. After a linker of the image was executed, for ten minutes: \
        high, and one alert for all, for they may be its work.",
    why: "Images are complete; what comes later was brought by somebody.",
    look_alikes: "Package installation and builds at run time; programs that update themselves: a profile that has the image execute \
        the file, and write where it is, allows it.",
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
        (`sh x.sh`) is no executable. Critical in /dev/shm and other memory outside /run; medium when a package manager or \
        compiler started it, and in a step of an image's build; low where both hold.",
    why: "Everybody may write there, so it is where attackers drop their tools.",
    look_alikes: "Builds and self-extracting programs (PyInstaller, JNA). Scripts that s6 keeps below /run do not \
        count. A profile that has the image execute the file, and write where it is, allows it.",
    response: "Take a copy of the file; mount these places noexec.",
};

pub(crate) static EXEC_FROM_MEMORY: Rule = Rule {
    id: "drift.exec_from_memory",
    class: Class::Drift,
    severity: Severity::Critical,
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
    severity: Severity::Critical,
    attack: &["T1070.004"],
    title: "A program was executed whose file was deleted",
    meaning: "No name leads to the executable any more, or none ever did. High when the file was the image's own.",
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

pub(crate) static EXEC_REFUSED: Rule = Rule {
    id: "drift.exec_refused",
    class: Class::Drift,
    severity: Severity::High,
    attack: &["T1059", "T1105"],
    title: "An execution was refused in a place for temporary files",
    meaning: "A process asked to execute a file below /tmp, /var/tmp, /dev/shm or /run, and the kernel refused: the mount or \
        the mode forbids it. Medium when a package manager or compiler asked.",
    why: "Intruders drop their tools where everybody may write; the next try goes past the mount, by a loader or an interpreter.",
    look_alikes: "An application whose mount was made noexec since: it does not work, which somebody notices.",
    response: "Look at the file, and at what the process did next.",
};

pub(crate) static LOADER_USED: Rule = Rule {
    id: "drift.loader_used",
    class: Class::Drift,
    severity: Severity::High,
    attack: &["T1218", "T1574"],
    title: "The loader of programs was told to run a file",
    meaning: "The dynamic loader (`ld-linux`, `ld-musl`) was executed by its own name, with a file to run.",
    why: "A file is run so that nobody may execute, or from a mount without execution; what the kernel shows is the loader.",
    look_alikes: "`ldd` and options that only list or verify do not count. Applications that bring their own loader. \
        What a profile has the image execute does not count.",
    response: "Take a copy of the file that it was told to run.",
};

pub(crate) static LIBRARY_OUTSIDE_IMAGE: Rule = Rule {
    id: "drift.library_outside_image",
    class: Class::Drift,
    severity: Severity::High,
    attack: &["T1574.006", "T1129", "T1620"],
    title: "Code was loaded from a file that is not in the image",
    meaning: "A program mapped a file to execute from it, and the file is in the writable layer, in memory, or deleted; by \
        dlopen, LD_PRELOAD or the loader alike. Medium on a writable volume, and below package managers and build tools.",
    why: "A library runs with the rights and under the name of the program that loads it, and no execution shows it.",
    look_alikes: "Java libraries that unpack native code to /tmp (JNA, netty, snappy), wheels that are installed at run time: \
        put them in the image. Compilers at run time that share memory with themselves do not count.",
    response: "Take a copy of the library; find out which process wrote it, and which programs have it.",
};

pub(crate) static EXECUTABLE_MEMORY: Rule = Rule {
    id: "drift.executable_memory",
    class: Class::Drift,
    severity: Severity::Medium,
    attack: &["T1055", "T1620"],
    title: "A program has memory that it may write and execute",
    meaning: "A program that is no compiler at run time asked for memory of no file to write and execute at once, or let \
        memory be executed that it could write before. Low where a complete profile has the image execute the program.",
    why: "Code that came over the network, or was decoded, is put there and run; no file ever holds it.",
    look_alikes: "Java, Node, .NET, PHP, browsers, databases and what else compiles while it runs, when they are the image's \
        own. Others are told once for a program.",
    response: "See which program it is; a compiler is known by its image.",
};

pub(crate) static SCRIPT_DROPPED: Rule = Rule {
    id: "drift.script_dropped",
    class: Class::Drift,
    severity: Severity::Medium,
    attack: &["T1059.004", "T1059.006", "T1105"],
    title: "A script that is not in the image was run",
    meaning: "A shell or interpreter opened the script that it was told to run, and the script is in the writable layer or in \
        memory.",
    why: "Interpreters are in most images: a script is a tool that needs no program.",
    look_alikes: "Entrypoints that write a script and run it: a profile that has the image execute the interpreter, and write \
        where the script is, allows it. Package managers and what they start do not count.",
    response: "Read the script; find out which process wrote it.",
};

pub(crate) static STARTUP_FILE: Rule = Rule {
    id: "drift.startup_file",
    class: Class::Drift,
    severity: Severity::High,
    attack: &["T1546.004", "T1037.004"],
    title: "A file was changed that is read when something starts",
    meaning: "A process wrote or replaced a file that shells read (`.bashrc`, `.profile`, `/etc/profile.d`), \
        `/etc/environment`, or an entrypoint of the container.",
    why: "What stands there is run by the next shell or start, under whoever that is.",
    look_alikes: "Package managers, and programs that add users, when they are the image's own. Entrypoints that write it at \
        each start: name the file in the profile's `files.write`.",
    response: "Compare the file with the image's; start a new container.",
};
