//! Programs that rules know by name, and questions about a process's ancestry.
//!
//! Names are never proof of innocence: a name only makes a rule look closer.

use crate::container::Container;
use crate::event::{EnrichedEvent, FileFlags, SlotKey};
use crate::process::{ExecSession, Process};

const SHELLS: [&str; 12] = [
    "sh", "bash", "dash", "ash", "zsh", "ksh", "mksh", "fish", "csh", "tcsh", "rbash", "busybox",
];
const RELAYS: [&str; 11] = [
    "nc",
    "ncat",
    "netcat",
    "nc.openbsd",
    "nc.traditional",
    "socat",
    "cryptcat",
    "pwncat",
    "chisel",
    "gost",
    "telnetd",
];
const SSH_SERVERS: [&str; 7] = [
    "sshd",
    "sshd-session",
    "dropbear",
    "dropbearmulti",
    "tinysshd",
    "sshd.krb5",
    "lshd",
];
const SERVICES: [&str; 28] = [
    "nginx",
    "httpd",
    "apache2",
    "caddy",
    "lighttpd",
    "haproxy",
    "envoy",
    "traefik",
    "postgres",
    "mysqld",
    "mariadbd",
    "mongod",
    "redis-server",
    "valkey-server",
    "memcached",
    "php-fpm",
    "uwsgi",
    "gunicorn",
    "rabbitmq-server",
    "beam.smp",
    "mosquitto",
    "nats-server",
    "clickhouse-server",
    "squid",
    "varnishd",
    "proftpd",
    "vsftpd",
    "exim4",
];
const BUILDERS: [&str; 27] = [
    "dpkg", "apt", "apt-get", "aptitude", "rpm", "dnf", "microdnf", "yum", "zypper", "apk", "pacman", "pip",
    "pip3", "npm", "yarn", "pnpm", "cargo", "rustc", "go", "make", "gmake", "ninja", "gcc", "cc", "ld",
    "mvn", "gradle",
];

/// Flags of a file that came after the image.
pub(super) const BROUGHT: u16 = FileFlags::UPPER | FileFlags::MEMFD | FileFlags::UNLINKED;

/// A shell.
pub(super) fn is_shell(name: &[u8]) -> bool {
    contains(&SHELLS, name)
}

/// A tool that turns a shell into a network service, or relays connections.
pub(super) fn is_relay(name: &[u8]) -> bool {
    contains(&RELAYS, name)
}

/// An SSH server.
pub(super) fn is_ssh_server(name: &[u8]) -> bool {
    contains(&SSH_SERVERS, name)
}

/// A network service: a shell below it was started by a request.
pub(super) fn is_service(name: &[u8]) -> bool {
    contains(&SERVICES, name) || name.starts_with(b"php-fpm")
}

/// A package manager, compiler or build tool.
pub(super) fn is_builder(name: &[u8]) -> bool {
    contains(&BUILDERS, name)
}

/// The process executes a file of the image that is called one of these: who brought his own is nobody by its name.
pub(super) fn is_of_image(process: &Process, names: &[&str]) -> bool {
    process.file.flags & BROUGHT == 0 && contains(names, &called(process))
}

/// A package manager or build tool is at work: the process is one, or descends from one.
pub(super) fn builds(event: &EnrichedEvent) -> bool {
    is_builder(&called(&event.process)) || inner_ancestors(event).any(|above| is_builder(&called(above)))
}

/// It belongs to a step of an image's build, not to what entered the step's container. A shell does the step, or the tool alone.
pub(super) fn is_build_step(event: &EnrichedEvent) -> bool {
    let first = called(inner_ancestors(event).last().unwrap_or(&event.process));
    event.process.exec_session == ExecSession::Entrypoint
        && (is_shell(&first) || is_builder(&first))
        && event.container.as_deref().is_some_and(is_made_for_a_build)
}

/// Docker's own builder calls the image, which is the step before, by its whole id; `BuildKit` has its own control group.
fn is_made_for_a_build(container: &Container) -> bool {
    let by_docker = container
        .known()
        .is_some_and(|known| known.runtime == "docker" && known.image.reference.starts_with("sha256:"));
    by_docker || container.cgroup.rsplit('/').nth(1) == Some("buildkit")
}

/// What the container was made for: its first process, or the same program again. A shell may be anything.
pub(super) fn is_main(event: &EnrichedEvent) -> bool {
    let process = &event.process;
    let first = inner_ancestors(event).last().unwrap_or(process);
    let by_entrypoint = process.exec_session == ExecSession::Entrypoint;
    by_entrypoint && !is_shell(&called(process)) && process.exe == first.exe
}

/// The last component of a path.
pub(super) fn name(path: &[u8]) -> &[u8] {
    path.rsplit(|byte| *byte == b'/').next().unwrap_or(path)
}

fn contains(names: &[&str], name: &[u8]) -> bool {
    names.iter().any(|known| known.as_bytes() == name)
}

/// What the process calls itself: busybox and other multi-call programs are known by their first argument.
pub(super) fn called(process: &Process) -> Vec<u8> {
    let name = process.exe_name().to_vec();
    if !matches!(name.as_slice(), b"busybox" | b"toybox" | b"dropbearmulti") {
        return name;
    }
    let mut arguments = process.arguments().map(|argument| argument.file_name().to_vec());
    match arguments.next() {
        Some(first) if first == name => arguments.next().unwrap_or(first),
        Some(first) => first,
        None => name,
    }
}

/// The process's ancestors within its own container, parent first.
pub(super) fn inner_ancestors(event: &EnrichedEvent) -> impl Iterator<Item = &Process> {
    let own: Option<SlotKey> = event.raw.slot();
    event
        .ancestors
        .iter()
        .map(AsRef::as_ref)
        .take_while(move |ancestor| ancestor.slot == own)
}
