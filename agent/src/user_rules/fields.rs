//! What conditions may ask about: the names that alerts and `agent watch` use, with their types. A test compares them with what events of
//! every kind really show.

use crate::event::EventKind;
use std::fmt::Write;

/// Type of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FieldType {
    Text,
    Number,
    /// Null when it is not known.
    MaybeNumber,
    Flag,
    /// Null when it cannot be told.
    MaybeFlag,
    List(&'static FieldType),
    Object(&'static [Field]),
    /// Text by text: any key.
    Labels,
}

impl FieldType {
    /// How it is called in messages and in the documentation.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Number => "number",
            Self::MaybeNumber => "number or null",
            Self::Flag => "bool",
            Self::MaybeFlag => "bool or null",
            Self::List(Self::Text) => "list of text",
            Self::List(Self::Number) => "list of numbers",
            Self::List(_) => "list",
            Self::Object(_) => "object",
            Self::Labels => "map of text",
        }
    }
}

/// A field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) kind: FieldType,
    meaning: &'static str,
}

const fn field(name: &'static str, kind: FieldType, meaning: &'static str) -> Field {
    Field { name, kind, meaning }
}

const fn text(name: &'static str, meaning: &'static str) -> Field {
    field(name, FieldType::Text, meaning)
}

const fn number(name: &'static str, meaning: &'static str) -> Field {
    field(name, FieldType::Number, meaning)
}

const fn flag(name: &'static str, meaning: &'static str) -> Field {
    field(name, FieldType::Flag, meaning)
}

const TEXTS: FieldType = FieldType::List(&FieldType::Text);
const NUMBERS: FieldType = FieldType::List(&FieldType::Number);

/// Of every event.
const EVERY: &[Field] = &[
    text("kind", "as in `on`"),
    text("exe", "the acting executable, as `process.exe`"),
    number("ret", "what the call returned: a negative errno when it failed"),
    text(
        "trust",
        "`resolved`, `racy`, `arguments`: how far the object can be trusted",
    ),
    text("backend", "`lsm`, `fentry`, `tracepoint`, `cgroup`"),
    flag("chrooted", "in another root than the container's"),
    flag(
        "exec_session",
        "of a process that came by `docker exec` and its like",
    ),
    flag("compat", "by a 32-bit system call"),
    flag("io_uring", "by io_uring"),
    flag("inherited", "listen: the executable found the listener open"),
    flag("truncated", "a text was cut"),
];
/// Of a file.
const FILE: &[Field] = &[
    text("filesystem", "`overlay`, `proc`, `tmpfs`, …"),
    number("inode", ""),
    text("device", "of its filesystem, `major:minor`"),
    field(
        "in_image",
        FieldType::MaybeFlag,
        "null: not on the container's own filesystem",
    ),
    text("device_node", "of a device file, `major:minor`"),
];
const PATHS: &[Field] = &[
    text("path", "absolute, in the container's root"),
    text("fs_path", "in the file's own filesystem, where that tells more"),
];
const DIRECTORY: &[Field] = &[
    text("directory_filesystem", "of the folder that changes"),
    text("directory_device", ""),
];
const LOCAL: &[Field] = &[text("local_address", ""), number("local_port", "")];
const REMOTE: &[Field] = &[text("remote_address", ""), number("remote_port", "")];
const OPERATION: &[Field] = &[text("operation", "see alerts of the kind")];
const TARGET: &[Field] = &[
    number("target_host_pid", ""),
    text("target_container_id", "empty: the host's, or not known"),
];

