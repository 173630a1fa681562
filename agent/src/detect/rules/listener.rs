//! Rules of class `listener`: listening where nobody should.

use crate::detect::{Class, Rule, Severity};

pub(super) static ALL: &[&Rule] = &[
    &UNEXPECTED,
    &UNEXPECTED_PORT,
    &UNEXPECTED_EXECUTABLE,
    &SHELL_SPAWNED,
    &SSHD_IN_CONTAINER,
    &WEB_SERVER_IN_DATABASE,
];

pub(crate) static UNEXPECTED: Rule = Rule {
    id: "listener.unexpected",
    class: Class::Listener,
    severity: Severity::Info,
    attack: &["T1571"],
    title: "A listener that nothing announces",
    meaning: "A process listens on a port that is neither in the image's profile, nor declared by the image, nor \
        usual for its role. With a complete profile the severity is high, with a partial one medium, \
        without one info; low on loopback.",
    why: "Backdoors, proxies and forgotten debug ports are listeners.",
    look_alikes: "Debug ports and exporters that are switched on by configuration: learn or add them.",
    response: "Ask who started the program; add the port to the profile if it belongs there.",
};

pub(crate) static UNEXPECTED_PORT: Rule = Rule {
    id: "listener.unexpected_port",
    class: Class::Listener,
    severity: Severity::High,
    attack: &["T1571"],
    title: "A known program listens on a port of its own choice",
    meaning: "An executable that the profile knows as a listener listens on another port.",
    why: "A second configuration of the real service is a quiet way to serve an attacker.",
    look_alikes: "Ports that are configured per deployment: add them to the profile.",
    response: "Look at the arguments and configuration of the process.",
};

pub(crate) static UNEXPECTED_EXECUTABLE: Rule = Rule {
    id: "listener.unexpected_executable",
    class: Class::Listener,
    severity: Severity::High,
    attack: &["T1036", "T1571"],
    title: "Another program listens on the service's port",
    meaning: "The port is the service's, the executable is not.",
    why: "It takes over the traffic of the service: credentials and data.",
    look_alikes: "An update that moves the executable: learn the new image.",
    response: "Compare the executable with the image. Stop the container.",
};

pub(crate) static SHELL_SPAWNED: Rule = Rule {
    id: "listener.shell_spawned",
    class: Class::Listener,
    severity: Severity::High,
    attack: &["T1059", "T1571"],
    title: "A shell or a tool of shells listens",
    meaning: "netcat, socat or a shell listens; or a program listens that a shell started which came from a \
        network service or from an exec session.",
    why: "It is a bind shell or a tunnel.",
    look_alikes: "Entrypoint scripts also start services from a shell: the entrypoint's own lineage does not count. \
        `nc -z` of health checks does not listen.",
    response: "Read the arguments; stop the process; find out which request or session started the shell.",
};

pub(crate) static SSHD_IN_CONTAINER: Rule = Rule {
    id: "listener.sshd_in_container",
    class: Class::Listener,
    severity: Severity::High,
    attack: &["T1021.004", "T1098"],
    title: "An SSH server in a container",
    meaning: "A process is an SSH server, or listens on port 22. It needs no profile. Images that are SSH \
        servers get severity low.",
    why: "Nobody needs to log in to a container; whoever installs sshd wants to come back.",
    look_alikes: "Git servers and jump hosts: they are SSH servers by purpose; add the listener to their profile by \
        hand.",
    response: "Stop the container; remove sshd from the image; look for added keys.",
};

pub(crate) static WEB_SERVER_IN_DATABASE: Rule = Rule {
    id: "listener.web_server_in_database",
    class: Class::Listener,
    severity: Severity::High,
    attack: &["T1505.003", "T1571"],
    title: "A web server in a database or cache container",
    meaning: "In a container that is a database or a cache, a web server runs or a port of web servers is open. \
        It needs no profile.",
    why: "Data stores do not serve web pages; attackers use them for downloads, web shells and command \
        channels.",
    look_alikes: "Consoles that belong to the product listen on ports that the role knows.",
    response: "Stop the container; find out who started the program.",
};
