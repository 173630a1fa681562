//! Programs by who executed them, what they were told, and what they call themselves.

use crate::detect::{Class, Rule, Severity};

pub(crate) static SHELL_FROM_SERVICE: Rule = Rule {
    id: "drift.shell_from_service",
    class: Class::Drift,
    severity: Severity::Critical,
    attack: &["T1505.003", "T1059.004", "T1190"],
    title: "A network service executed a shell or interpreter",
    meaning: "A web server, database or another service, or a program that calls itself one, executed a shell or an interpreter. \
        Beside a complete profile also the container's main program, whatever its name, a shell: high.",
    why: "Who sends commands to a service that has a hole, or left a script in a web server, has them run so.",
    look_alikes: "Mail from PHP, `archive_command` of PostgreSQL, CGI: name the service among the shell's `parents` in the profile, where \
        learning has not. Health checks are started by the runtime, not by the service. Varnish's compiler does not count.",
    response: "Look at the arguments, and at the requests of that moment; stop the container.",
};

pub(crate) static PIPED_SCRIPT: Rule = Rule {
    id: "drift.piped_script",
    class: Class::Drift,
    severity: Severity::Medium,
    attack: &["T1059.004", "T1059.006", "T1105"],
    title: "An interpreter was told no program: it runs its input",
    meaning: "A shell without arguments (or with `-s`), or an interpreter without any or with `-`, was started by another \
        program of the container. Low in exec sessions.",
    why: "`curl … | sh` leaves no file.",
    look_alikes: "Shells that an entrypoint goes on as, or that `su`, SSH or a terminal start. What a profile has the image \
        execute does not count.",
    response: "Look at what else its parent started: who wrote into the pipe?",
};

pub(crate) static EXEC_SESSION_SHELL: Rule = Rule {
    id: "drift.exec_session_shell",
    class: Class::Drift,
    severity: Severity::Low,
    attack: &["T1609", "T1059.004"],
    title: "Somebody entered the container with a shell",
    meaning: "The first program of a session that was attached to the container (`docker exec`, `kubectl exec`, `nsenter`) is \
        a shell. One that was given a command (`sh -c`) does not count: so health checks are run.",
    why: "Who has the runtime's or the cluster's credentials comes in that way; what follows is better understood with it.",
    look_alikes: "Administrators. A shell that a profile has the image execute does not count.",
    response: "Ask who it was: the runtime's and the cluster's audit logs say it.",
};

pub(crate) static MASQUERADE: Rule = Rule {
    id: "drift.masquerade",
    class: Class::Drift,
    severity: Severity::High,
    attack: &["T1036.005", "T1036.011"],
    title: "An interpreter calls itself a service",
    meaning: "A shell, interpreter or relay was executed with a service's name as its first argument (`exec -a nginx bash`).",
    why: "Lists of processes show the first argument.",
    look_alikes: "None is known: services that are scripts have their interpreter's name there.",
    response: "Look at the executable, not at the name; stop the process.",
};

pub(crate) static KERNEL_THREAD_NAME: Rule = Rule {
    id: "drift.kernel_thread_name",
    class: Class::Drift,
    severity: Severity::High,
    attack: &["T1036.004"],
    title: "A process calls itself a thread of the kernel",
    meaning: "A process of a container was executed with a first argument in brackets or like `kworker/0:1`, or gave such a \
        name to a thread.",
    why: "Nobody stops threads of the kernel, or looks at them. In a container there are none.",
    look_alikes: "None is known.",
    response: "Take a copy of the executable; stop the process.",
};

pub(crate) static PROCESS_FORGED: Rule = Rule {
    id: "drift.process_forged",
    class: Class::Drift,
    severity: Severity::High,
    attack: &["T1036.011"],
    title: "A process changed what the kernel says of it",
    meaning: "A process called `prctl` with `PR_SET_MM`, with whatever success: it sets which file and which arguments procfs \
        shows.",
    why: "Tools that read procfs see another program.",
    look_alikes: "CRIU, LXC and systemd when they are the image's own.",
    response: "The alert has the executable that was executed; compare it with /proc/PID/exe.",
};

pub(crate) static MINER: Rule = Rule {
    id: "drift.miner",
    class: Class::Drift,
    severity: Severity::Critical,
    attack: &["T1496.001"],
    title: "A miner of currencies was executed",
    meaning: "A program was executed whose name is a miner's (`xmrig`, `minerd`, `kinsing`), or that was told of a pool \
        (`stratum+tcp://`, `--donate-level`).",
    why: "It uses the machine for somebody else, and whoever brought it can bring more.",
    look_alikes: "Programs that look for such words (`grep xmrig`) and exporters of metrics do not count.",
    response: "Stop the container; find out how it came in.",
};

pub(crate) static PACKAGE_MANAGER: Rule = Rule {
    id: "drift.package_manager",
    class: Class::Drift,
    severity: Severity::Medium,
    attack: &["T1072", "T1105"],
    title: "A package manager was run",
    meaning: "A package manager of the system was executed, or one of a language (`pip`, `npm`, `gem`) to install something. \
        Low in a step of an image's build.",
    why: "Images are complete: who installs something needs a tool that the image does not have.",
    look_alikes: "Images for development and notebooks; entrypoints that install at each start. What a profile has the image \
        execute does not count.",
    response: "See what was installed; put what is needed into the image.",
};

pub(crate) static DISCOVERY_BURST: Rule = Rule {
    id: "drift.discovery_burst",
    class: Class::Drift,
    severity: Severity::Medium,
    attack: &["T1082", "T1033", "T1057", "T1016"],
    title: "Many programs that tell where one is were run",
    meaning: "Within a minute five or more different ones of `id`, `whoami`, `uname`, `ps`, `ip`, `ss`, `mount`, `df`, `env` \
        and their like were executed in a container.",
    why: "Who comes into a container looks around first.",
    look_alikes: "Scripts that gather facts for support. Package managers and build tools, with what they start, do not count; \
        programs that the profile has the image execute neither.",
    response: "See who started them: the ancestry leads to where somebody came in.",
};

pub(crate) static PROCESS_TRACED: Rule = Rule {
    id: "drift.process_traced",
    class: Class::Drift,
    severity: Severity::High,
    attack: &["T1055.008"],
    title: "A process of the container was traced",
    meaning: "A process attached to another one of its container with `ptrace`, or changed its code, data or registers. Medium \
        when it was refused. Of processes of other containers and the host `escape.foreign_process` tells.",
    why: "Code in another process acts with its rights and under its name.",
    look_alikes: "Debuggers, and what gathers crashes, when they are the image's own.",
    response: "Stop the container: what its processes are is not known any more.",
};

pub(crate) static ANTI_DEBUG: Rule = Rule {
    id: "drift.anti_debug",
    class: Class::Drift,
    severity: Severity::Low,
    attack: &["T1622"],
    title: "A process keeps debuggers away",
    meaning: "A process asked to be traced (`PTRACE_TRACEME`), and its parent is no debugger.",
    why: "A process has one tracer: malware takes the place.",
    look_alikes: "Programs that are protected against copying. Debuggers of the image, with what they start, do not count.",
    response: "Look at the executable.",
};