const EXEC: &[Field] = &[
    text("path", "of the file that was executed"),
    text("filename", "as it was asked for; of a script its name"),
    field("socket_descriptors", NUMBERS, "which of 0, 1, 2 are sockets"),
    text("peer_address", "of such a socket"),
    number("peer_port", "of such a socket"),
    PEER_NAME,
];
const FILE_OPEN: &[Field] = &[
    text("access", "`read`, `write`, `read_write`"),
    number("open_flags", ""),
];
const LISTEN: &[Field] = &[text("protocol", "`tcp`, `udp`, …"), number("backlog", "")];
const CONNECT: &[Field] = &[
    text("protocol", "`tcp`, `udp`, …"),
    field(
        "peer",
        FieldType::Object(PEER),
        "the container that has the address",
    ),
    PEER_NAME,
];
/// An address that nobody asked for by a name has none.
const PEER_NAME: Field = text(
    "peer_name",
    "what the container asked for before it was answered the peer's address",
);
const PEER: &[Field] = &[
    text("container_id", "empty: no container that is known"),
    text("name", ""),
    text("image", ""),
];
const UNIX_CONNECT: &[Field] = &[
    text("path", "of the socket"),
    number("peer_pid", "of the server, on the host"),
];
const UNIX_BIND: &[Field] = &[text("path", "of the socket")];
const MOUNT: &[Field] = &[
    text("source", ""),
    text("target", ""),
    text("fstype", ""),
    number("mount_flags", ""),
];
const PTRACE: &[Field] = &[number("request", "")];
const SETNS: &[Field] = &[
    field("host_namespaces", TEXTS, "those of the host"),
    field(
        "gained_namespaces",
        TEXTS,
        "those that it was not in when the container began",
    ),
    number("nstype", ""),
];
const MODULE: &[Field] = &[text("module", "path or name")];
const BPF: &[Field] = &[number("cmd", ""), number("subtype", "")];
const NAME: &[Field] = &[
    text("new_path", "rename, link, symlink: the other name"),
    number("rename_flags", ""),
];
const LIFECYCLE: &[Field] = &[text("cgroup", "")];
const CHROOT: &[Field] = &[flag("outside", "of the container's root")];
const MKNOD: &[Field] = &[
    text("type", "`char`, `block`, `fifo`, …"),
    text("device_node", "`major:minor`"),
];
const SETATTR: &[Field] = &[
    number("value", "the new mode, flags, …"),
    text("name", "of an extended attribute"),
];
const MMAP: &[Field] = &[number("prot", ""), number("mmap_flags", "")];
const SOCKET: &[Field] = &[
    text("family", "`packet`, `vsock`, …"),
    text("type", "`raw`, `dgram`, …"),
    number("protocol", ""),
    flag("binds", "of a vsock socket that is there"),
    flag("connects", "the same"),
];
const CAPABLE: &[Field] = &[
    text("capability", "`CAP_NET_ADMIN`"),
    number("user_namespace", ""),
];
const SIGNAL: &[Field] = &[number("signal", "")];
const CREDENTIALS: &[Field] = &[
    field("old_uid", FieldType::MaybeNumber, "setuid"),
    field("new_uid", FieldType::MaybeNumber, "setuid"),
    field("capabilities_before", TEXTS, ""),
    field("capabilities", TEXTS, "afterwards"),
];
const SYSCALL: &[Field] = &[
    text("name", "of the call"),
    field("args", NUMBERS, ""),
    text("text", ""),
];
const RECEIVE: &[Field] = &[
    text("family", ""),
    text("type", ""),
    text("state", "`established`, `listening`, `other`"),
    number("network_namespace", ""),
    PEER_NAME,
];
const DNS: &[Field] = &[
    text(
        "name",
        "that is asked for: small letters, no dot at its end; what is no visible ASCII as `\\DDD`",
    ),
    text("type", "`A`, `AAAA`, `TXT`, `SRV`, `AXFR`, …, `TYPE65399`"),
    text("direction", "`sent`: a question; `received`: an answer"),
    text(
        "code",
        "of an answer: `NOERROR`, `NXDOMAIN`, `SERVFAIL`, `REFUSED`, …",
    ),
    field("addresses", TEXTS, "of an answer"),
    field("ttls", NUMBERS, "of each of them, seconds"),
    field("canonical_names", TEXTS, "that the name is an alias of"),
    text("zone", "whose answer it is that there is nothing"),
    text("protocol", "`udp`, `tcp`"),
];
const ATTEMPT: &[Field] = &[text("path", "what was asked for")];

/// The process that acts.
pub(super) const PROCESS: &[Field] = &[
    number("pid", "in the container's pid namespace"),
    number("host_pid", ""),
    text("start", "RFC 3339"),
    text("exe", "absolute, in the container's root"),
    text(
        "name",
        "last part of `exe`; of exec that of `filename`, of busybox and its like what they were called",
    ),
    field("args", TEXTS, ""),
    text("arguments", "what follows the first of `args`, as one text"),
    text("command_line", "`name` and `arguments`, as one text"),
    text("cwd", ""),
    number("uid", ""),
    field(
        "ancestors",
        FieldType::List(&FieldType::Object(ANCESTOR)),
        "parent first, each with `exe`, `name`, `args`, `command_line`, `host_pid`, `host`",
    ),
    field(
        "parent",
        FieldType::Object(ANCESTOR),
        "the first of `ancestors`; what is not known of it is empty",
    ),
    flag("ancestors_truncated", "the chain is not complete"),
    number("age_ms", "milliseconds from `start` to the event"),
    field(
        "in_image",
        FieldType::MaybeFlag,
        "the executable is in the image; null: cannot be told",
    ),
    flag(
        "truncated",
        "`exe`, `args` or `cwd` were cut, or a list has more than 256 items",
    ),
];
const ANCESTOR: &[Field] = &[
    number("host_pid", ""),
    text("exe", ""),
    text("name", "last part of `exe`"),
    field("args", TEXTS, "none of processes of the host"),
    text("command_line", "`name` and what follows the first of `args`"),
    flag("host", "outside the container"),
];
/// The container that it acts in.
pub(super) const CONTAINER: &[Field] = &[
    text("id", ""),
    text("name", ""),
    text("runtime", "`docker`, `containerd`, …"),
    text("namespace", "Kubernetes', as `pod.namespace`"),
    field("image", FieldType::Object(IMAGE), "`ref`, `id`, `digest`"),
    field("pod", FieldType::Object(POD), "`name`, `namespace`, `uid`"),
    field(
        "labels",
        FieldType::Labels,
        "ask `\"tier\" in container.labels` first",
    ),
    number("labels_omitted", "labels that were too many or too long"),
    flag("privileged", ""),
];
const IMAGE: &[Field] = &[text("ref", ""), text("id", ""), text("digest", "")];
const POD: &[Field] = &[text("name", ""), text("namespace", ""), text("uid", "")];

/// Fields of events of a kind, in the groups that they come in.
fn groups(kind: EventKind) -> &'static [&'static [Field]] {
    match kind {
        EventKind::EXEC => &[EXEC, FILE],
        EventKind::FILE_OPEN => &[PATHS, FILE_OPEN, FILE],
        EventKind::BIND | EventKind::LISTEN => &[LISTEN, LOCAL],
        EventKind::CONNECT | EventKind::SEND => &[CONNECT, LOCAL, REMOTE],
        EventKind::UNIX_CONNECT => &[UNIX_CONNECT, FILE],
        EventKind::UNIX_BIND => &[UNIX_BIND, FILE],
        EventKind::MOUNT => &[OPERATION, MOUNT],
        EventKind::PTRACE => &[OPERATION, PTRACE, TARGET],
        EventKind::SETNS | EventKind::UNSHARE => &[SETNS],
        EventKind::MODULE => &[OPERATION, MODULE, FILE],
        EventKind::BPF => &[BPF],
        EventKind::UNLINK | EventKind::RENAME | EventKind::LINK | EventKind::SYMLINK => {
            &[PATHS, NAME, DIRECTORY, FILE]
        }
        EventKind::CONTAINER => &[OPERATION, LIFECYCLE],
        EventKind::CHROOT | EventKind::CHDIR => &[PATHS, CHROOT, FILE],
        EventKind::MKNOD => &[PATHS, MKNOD, DIRECTORY],
        EventKind::SETATTR => &[OPERATION, PATHS, SETATTR, FILE],
        EventKind::MMAP => &[OPERATION, PATHS, MMAP, FILE],
        EventKind::SOCKET => &[SOCKET],
        EventKind::CAPABLE => &[CAPABLE],
        EventKind::SIGNAL => &[SIGNAL, TARGET],
        EventKind::CREDENTIALS => &[OPERATION, CREDENTIALS],
        EventKind::SYSCALL => &[SYSCALL],
        EventKind::RECEIVE => &[RECEIVE, LOCAL, REMOTE],
        EventKind::EXEC_ATTEMPT => &[ATTEMPT],
        EventKind::DNS => &[DNS, REMOTE],
        _ => &[],
    }
}

/// Every field of events of a kind.
pub(super) fn event_fields(kind: EventKind) -> impl Iterator<Item = &'static Field> {
    EVERY.iter().chain(groups(kind).iter().copied().flatten())
}

/// The field of events of a kind that is called so.
pub(super) fn event_field(kind: EventKind, name: &str) -> Option<&'static Field> {
    event_fields(kind).find(|field| field.name == name)
}

/// Every field, as tables for the documentation.
#[must_use]
pub fn markdown() -> String {
    let mut text = String::new();
    table(&mut text, "`event`, of every kind", EVERY.iter());
    for (number, (kind, _)) in EventKind::ALL.iter().enumerate() {
        let alike = |(other, _): &&(EventKind, &str)| groups(*other) == groups(*kind);
        if EventKind::ALL[..number].iter().any(|other| alike(&other)) {
            continue;
        }
        let names: Vec<String> = EventKind::ALL
            .iter()
            .filter(alike)
            .map(|(_, name)| format!("`{name}`"))
            .collect();
        let head = format!("`event` of {}", names.join(", "));
        table(&mut text, &head, groups(*kind).iter().copied().flatten());
    }
    table(&mut text, "`event.peer`", PEER.iter());
    table(&mut text, "`process`", PROCESS.iter());
    table(&mut text, "`container`", CONTAINER.iter());
    text
}

fn table(text: &mut String, head: &str, fields: impl Iterator<Item = &'static Field>) {
    // Writing to a String cannot fail.
    let _written = write!(text, "\n### {head}\n\n| field | type | |\n|---|---|---|\n");
    for Field { name, kind, meaning } in fields {
        let row = format!("| `{name}` | {} | {meaning} |", kind.name());
        let _written = writeln!(text, "{row}");
    }
}
